"""The panel's part that shows two images over each other."""
