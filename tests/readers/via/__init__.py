"""VIA's files: regions and whole sets."""
