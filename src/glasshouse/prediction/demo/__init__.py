"""A page for people: drop a picture, see what one network or two find in it."""
