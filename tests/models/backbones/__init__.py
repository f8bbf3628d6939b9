"""The contract of the backbones, and what each of them is."""
