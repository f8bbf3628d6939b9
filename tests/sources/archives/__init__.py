"""Archives as data sets: what comes out of them, and what must not."""
