"""Labels as other tools write them: one file a format, each with `read(folder, classes) -> Source`."""
