"""Two things at once, on half of torch's threads each."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Callable, Optional, TypeVar

First = TypeVar("First")
Second = TypeVar("Second")


class SideThread:
    """A thread beside the caller's, for as long as the context lasts.

    Two networks side by side keep two cores busier than one after the other on both, whose
    operations are short and wait for each other. What they compute has to round the same on any
    number of threads for the same result as without.

    Args:
        device: "cpu", "cuda" or "mps". Except on a CPU with threads for both, one thing is done
            after the other.
    """

    def __init__(self, device: str) -> None:
        import torch

        self._threads = torch.get_num_threads()
        self._pool: Optional[ThreadPoolExecutor] = None
        if device == "cpu" and self._threads > 1:
            self._pool = ThreadPoolExecutor(1, "USToMRI side", torch.set_num_threads, (self._half,))

    @property
    def _half(self) -> int:
        return self._threads // 2

    def __enter__(self) -> SideThread:
        return self

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        if self._pool:
            self._pool.shutdown()

    def both(
        self, first: Callable[[], First], second: Callable[[], Second]
    ) -> tuple[First, Second]:
        """The results of both; ``second`` is done by the caller's thread.

        Raises:
            Exception: what either raised, when the other is done too.
        """
        import torch

        if self._pool is None:
            return first(), second()
        torch.set_num_threads(self._half)
        try:
            begun = self._pool.submit(first)
            done = second()
            return begun.result(), done
        finally:
            torch.set_num_threads(self._threads)
