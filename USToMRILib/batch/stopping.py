"""Telling the other processes of a run, wherever they are, that it is over."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..progress import CancelToken
from .job import Job


class StopFileToken(CancelToken):
    """The cancel token of a process that does a part of a run, set by :func:`stop`."""

    def __init__(self, job: Job) -> None:
        super().__init__()
        self._file = _stop_file(job)

    @property
    def cancelled(self) -> bool:
        """Whether the run was stopped."""
        return super().cancelled or self._file.exists()


@contextmanager
def stop(job: Job) -> Iterator[None]:
    """While the block waits for the processes of a run, their tokens are set."""
    _stop_file(job).touch()
    try:
        yield
    finally:
        _stop_file(job).unlink(missing_ok=True)


def _stop_file(job: Job) -> Path:
    return job.state / f"stop-{job.run}"
