"""Units and layers that several parts are made of."""
