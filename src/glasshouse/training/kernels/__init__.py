"""What Keras composes of many operations, or computes by slow ones, by the one that TensorFlow has for it."""
