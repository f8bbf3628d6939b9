"""Exported networks on anybody's pictures: load, predict, draw, explain, show in a browser."""
