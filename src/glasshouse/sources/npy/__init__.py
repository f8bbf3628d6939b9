"""The parts of pictures in arrays: the files, the labels, the shapes and the levels."""
