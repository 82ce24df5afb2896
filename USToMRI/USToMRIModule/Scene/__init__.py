"""Reading Slicer's scene: volumes, regions, and what happens to nodes."""
