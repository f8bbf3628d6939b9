"""The backbone that ships with the project, and the drawn world that it learned on."""
