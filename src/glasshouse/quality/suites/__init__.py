"""One file a stage: the tables that it hands over, what is derived from them, and what is expected of both."""
