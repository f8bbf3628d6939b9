"""The drawn data set of five flower species, with exact boxes and masks."""
