"""What the trained model is worth, for people and for programs."""
