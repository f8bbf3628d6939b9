"""Tests of the tables; in a package of their own for what they share."""
