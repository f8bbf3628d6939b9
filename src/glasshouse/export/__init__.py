"""Networks in the formats that other programs run, each compared with Keras."""
