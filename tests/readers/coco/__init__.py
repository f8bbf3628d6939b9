"""COCO's labels: what is read, what is refused, masks, whole sets."""
