"""Cases of Slicer's own file formats and scenes, for ``USToMRI/batch.py``."""
