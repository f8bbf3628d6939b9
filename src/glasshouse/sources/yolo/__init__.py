"""The parts of a YOLO data set: names and splits beside the labels, and the rows of the labels."""
