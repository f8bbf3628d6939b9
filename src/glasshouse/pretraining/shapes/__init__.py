"""The drawn data set of textured shapes, without flowers, on which the compact backbone is pretrained."""
