"""Necks: `build(features, params) -> {p3, p4, p5}`."""
