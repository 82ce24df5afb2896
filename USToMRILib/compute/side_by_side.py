"""Two things at once, on half of torch's threads each."""

from __future__ import annotations

import queue
import threading
from concurrent.futures import Future, wait
from typing import Any, Callable, Optional, TypeVar

from .frame_threads import power_of_two, take_threads

First = TypeVar("First")
Second = TypeVar("Second")


class SideBySide:
    """Two threads that share those of torch, for as long as the context lasts.

    Two networks side by side keep two cores busier than one after the other on both: their
    operations are short, and threads wait for each other after each. For the same result as one
    after the other they have to round the same on any power of two threads.

    Args:
        device: "cpu", "cuda" or "mps". Except on a CPU with threads for both, one thing is done
            after the other.
    """

    def __init__(self, device: str) -> None:
        import torch

        threads = power_of_two(torch.get_num_threads()) if device == "cpu" else 1
        self._workers = [_Worker(threads // 2) for _ in range(2)] if threads > 1 else []

    def __enter__(self) -> SideBySide:
        try:
            for worker in self._workers:
                worker.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.end()

    def both(
        self, first: Callable[[], First], second: Callable[[], Second]
    ) -> tuple[First, Second]:
        """The results of both.

        Raises:
            Exception: what either raised, when both are done; of two that of ``first``.
        """
        if not self._workers:
            return first(), second()
        asked = [worker.ask(work) for worker, work in zip(self._workers, (first, second))]
        wait(asked)
        return asked[0].result(), asked[1].result()


class _Worker:
    """A thread that does one thing after the other, and does not keep a program from ending."""

    def __init__(self, threads: int) -> None:
        self._asked: queue.SimpleQueue[Optional[tuple[Callable[[], Any], Future[Any]]]]
        self._asked = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, args=(threads,), daemon=True)

    def start(self) -> None:
        self._thread.start()

    def ask(self, work: Callable[[], Any]) -> Future[Any]:
        future: Future[Any] = Future()
        self._asked.put((work, future))
        return future

    def end(self) -> None:
        self._asked.put(None)
        if self._thread.ident is not None:  # it was started
            self._thread.join()

    def _run(self, threads: int) -> None:
        take_threads(threads)
        while (asked := self._asked.get()) is not None:
            work, future = asked
            try:
                future.set_result(work())
            except BaseException as error:  # which whoever asked raises
                future.set_exception(error)
