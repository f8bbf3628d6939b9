"""Single pictures: decoded, recognised, measured."""
