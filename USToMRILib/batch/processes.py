"""Several processes of this machine at the cases of one run.

Each goes through all cases by itself, as a run of its own on the same folder would: the claims
(:mod:`.claims`) see to it that every case is done by one of them. What is added here is that they
share the machine, end together, and that one that dies is replaced.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from ..errors import Cancelled, InputError
from ..progress import CancelToken
from .cases import Case
from .claims import Claims
from .job import Job
from .outcomes import Outcome
from .run import POLL_S, Runner, in_this_process
from .stopping import StopFileToken, stop

# A cancelled process ends within a step of its network.
_LAST_SECONDS = 60.0
# One that has nothing more to do ends at once.
_REST_SECONDS = 5.0

_READY = "ready"


def in_processes(number: int) -> Runner:
    """The runner with so many processes, each with its share of the threads and of the memory.

    A process that dies takes nothing with it: another one begins, and its case is tried again.
    """

    def run(
        cases: Sequence[Case], job: Job, claims: Claims, cancel: CancelToken
    ) -> Iterator[Outcome]:
        pool = _Pool(cases, replace(job, processes=min(number, len(cases))))
        try:
            yield from pool.outcomes(cancel)
        except Cancelled:
            with stop(job):
                yield from pool.last_outcomes()
            raise
        finally:
            pool.end()

    return run


@dataclass
class _Member:
    """A process and the pipe on which it tells of the cases; its own, so that none blocks another.

    Attributes:
        ready: whether it has begun to work.
    """

    process: BaseProcess
    pipe: Connection
    ready: bool = False


class _Pool:
    def __init__(self, cases: Sequence[Case], job: Job) -> None:
        self._cases = cases
        self._job = job
        self._ended: set[str] = set()
        self._members = [self._started() for _ in range(job.processes)]

    def outcomes(self, cancel: CancelToken) -> Iterator[Outcome]:
        """Yield the outcome of every case."""
        while len(self._ended) < len(self._cases):
            cancel.raise_if_cancelled()
            for member, message in self._messages():
                if message is None:
                    self._replace(member)
                elif isinstance(message, InputError):  # the run cannot go on
                    raise message
                elif message.case not in self._ended:  # each process tells of all cases
                    self._ended.add(message.case)
                    yield message

    def last_outcomes(self) -> Iterator[Outcome]:
        """Yield what still ends well after the run was stopped."""
        deadline = time.monotonic() + _LAST_SECONDS
        while self._members and time.monotonic() < deadline:
            for member, message in self._messages():
                if message is None:
                    self._members.remove(member)
                elif isinstance(message, Outcome) and message.case not in self._ended:
                    self._ended.add(message.case)
                    yield message

    def end(self) -> None:
        """End the processes: all cases have ended, or what they still do is not wanted."""
        for member in self._members:
            member.pipe.close()  # which ends one that only tells what others did
        deadline = time.monotonic() + _REST_SECONDS
        for member in self._members:
            member.process.join(max(0.0, deadline - time.monotonic()))
            member.process.kill()
            member.process.join()

    def _started(self) -> _Member:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe(duplex=False)
        work = (theirs, list(self._cases), self._job)
        process = context.Process(target=_work, args=work, daemon=True)
        with _signals_held():
            process.start()
        theirs.close()
        return _Member(process, ours)

    def _messages(self) -> Iterator[tuple[_Member, Any]]:
        """Yield what arrives within a moment; None from a process that has ended."""
        by_pipe: dict[Any, _Member] = {member.pipe: member for member in self._members}
        for pipe in wait(list(by_pipe), POLL_S):
            member = by_pipe[pipe]
            try:
                message = member.pipe.recv()
            except (EOFError, OSError):
                message = None
            if message == _READY:
                member.ready = True
            else:
                yield member, message

    def _replace(self, member: _Member) -> None:
        member.pipe.close()
        member.process.join()
        self._members.remove(member)
        if not member.ready:
            raise RuntimeError(
                f"A process of the batch ended at once (exit status {member.process.exitcode})."
            )
        self._members.append(self._started())


def _work(pipe: Connection, cases: list[Case], job: Job) -> None:
    """What a process does: all cases that no other one does."""
    for number in (signal.SIGINT, signal.SIGTERM):  # the run gets them, and tells by its stop file
        signal.signal(number, signal.SIG_IGN)
    _limit_threads(max(1, (os.cpu_count() or 1) // job.processes))
    try:
        claims = Claims(job.state, job.digest, job.since)
        try:
            pipe.send(_READY)
            for outcome in in_this_process()(cases, job, claims, StopFileToken(job)):
                pipe.send(outcome)
        finally:
            claims.close()
    except InputError as error:
        pipe.send(error)
    except (Cancelled, OSError):  # the run was stopped, or is gone
        pass


@contextmanager
def _signals_held() -> Iterator[None]:
    """Let a process that begins here get no signal of the terminal or of a scheduler of jobs.

    Such signals go to all processes at once, and would end it before it can ignore them.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows has none to hold
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # it lets the signals through again when it begins
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _limit_threads(number: int) -> None:
    """Let the libraries of this process use so many threads."""
    import SimpleITK as sitk
    import torch

    torch.set_num_threads(number)
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(number)
