"""A run over many cases, and what came of it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Callable, Optional

from ..errors import Cancelled, InputError
from ..progress import CancelToken
from .cases import Case
from .claims import Claims
from .job import Job
from .outcomes import FAILED, NOT_RUN, Outcome
from .process import process_case
from .source import FileSource, Source
from .summary import write_summary

# How long to wait before asking again for a case that another process is at.
POLL_S = 0.5


@dataclass(frozen=True)
class Report:
    """What came of a run.

    Attributes:
        outcomes: of every case, in the cases' order, without thumbnails.
        cancelled: whether it ended before all were done.
        seconds: from begin to end.
    """

    outcomes: list[Outcome]
    cancelled: bool
    seconds: float

    @property
    def failed(self) -> list[Outcome]:
        """The cases that failed."""
        return [outcome for outcome in self.outcomes if outcome.status == FAILED]


# What works on the cases of a job and yields outcomes in any order, each case once; it raises
# Cancelled when the token was set, and has then no process at work any more.
Runner = Callable[[Sequence[Case], Job, Claims, CancelToken], Iterator[Outcome]]
OnOutcome = Callable[[Outcome, int, int], None]


def run_batch(
    cases: Sequence[Case],
    job: Job,
    runner: Runner,
    cancel: CancelToken,
    on_outcome: Optional[OnOutcome] = None,
) -> Report:
    """Do all cases and write ``summary.csv`` and ``summary.html`` into the output folder.

    Any number of runs may work in one output folder at the same time: each case is done by one of
    them, and each run ends when all cases are done.

    Args:
        cases: with unique names.
        job: what is asked of every case.
        runner: :func:`in_this_process` or :func:`.processes.in_processes`.
        cancel: when it is set, the run ends within a step; what is complete stays.
        on_outcome: called with the outcome, how many cases have ended, and how many there are.

    Raises:
        InputError: a run with other options is at work in the output folder, or it cannot be
            written to any more.
    """
    start = time.perf_counter()
    claims = Claims(job.state, job.digest)
    job = replace(job, since=claims.since, run=claims.id)
    ended: dict[str, Outcome] = {}
    cancelled = False
    try:
        for outcome in runner(cases, job, claims, cancel):
            outcome.thumbnail = ""  # the memory of a run must not grow with its cases
            ended[outcome.case] = outcome
            if on_outcome:
                on_outcome(outcome, len(ended), len(cases))
    except Cancelled:
        cancelled = True
    finally:
        claims.close()
    outcomes = [ended.get(c.name) or Outcome(c.name, c.input, NOT_RUN) for c in cases]
    report = Report(outcomes, cancelled, time.perf_counter() - start)
    try:
        write_summary(cases, report.outcomes, job, report.seconds)
    except OSError as error:
        raise InputError(
            f"The summary in {job.output} could not be written ({error.strerror}); close the "
            "programs that show it or free some space, then run again with --resume."
        ) from error
    return report


def in_this_process(source: Optional[Source] = None) -> Runner:
    """The runner that does one case after the other in this process."""
    where = source or FileSource()

    def run(
        cases: Sequence[Case], job: Job, claims: Claims, cancel: CancelToken
    ) -> Iterator[Outcome]:
        waiting = list(cases)
        while waiting:
            taken = []
            for case in waiting:
                outcome = process_case(case, job, claims, where, cancel)
                if outcome is None:
                    taken.append(case)
                else:
                    yield outcome
            waiting = taken
            if waiting:
                time.sleep(POLL_S)

    return run
