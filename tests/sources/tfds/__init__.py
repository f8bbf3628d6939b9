"""TensorFlow Datasets as a source: reading, labels, preparing, shards."""
