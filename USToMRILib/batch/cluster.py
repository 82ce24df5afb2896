"""The runner that hands cases to a Dask cluster.

The workers need this library, its bundles, and the same paths to inputs and outputs: a shared disk.
Whatever the cluster loses or does again, the claims and records in the output folder see to it that
every case is done once.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING

from ..errors import Cancelled, InputError
from ..progress import CancelToken
from .cases import Case
from .claims import Worker
from .job import Job
from .process import process_case
from .records import FAILED, Outcome
from .run import POLL_S, Runner
from .source import FileSource
from .stopping import StopFileToken, stop

if TYPE_CHECKING:
    from distributed import Client, Future

_CONNECT_S = 30.0
# A cancelled case ends within a step of its network; its worker may just have died.
_LAST_SECONDS = 60.0

# A worker may have several threads; torch's random numbers and its threads belong to the process.
_ONE_AT_A_TIME = threading.Lock()


def on_cluster(scheduler: str) -> Runner:
    """The runner with the workers of the Dask scheduler at "host:port"."""

    def run(
        cases: Sequence[Case], job: Job, worker: Worker, cancel: CancelToken
    ) -> Iterator[Outcome]:
        with _connected(scheduler) as client:
            tasks = _Tasks(client, job)
            try:
                yield from tasks.work(cases, cancel)
            except Cancelled:
                with stop(job):
                    yield from tasks.last_outcomes()
                raise

    return run


def _connected(scheduler: str) -> Client:
    try:
        from distributed import Client
        from distributed.comm.addressing import parse_address, parse_host_port
    except ImportError:
        raise InputError(
            "--dask needs the package dask.distributed; install it with: "
            "pip install '.[cluster]' in the folder of USToMRI's source."
        ) from None
    try:
        parse_host_port(parse_address(scheduler)[1])  # a client with a wrong one hangs at its end
        # What it tells in pages when a scheduler goes away is said in a sentence.
        logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
        return Client(scheduler, timeout=_CONNECT_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise InputError(
            f"No Dask scheduler answers at {scheduler} ({error}); check the address."
        ) from error


class _Tasks:
    """The cases that the cluster has, and the queue on which they come back."""

    def __init__(self, client: Client, job: Job) -> None:
        self._client = client
        self._job = job
        self._back: queue.Queue[Future] = queue.Queue()
        self._cases: dict[Future, Case] = {}

    def work(self, cases: Sequence[Case], cancel: CancelToken) -> Iterator[Outcome]:
        """Yield the outcome of every case."""
        for case in cases:
            self._submit(case)
        while self._cases:
            cancel.raise_if_cancelled()
            for case, outcome in self._arrived():
                if outcome is None:
                    self._submit(case)
                else:
                    yield outcome

    def last_outcomes(self) -> Iterator[Outcome]:
        """Yield what still ends well after the tokens were set."""
        deadline = time.monotonic() + _LAST_SECONDS
        while self._cases and time.monotonic() < deadline:
            yield from (outcome for _, outcome in self._arrived() if outcome)

    def _submit(self, case: Case) -> None:
        future = self._client.submit(_do, case, self._job, pure=False)
        self._cases[future] = case
        future.add_done_callback(self._back.put)

    def _arrived(self) -> Iterator[tuple[Case, Outcome | None]]:
        try:
            future = self._back.get(timeout=POLL_S)
        except queue.Empty:
            return
        case = self._cases.pop(future)
        outcome: Outcome | None
        try:
            outcome = future.result()
        except InputError:  # the run cannot go on
            raise
        except CancelledError as error:
            raise InputError(
                "The connection to the Dask scheduler was lost; start it, or give another one, and "
                "go on with --resume."
            ) from error
        except Exception as error:
            reason = f"Unexpected failure on the cluster, {type(error).__name__}: {error}"
            outcome = Outcome(case.name, case.input, FAILED, reason)
        yield case, outcome


def _do(case: Case, job: Job) -> Outcome | None:
    """What a worker of the cluster does with a case; None: ask again."""
    with _ONE_AT_A_TIME:
        worker = Worker(job.state, job.digest, job.since)
        try:
            outcome = process_case(case, job, worker, FileSource(), StopFileToken(job))
        except Cancelled:
            return None
        finally:
            worker.close()
    if outcome is None:  # another process is at it
        time.sleep(POLL_S)
    return outcome
