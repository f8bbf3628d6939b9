"""Backbones: `build(pixels, params) -> {c3, c4, c5}`."""
