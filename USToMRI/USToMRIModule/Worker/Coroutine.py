"""Coroutines on Qt's event loop: long work gives way wherever it yields, so Slicer stays alive."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Callable, Optional

import qt

Coroutine = Generator[None, None, Any]


class CoroutineRunner:
    """Runs a coroutine; looks to its owner like a job that can be cancelled.

    running - whether it was started and has neither ended nor been cancelled
    """

    def __init__(
        self, coroutine: Coroutine, onEnd: Callable[[Any, Optional[Exception]], None]
    ) -> None:
        """Make it ready; :meth:`start` runs it to its first yield.

        :param coroutine: gives way to the event loop wherever it yields, and returns its answer.
        :param onEnd: called once, with the answer and None or with None and the error; not after
            :meth:`cancel`.
        """
        self._coroutine = coroutine
        self._onEnd = onEnd
        self.running = False

    def start(self) -> None:
        """Do what comes before the first yield, and the rest later; may end at once."""
        self.running = True
        self._runInEventLoop()

    def cancel(self) -> None:
        """Do no more, let go of files and memory, and call nobody."""
        self.running = False
        self._coroutine.close()

    def finish(self) -> None:
        """Do the rest at once, without the event loop."""
        while self.running:
            self._resume()

    def _runInEventLoop(self) -> None:
        self._resume()
        if self.running:
            qt.QTimer.singleShot(0, self._runInEventLoop)

    def _resume(self) -> None:
        """Run to the next yield; report the answer where it has ended."""
        if not self.running:
            return
        answer, error = None, None
        try:
            next(self._coroutine)
        except StopIteration as end:
            answer = end.value
        except Exception as problem:  # Qt calls this: nobody above could tell the user
            error = problem
        else:
            return
        self.running = False
        self._onEnd(answer, error)
