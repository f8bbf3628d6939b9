"""Several architectures through the same pipeline on the same split, and which of them is best."""
