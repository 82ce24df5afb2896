"""What is measured, against what, with its results written down."""
