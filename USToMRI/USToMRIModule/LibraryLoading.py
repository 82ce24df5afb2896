"""Importing the library from Qt's event loop, so that the first press of a button stops nothing."""

from __future__ import annotations

import contextlib
import gc
import importlib
import sys
from collections.abc import Iterator
from typing import Callable, Optional

import qt

# In one turn of the event loop each: together they take longer than Slicer may stand still.
_PARTS = ("SimpleITK", "USToMRILib", "USToMRIModule.WorkerJobs")


class LibraryLoading:
    """Looks to its owner like a job of the worker: it is running or not, and can be cancelled."""

    def __init__(self, onEnd: Callable[[Optional[Exception]], None]) -> None:
        """Make a loading; :meth:`start` begins it.

        :param onEnd: called once, with None or with the error of an import; not after a cancel.
        """
        self._onEnd = onEnd
        self.running = False

    def start(self) -> None:
        """Import what is not there yet; where nothing is missing, end at once."""
        self.running = True
        if all(part in sys.modules for part in _PARTS):
            self._end(None)
        else:
            qt.QTimer.singleShot(0, self._step)

    def cancel(self) -> None:
        """Import no further, and call nobody."""
        self.running = False

    def _step(self) -> None:
        if not self.running:
            return
        missing = [part for part in _PARTS if part not in sys.modules]
        if not missing:
            self._end(None)
            return
        try:
            with _noGarbageCollection():
                importlib.import_module(missing[0])
        except Exception as error:  # Qt calls this: nobody above could tell the user
            self._end(error)
            return
        qt.QTimer.singleShot(0, self._step)

    def _end(self, error: Optional[Exception]) -> None:
        self.running = False
        self._onEnd(error)


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
