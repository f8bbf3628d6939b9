"""Where pictures come from, and how their bytes become pixels."""
