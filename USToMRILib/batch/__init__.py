"""Whole folders: many cases, stopped and started again, by several runs at once.

:func:`USToMRILib.batch.run.run_batch` is the one way through; the command line and Slicer differ in
where the cases come from (:mod:`.source`), and one process or several (:mod:`.processes`) may work
on them. Runs on one folder, on one machine or on many, share the cases by :mod:`.claims`.
"""

from __future__ import annotations
