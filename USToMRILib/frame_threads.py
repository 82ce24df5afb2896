"""Frames on a thread each: many cores are busier with a frame each than all with one."""

from __future__ import annotations

import queue
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Callable, Optional, TypeVar

from .progress import CancelToken, Item, Progress

Result = TypeVar("Result")

# Frames at work at a time: each takes the memory of its network's way back, 0.1 GiB. Where there
# are more threads, a frame has several.
MOST_FRAMES = 16


def frames_at_work(device: str) -> int:
    """How many items at most :func:`on_threads` works on at a time."""
    import torch

    return min(torch.get_num_threads(), MOST_FRAMES) if device == "cpu" else 1


def on_threads(
    work: Callable[[Progress, Item], Result],
    items: Sequence[Item],
    progress: Progress,
    steps: int,
    device: str,
) -> list[Result]:
    """What ``work`` makes of every item, on a CPU of several at a time.

    Torch's threads are shared out among the items at work. Progress is reported by the calling
    thread; after a failure or a cancel the others end with their step.

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

    threads, workers = torch.get_num_threads(), min(frames_at_work(device), len(items))
    each = _power_of_two(threads // max(1, workers))
    try:
        if workers < 2:
            torch.set_num_threads(each)
            return [work(progress, item) for item in items]
        return _shared_out(work, items, progress, steps, workers, each)
    finally:
        torch.set_num_threads(threads)


def _power_of_two(threads: int) -> int:
    """The greatest that is not greater: oneDNN sums convolutions otherwise on 3 threads, or 6."""
    return 1 << (threads.bit_length() - 1)


def _shared_out(
    work: Callable[[Progress, Item], Result],
    items: Sequence[Item],
    progress: Progress,
    steps: int,
    workers: int,
    threads_each: int,
) -> list[Result]:
    import torch

    said: queue.SimpleQueue[Optional[Future[Result]]] = queue.SimpleQueue()
    stop = CancelToken(progress.cancel)
    pool = ThreadPoolExecutor(workers, "frames", torch.set_num_threads, (threads_each,))
    try:
        futures = [pool.submit(work, _Relay(said, stop), item) for item in items]
        for future in futures:
            future.add_done_callback(said.put)
        for _ in progress.track("slices", _steps(said, len(items)), of=steps * len(items)):
            pass
        return [future.result() for future in futures]
    finally:
        stop.cancel()
        pool.shutdown(cancel_futures=True)


def _steps(said: queue.SimpleQueue[Optional[Future[Result]]], items: int) -> Iterator[None]:
    """Each step that is said to be done, until all items are."""
    while items:
        done = said.get()
        if done is None:
            yield
        else:
            done.result()  # raises what the work raised
            items -= 1


class _Relay(Progress):
    """Says to another thread that a step is done."""

    def __init__(
        self, said: queue.SimpleQueue[Optional[Future[Result]]], stop: CancelToken
    ) -> None:
        super().__init__(None, stop)
        self._said = said

    def track(self, phase: str, items: Iterable[Item], of: Optional[int] = None) -> Iterator[Item]:
        for item in super().track(phase, items, of):
            yield item
            self._said.put(None)
