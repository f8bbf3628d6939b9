"""The two trainings, their checkpoints and their files."""
