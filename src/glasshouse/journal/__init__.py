"""What ran, on what: the state of the pipeline, its digests, and the journal of every stage. Nothing here knows MLflow."""
