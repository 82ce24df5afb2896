"""Importing the library from Qt's event loop, so that the first press of a button stops nothing."""

from __future__ import annotations

import contextlib
import gc
import importlib
import sys
from collections.abc import Iterator

from ..Worker.Coroutine import Coroutine

# In one turn of the event loop each: together they take longer than Slicer may stand still.
_PARTS = (
    "SimpleITK",
    "scipy.special",
    "USToMRILib.fetal.biometry",
    "USToMRIModule.Worker.WorkerJobs",
)


def loadLibrary() -> Coroutine:
    """Import what is not there yet, piece by piece."""
    for part in _PARTS:
        if part not in sys.modules:
            yield
            with _noGarbageCollection():
                importlib.import_module(part)


@contextlib.contextmanager
def _noGarbageCollection() -> Iterator[None]:
    """Put off the search for garbage that many new objects start: it would take as long again."""
    wasEnabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if wasEnabled:
            gc.enable()
