"""What the drawn worlds share: colours, random fields, polygons, compositing, and drawing in parallel."""
