"""What ran and what came of it: files are the truth (state, journal), MLflow is their mirror."""
