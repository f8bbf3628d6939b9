"""What a person opens first: verdict, worst pictures, findings and drift on one page."""
