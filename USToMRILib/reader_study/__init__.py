"""The papers' Medical Opinion Test: pairs of images, and the page on which readers judge them.

What the readers answered is summed up in :mod:`USToMRILib.evaluation`.
"""

from __future__ import annotations
