"""Work in pieces, one in each turn of Qt's event loop, so that Slicer never stands still."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Callable, Optional

import qt

Pieces = Generator[None, None, Any]


class Turns:
    """Takes the pieces of a generator; looks to its owner like a job that can be cancelled.

    running - whether it was started and has neither ended nor been cancelled
    """

    def __init__(self, pieces: Pieces, onEnd: Callable[[Any, Optional[Exception]], None]) -> None:
        """Make it ready; :meth:`start` takes the first piece.

        :param pieces: gives way to the event loop wherever it yields, and returns its answer.
        :param onEnd: called once, with the answer and None or with None and the error; not after
            :meth:`cancel`.
        """
        self._pieces = pieces
        self._onEnd = onEnd
        self.running = False

    def start(self) -> None:
        """Do what comes before the first yield, and the rest later; may end at once."""
        self.running = True
        self._turn()

    def cancel(self) -> None:
        """Do no more, let go of files and memory, and call nobody."""
        self.running = False
        self._pieces.close()

    def finish(self) -> None:
        """Do the rest at once, without the event loop."""
        while self.running:
            self._take()

    def _turn(self) -> None:
        self._take()
        if self.running:
            qt.QTimer.singleShot(0, self._turn)

    def _take(self) -> None:
        """Take the next piece, and tell where it was the last."""
        if not self.running:
            return
        answer, error = None, None
        try:
            next(self._pieces)
        except StopIteration as end:
            answer = end.value
        except Exception as problem:  # Qt calls this: nobody above could tell the user
            error = problem
        else:
            return
        self.running = False
        self._onEnd(answer, error)
