"""The parts of the USToMRI module, each in a file of its own name.

They live in a package because Slicer takes every Python file that lies beside ``USToMRI.py`` for a
module of its own. Only this package and ``USToMRI.py`` know Slicer and Qt; ``USToMRILib`` does not.
"""
