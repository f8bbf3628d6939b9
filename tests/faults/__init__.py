"""Planted faults: small sound data sets, each with one thing wrong, run through the real stages."""
