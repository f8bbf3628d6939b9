"""What ran, on what: the pipeline's state, its digests, every stage's journal. Nothing here knows MLflow."""
