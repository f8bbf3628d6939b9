"""One file a stage: the tables that it hands over, what is derived from them, what is expected of both."""
