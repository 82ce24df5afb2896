"""Pseudo-MRI in Slicer's scene and files, always marked as synthetic."""
