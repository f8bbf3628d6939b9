"""What COCO's JSON says: files and their structure, annotations, masks as runs."""
