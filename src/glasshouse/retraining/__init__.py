"""A retraining from new data to a change that a person can merge: what `make retrain` does, in its order."""
