"""Tests of the readers of labels."""
