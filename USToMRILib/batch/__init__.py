"""Whole folders: many cases, stopped and started again, by several runs at once.

:func:`USToMRILib.batch.run.run_batch` is the one way through; the command line, Slicer and a Dask
cluster differ in where the cases come from (:mod:`.source`) and who works on them (:mod:`.run`,
:mod:`.processes`, :mod:`.cluster`).
"""

from __future__ import annotations
