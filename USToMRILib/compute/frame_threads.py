"""Frames on a thread each: many cores are busier with a frame each than all with one."""

from __future__ import annotations

import itertools
import queue
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Callable, Generic, Optional, TypeVar, Union

from ..progress import CancelToken, Item, Progress

Result = TypeVar("Result")

# Frames at work at a time: each takes the memory of its network's way back, 0.1 GiB. Where there
# are more threads, a frame has several.
MOST_FRAMES = 16

_TAKING = threading.Lock()


def frames_at_work(device: str) -> int:
    """How many items at most :func:`on_threads` works on at a time."""
    import torch

    return min(torch.get_num_threads(), MOST_FRAMES) if device == "cpu" else 1


def power_of_two(threads: int) -> int:
    """The greatest that is not greater: oneDNN sums convolutions otherwise on 3 threads, or 6."""
    return 1 << (threads.bit_length() - 1)


def take_threads(number: int) -> None:
    """Give the calling thread, which is new to torch, so many of torch's threads.

    Torch would give later threads as many; they get all of them, but for one that first uses torch
    while this is at work.
    """
    import torch

    with _TAKING:
        of_process = torch.get_num_threads()
        torch.set_num_threads(number)
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

    Torch's threads are shared out among the items at work, a power of two to each. Progress is
    reported by the calling thread; after a failure or a cancel the others end with their step.

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

    threads, workers = torch.get_num_threads(), min(frames_at_work(device), len(items))
    each = power_of_two(threads // max(1, workers))
    try:
        if workers < 2:
            torch.set_num_threads(each)
            return [work(progress, item) for item in items]
        with _Team(work, items, CancelToken(progress.cancel)) as team:
            team.start(workers, each)
            return team.results(progress, steps)
    finally:
        torch.set_num_threads(threads)


class _Team(Generic[Item, Result]):
    """Threads that take one item after the other, and end with the context.

    They are daemons: a program that ends does not wait for what they have not begun.
    """

    def __init__(
        self,
        work: Callable[[Progress, Item], Result],
        items: Sequence[Item],
        stop: CancelToken,
    ) -> None:
        self._work, self._items, self._stop = work, items, stop
        self._numbers = itertools.count()
        self._made: dict[int, Result] = {}
        # A step done, an item done, or what went wrong.
        self._said: queue.SimpleQueue[Optional[Union[int, BaseException]]] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> _Team[Item, Result]:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.cancel()
        for thread in self._threads:
            thread.join()

    def start(self, workers: int, threads_each: int) -> None:
        """Begin, with so many workers that have so many of torch's threads each."""
        for _ in range(workers):
            thread = threading.Thread(target=self._run, args=(threads_each,), daemon=True)
            thread.start()
            self._threads.append(thread)

    def _run(self, threads_each: int) -> None:
        try:
            take_threads(threads_each)
            while (number := next(self._numbers)) < len(self._items):
                self._made[number] = self._work(_Relay(self._said, self._stop), self._items[number])
                self._said.put(number)
        except BaseException as error:  # which the calling thread raises
            self._said.put(error)

    def results(self, progress: Progress, steps: int) -> list[Result]:
        """Wait for all items, reporting their steps."""
        for _ in progress.track("slices", range(steps * len(self._items))):
            self._wait_for_step()
        while len(self._made) < len(self._items):
            self._wait_for_step()
        return [self._made[number] for number in range(len(self._items))]

    def _wait_for_step(self) -> None:
        """Return after a step, or when all items are done; raise what went wrong."""
        while len(self._made) < len(self._items):
            said = self._said.get()
            if isinstance(said, BaseException):
                raise said
            if said is None:
                return


class _Relay(Progress):
    """Says to another thread that a step is done."""

    def __init__(self, said: queue.SimpleQueue, stop: CancelToken) -> None:
        super().__init__(None, stop)
        self._said = said

    def track(self, phase: str, items: Iterable[Item], of: Optional[int] = None) -> Iterator[Item]:
        for item in super().track(phase, items, of):
            yield item
            self._said.put(None)
