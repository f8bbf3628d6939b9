"""Boxes, anchors and grids: pure NumPy."""
