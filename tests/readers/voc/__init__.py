"""Pascal VOC: boxes, broken files, names and splits."""
