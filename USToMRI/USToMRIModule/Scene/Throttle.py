"""Doing something not more often than it is worth."""

from __future__ import annotations

from typing import Callable

import qt


class Throttle:
    """Calls a function soon after it was asked for, and once for many requests in a row."""

    def __init__(self, call: Callable[[], None], milliseconds: int) -> None:
        """Make a throttle that waits some milliseconds after the first request."""
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(milliseconds)
        self._timer.connect("timeout()", call)

    def request(self, *args: object) -> None:
        """Ask for a call; takes the arguments of any event."""
        if not self._timer.isActive():
            self._timer.start()

    def stop(self) -> None:
        """Forget what was asked for."""
        self._timer.stop()
