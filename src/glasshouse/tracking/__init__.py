"""The mirror of the journal and the files in MLflow; the files stay the truth."""
