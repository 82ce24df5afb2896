"""Progress events, remaining time and cancelling, shared by every loop of the library."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Callable, Optional, TypeVar

from .errors import Cancelled

Item = TypeVar("Item")


@dataclass(frozen=True)
class ProgressEvent:
    """Step ``step`` of ``of`` in ``phase`` is done; ``eta_s`` seconds remain in the phase."""

    phase: str
    step: int
    of: int
    eta_s: float | None


ProgressCallback = Callable[[ProgressEvent], None]


class CancelToken:
    """A request to stop, safe to set from a signal handler or another thread.

    Args:
        outer: a token whose request is one to this one too.
    """

    def __init__(self, outer: Optional[CancelToken] = None) -> None:
        self._event = threading.Event()
        self._outer = outer

    def cancel(self) -> None:
        self._event.set()

    @property
    def cancelled(self) -> bool:
        return self._event.is_set() or (self._outer is not None and self._outer.cancelled)

    def raise_if_cancelled(self) -> None:
        """Raise :class:`~USToMRILib.errors.Cancelled` once :meth:`cancel` was called."""
        if self.cancelled:
            raise Cancelled("Cancelled; nothing was written.")


class Progress:
    """Wraps the loops of one run: looks at the cancel token, reports, and keeps the time.

    Args:
        callback: called with a :class:`ProgressEvent` after each item.
        cancel: looked at before each item.

    Attributes:
        cancel: the token.
        timings: seconds spent in each phase so far.
    """

    def __init__(
        self, callback: Optional[ProgressCallback] = None, cancel: Optional[CancelToken] = None
    ) -> None:
        self._callback = callback
        self.cancel = cancel or CancelToken()
        self.timings: dict[str, float] = {}

    def track(self, phase: str, items: Iterable[Item], of: Optional[int] = None) -> Iterator[Item]:
        """Yield ``items`` one by one; at most one item passes between a cancel and its exception.

        Args:
            phase: the word shown to the user.
            items: what the loop runs over.
            of: their number, needed only where ``items`` has no length.
        """
        if of is None:
            if not isinstance(items, Sized):
                raise TypeError("Give the number of items where they have no length.")
            of = len(items)
        start = time.perf_counter()
        for done, item in enumerate(items, start=1):
            self.cancel.raise_if_cancelled()
            yield item
            elapsed = time.perf_counter() - start
            self._report(ProgressEvent(phase, done, of, elapsed / done * (of - done)))
        self.cancel.raise_if_cancelled()
        self.timings[phase] = self.timings.get(phase, 0.0) + time.perf_counter() - start

    @contextmanager
    def phase(self, phase: str) -> Iterator[None]:
        """Time a piece of work that is one item."""
        for _ in self.track(phase, (None,)):
            yield

    @contextmanager
    def within(self, phase: str, of: int) -> Iterator[Progress]:
        """A progress whose ``of`` items, of whatever phases, are those of one phase of this one."""
        outer = self.track(phase, range(of))
        yield _Within(outer, self.cancel)
        next(outer, None)  # reports the last item

    def _report(self, event: ProgressEvent) -> None:
        if self._callback is not None:
            self._callback(event)


class _Within(Progress):
    def __init__(self, outer: Iterator[int], cancel: CancelToken) -> None:
        super().__init__(None, cancel)
        self._outer = outer

    def track(self, phase: str, items: Iterable[Item], of: Optional[int] = None) -> Iterator[Item]:
        for item in super().track(phase, items, of):
            next(self._outer)
            yield item
