"""The parts of VIA's labels: its files, JSON and CSV, and the regions in them."""
