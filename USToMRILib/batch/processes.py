"""The runner that spreads cases over processes of this machine."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Optional

from ..errors import Cancelled, InputError
from ..progress import CancelToken
from .cases import Case
from .claims import Worker
from .job import Job
from .process import process_case
from .records import Outcome
from .run import POLL_S, Runner
from .source import FileSource
from .stopping import StopFileToken, stop

# A cancelled process ends within a step of its network.
_LAST_SECONDS = 60.0

_READY = "ready"


def in_processes(number: int) -> Runner:
    """The runner with so many processes, each with its share of the threads and of the memory.

    A process that dies takes nothing with it: another one begins, and its case is tried again.
    """

    def run(
        cases: Sequence[Case], job: Job, worker: Worker, cancel: CancelToken
    ) -> Iterator[Outcome]:
        hired = min(number, len(cases))
        crew = _Crew(hired, replace(job, processes=hired))
        try:
            yield from crew.work(cases, cancel)
        except Cancelled:
            with stop(job):
                yield from crew.last_outcomes()
            raise
        finally:
            crew.end()

    return run


@dataclass
class _Member:
    """A process, the pipe to it, and the case that it works on."""

    process: BaseProcess
    pipe: Connection
    ready: bool = False
    case: Optional[Case] = None


class _Crew:
    """The processes of a run. A pipe to each, so that none can block another by dying."""

    def __init__(self, number: int, job: Job) -> None:
        self._job = job
        self._threads = max(1, (os.cpu_count() or 1) // job.processes)
        self._waiting: deque[Case] = deque()
        self._members = [self._hired() for _ in range(number)]

    def work(self, cases: Sequence[Case], cancel: CancelToken) -> Iterator[Outcome]:
        """Yield the outcome of every case."""
        self._waiting.extend(cases)
        while self._waiting or self._busy:
            cancel.raise_if_cancelled()
            for member in self._members:
                if member.ready and member.case is None and self._waiting:
                    member.case = self._waiting.popleft()
                    self._send(member)
            yield from self._answers(POLL_S)

    def last_outcomes(self) -> Iterator[Outcome]:
        """Yield what still ends well after the tokens were set."""
        self._waiting.clear()
        deadline = time.monotonic() + _LAST_SECONDS
        while self._busy and time.monotonic() < deadline:
            yield from self._answers(POLL_S)
            self._waiting.clear()

    def end(self) -> None:
        """End all processes: those at rest by closing their pipes, any other at once."""
        for member in self._members:
            member.pipe.close()
            if member.case:
                member.process.kill()
            member.process.join()

    @property
    def _busy(self) -> bool:
        return any(member.case for member in self._members)

    def _hired(self) -> _Member:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(
            target=_work, args=(theirs, self._job, self._threads), daemon=True
        )
        with _signals_held():
            process.start()
        theirs.close()
        return _Member(process, ours)

    def _send(self, member: _Member) -> None:
        try:
            member.pipe.send(member.case)
        except OSError:
            self._replace(member)

    def _answers(self, timeout: float) -> Iterator[Outcome]:
        """Yield the outcomes that arrive; cases that came back without one wait again."""
        by_pipe = {member.pipe: member for member in self._members}
        for pipe in wait(list(by_pipe), timeout):
            member = by_pipe[pipe]  # type: ignore[index]
            try:
                answer = member.pipe.recv()
            except (EOFError, OSError):
                self._replace(member)
                continue
            if isinstance(answer, InputError):
                raise answer
            if answer == _READY:
                member.ready = True
                continue
            case, member.case = member.case, None
            if answer is not None:
                yield answer
            elif case is not None:
                self._waiting.append(case)

    def _replace(self, member: _Member) -> None:
        member.pipe.close()
        member.process.join()
        self._members.remove(member)
        if not member.ready:
            raise RuntimeError(
                f"A process of the batch ended at once (exit status {member.process.exitcode})."
            )
        if member.case:
            self._waiting.appendleft(member.case)
        self._members.append(self._hired())


def _work(pipe: Connection, job: Job, threads: int) -> None:
    """What a process does: a case for every case that comes, until the pipe closes."""
    for number in (signal.SIGINT, signal.SIGTERM):  # the run is told, and tells by its stop file
        signal.signal(number, signal.SIG_IGN)
    limit_threads(threads)
    try:
        worker = Worker(job.state, job.digest, job.since)
        try:
            _serve(pipe, job, worker)
        finally:
            worker.close()
    except InputError as error:  # the run cannot go on
        pipe.send(error)
    except (EOFError, OSError):
        pass


def _serve(pipe: Connection, job: Job, worker: Worker) -> None:
    source, token = FileSource(), StopFileToken(job)
    pipe.send(_READY)
    while True:
        case = pipe.recv()
        outcome = None
        try:
            outcome = process_case(case, job, worker, source, token)
            if outcome is None:  # another run is at it
                time.sleep(POLL_S)
        except Cancelled:
            pass
        pipe.send(outcome)


@contextmanager
def _signals_held() -> Iterator[None]:
    """Let a process that begins here get no signal of the terminal or of a scheduler of jobs.

    Such signals go to all processes at once, and would end it before it can ignore them.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows has none to hold
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def limit_threads(number: int) -> None:
    """Let the libraries of this process use so many threads."""
    import SimpleITK as sitk
    import torch

    torch.set_num_threads(number)
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(number)
