"""Pixels and labels as a network eats them."""
