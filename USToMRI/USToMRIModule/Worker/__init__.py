"""The process that computes beside Slicer, and what is sent to it and comes back."""
