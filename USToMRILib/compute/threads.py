"""Several things at once, each on its share of torch's threads."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any, Callable, Optional, TypeVar

from ..progress import CancelToken, Item, Progress

Result = TypeVar("Result")
First = TypeVar("First")
Second = TypeVar("Second")

# Items at work at a time: each takes the memory of its network's way back, 0.1 GiB. Where there
# are more threads, an item has several.
MOST_AT_WORK = 16

_TAKING = threading.Lock()


def at_work(device: str) -> int:
    """How many items at most :func:`on_threads` works on at a time."""
    import torch

    return min(torch.get_num_threads(), MOST_AT_WORK) if device == "cpu" else 1


def power_of_two(threads: int) -> int:
    """The greatest that is not greater: oneDNN sums convolutions otherwise on 3 threads, or 6."""
    return 1 << (threads.bit_length() - 1)


@contextmanager
def one_thread() -> Iterator[None]:
    """Give the calling thread one of torch's threads for as long as the context lasts.

    A frame's operations take less than a millisecond. Where anything else runs, as Slicer's views
    beside a live image, several threads wait longer for each other after each than they save.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _take(threads: int) -> None:
    """Give the calling thread, which is new to torch, so many of torch's threads.

    Torch would give later threads as many; they get all of them, but for one that first uses torch
    while this is at work.
    """
    import torch

    with _TAKING:
        of_process = torch.get_num_threads()
        torch.set_num_threads(threads)
        later = threading.Thread(target=torch.set_num_threads, args=(of_process,), daemon=True)
        later.start()
        later.join()


def on_threads(
    work: Callable[[Progress, Item], Result],
    items: Sequence[Item],
    progress: Progress,
    steps: int,
    device: str,
) -> list[Result]:
    """What ``work`` makes of every item, on a CPU of several at a time.

    Many cores are busier with an item each than all with one. Torch's threads are shared out among
    the items at work, a power of two to each. Progress is reported by the calling thread; after a
    failure or a cancel the others end with their step.

    A thread of the caller's that first uses torch in the moment in which the work is shared out
    gets as few of torch's threads as an item.

    Args:
        work: called as ``work(progress, item)``; of the progress it tracks ``steps`` steps.
        items: what to work on.
        progress: where the steps count, one of :meth:`.Progress.within`; a single item tracks it
            itself.
        steps: of each item.
        device: "cpu", "cuda" or "mps".

    Raises:
        Cancelled: when the progress' token is set.
        Exception: the first that ``work`` raised.
    """
    import torch

    threads, workers = torch.get_num_threads(), min(at_work(device), len(items))
    each = power_of_two(threads // max(1, workers))
    if workers < 2:
        torch.set_num_threads(each)
        try:
            return [work(progress, item) for item in items]
        finally:
            torch.set_num_threads(threads)
    stop = CancelToken(progress.cancel)
    # None for a step that is done, and each item when it has ended.
    said: queue.SimpleQueue[Optional[Future[Result]]] = queue.SimpleQueue()
    pool = ThreadPoolExecutor(workers, initializer=_take, initargs=(each,))
    try:
        futures = [pool.submit(work, _Relay(said, stop), item) for item in items]
        for future in futures:
            future.add_done_callback(said.put)
        done = _steps_done(said, len(items))
        for _ in progress.track("slices", range(steps * len(items))):
            next(done, None)
        for _ in done:
            pass
        return [future.result() for future in futures]
    finally:
        stop.cancel()
        pool.shutdown(cancel_futures=True)


def _steps_done(said: queue.SimpleQueue, items: int) -> Iterator[None]:
    """Yield after every step until all items have ended; raise what went wrong with one."""
    while items:
        ended = said.get()
        if ended is None:
            yield
        else:
            ended.result()
            items -= 1


class _Relay(Progress):
    """Says to another thread that a step is done."""

    def __init__(self, said: queue.SimpleQueue, stop: CancelToken) -> None:
        super().__init__(None, stop)
        self._said = said

    def track(self, phase: str, items: Iterable[Item], of: Optional[int] = None) -> Iterator[Item]:
        for item in super().track(phase, items, of):
            yield item
            self._said.put(None)


class SideBySide:
    """Two things at once, on half of torch's threads each, for as long as the context lasts.

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
        self._pool: Optional[ThreadPoolExecutor] = None
        if threads > 1:
            self._pool = ThreadPoolExecutor(2, initializer=_take, initargs=(threads // 2,))

    def __enter__(self) -> SideBySide:
        if self._pool:  # both threads begin here, and have their share when this returns
            meeting = threading.Barrier(2)
            try:
                wait([self._pool.submit(meeting.wait) for _ in range(2)])
            except BaseException:
                meeting.abort()
                self._pool.shutdown()
                raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool:
            self._pool.shutdown()

    def both(
        self, first: Callable[[], First], second: Callable[[], Second]
    ) -> tuple[First, Second]:
        """The results of both.

        Raises:
            Exception: what either raised, when both are done; of two that of ``first``.
        """
        if not self._pool:
            return first(), second()
        asked: list[Future[Any]] = [self._pool.submit(work) for work in (first, second)]
        wait(asked)
        return asked[0].result(), asked[1].result()
