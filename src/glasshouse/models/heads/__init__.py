"""Heads: outputs, targets, loss and decoding of one task."""
