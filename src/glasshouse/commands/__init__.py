"""The commands of `glasshouse`, one module each; each function takes the options and gives the status."""
