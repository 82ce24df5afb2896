"""Two things at once, on half of torch's threads each."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Callable, Optional, TypeVar

from .frame_threads import take_threads

First = TypeVar("First")
Second = TypeVar("Second")


class SideBySide:
    """Two threads that share those of torch, for as long as the context lasts.

    Two networks side by side keep two cores busier than one after the other on both: their
    operations are short, and threads wait for each other after each. For the same result as one
    after the other they have to round the same on any number of threads.

    Args:
        device: "cpu", "cuda" or "mps". Except on a CPU with threads for both, one thing is done
            after the other.
    """

    def __init__(self, device: str) -> None:
        self._device = device
        self._pool: Optional[ThreadPoolExecutor] = None

    def __enter__(self) -> SideBySide:
        import torch

        threads = torch.get_num_threads()
        if self._device == "cpu" and threads > 1:
            self._pool = ThreadPoolExecutor(2, "side", take_threads, (threads // 2,))
            both_begun = threading.Barrier(3)
            for _ in range(2):
                self._pool.submit(both_begun.wait)
            both_begun.wait()
            torch.set_num_threads(threads)
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool:
            self._pool.shutdown()

    def both(
        self, first: Callable[[], First], second: Callable[[], Second]
    ) -> tuple[First, Second]:
        """The results of both.

        Raises:
            Exception: what either raised, that of ``first`` before that of ``second``.
        """
        if self._pool is None:
            return first(), second()
        left, right = self._pool.submit(first), self._pool.submit(second)
        return left.result(), right.result()
