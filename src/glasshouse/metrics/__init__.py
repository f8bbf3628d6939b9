"""Scores and their intervals: pure NumPy, no files."""
