"""Tests of the module that need nothing but Slicer: they are its self test too.

The desktop application runs them as they are (see ``USToMRIModule.SelfTest``), the project's own
tests on Slicer's core without the application (``test_scene.py``). So they are written for
``unittest``, which every Python has, and use no network and no weights.
"""
