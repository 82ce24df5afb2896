"""``ustomri batch``: a whole folder, stopped and started again at will.

The same options and exit status serve inside Slicer, with :func:`add_batch_options` and
:func:`run_options`. The modules of a run are imported when one begins: the other commands start as
fast as without them.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..files import check_creatable, expanded
from ..methods import method_named
from ..progress import ProgressEvent
from .options import (
    ALL,
    CANCELLED,
    DONE,
    SOME_FAILED,
    add_allow_synthetic,
    add_head_mask,
    add_method,
    add_progress,
    add_reading,
    cancel_on_signals,
    method_options,
    reporter,
)

if TYPE_CHECKING:
    from ..batch.outcomes import Outcome
    from ..batch.run import Report, Runner
    from ..batch.source import Source


def add_batch(commands: Any) -> None:
    """Add the command ``batch``."""
    command = commands.add_parser("batch", help="a folder of images, or those that a CSV names")
    add_batch_options(command, cines=True)
    command.set_defaults(run=_run)


def add_batch_options(command: argparse.ArgumentParser, cines: bool = False) -> None:
    """Add what a run on files and one in Slicer have in common; of ``cines`` all frames too."""
    command.add_argument("input", help="folder, CSV file with a column 'input', or one image")
    command.add_argument("output", type=Path, help="folder of the results and of the summary")
    add_reading(command, cines)
    add_allow_synthetic(command)
    add_method(command)
    add_head_mask(command)
    command.add_argument(
        "--resume", action="store_true", help="leave what is complete from an earlier run"
    )
    command.add_argument(
        "--jobs", type=int, default=1, metavar="N", help="processes on this machine; default: 1"
    )
    add_progress(command)


def run_options(options: argparse.Namespace, source: Source, runner: Runner) -> int:
    """Run what the options say and return the exit status.

    Args:
        options: of :func:`add_batch_options`.
        source: finds the cases.
        runner: works on them.

    Raises:
        InputError: for options that no case can be translated with, or if there is no case.
    """
    from ..batch.job import Job
    from ..batch.run import run_batch

    cancel = cancel_on_signals()
    output = _output_folder(options)
    job = Job(
        output,
        options.method,
        method_named(options.method).make_options(values=method_options(options)),
        options.device,
        options.pixel_size,
        None if options.frame == ALL else options.frame,
        options.frame == ALL,
        _head_mask(options),
        options.resume,
        options.region,
        options.allow_synthetic,
    )
    source.check(job)
    cases = source.find(options.input, output)
    print(f"{len(cases)} cases in {options.input}", flush=True)
    return _summed_up(run_batch(cases, job, runner, cancel, _Log(options.progress)), output)


def _run(options: argparse.Namespace) -> int:
    from ..batch.source import FileSource

    return run_options(options, FileSource(), _runner(options))


def _runner(options: argparse.Namespace) -> Runner:
    if options.jobs < 1:
        raise InputError(f"{options.jobs} jobs cannot work; give --jobs 1 or more.")
    if options.jobs > 1:
        from ..batch.processes import in_processes

        return in_processes(options.jobs)
    from ..batch.run import in_this_process

    return in_this_process()


def _head_mask(options: argparse.Namespace) -> str | None:
    """What is known about the head, as a path that holds for workers that run elsewhere."""
    mask: str | None = options.head_mask
    return mask if mask in (None, "none") else str(expanded(str(mask)).absolute())


def _output_folder(options: argparse.Namespace) -> Path:
    """The folder of the results, created if needed."""
    output = expanded(options.output).resolve()
    if expanded(options.input).resolve() == output:
        raise InputError(f"{output} is the input itself; choose another output folder.")
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"The output folder {output} cannot be created ({error.strerror}); choose another one."
        ) from error
    check_creatable(output / "summary.csv")
    return output


class _Log:
    """Tells about every case as it ends: a line on stdout, an event to the progress."""

    def __init__(self, progress: str) -> None:
        # The lines are the progress for people.
        self._report = reporter(progress if progress == "json" else "none")
        self._start = time.perf_counter()

    def __call__(self, outcome: Outcome, ended: int, of: int) -> None:
        left = (time.perf_counter() - self._start) / ended * (of - ended)
        detail = outcome.reason or ("complete already" if outcome.resumed else "")
        result = detail or f"{outcome.seconds:.1f} s"
        print(
            f"[{ended:>{len(str(of))}} of {of}, {left:.0f} s left] {outcome.case}: "
            f"{outcome.status}, {result}",
            flush=True,
        )
        if self._report:
            self._report(ProgressEvent("cases", ended, of, left))


def _summed_up(report: Report, output: Path) -> int:
    """Say how the run ended and return its exit status."""
    print(f"Summary: {output / 'summary.html'}", flush=True)
    if report.cancelled:
        print(
            "ustomri: cancelled; what is complete stays, go on with --resume.",
            file=sys.stderr,
        )
        return CANCELLED
    if report.failed:
        number = len(report.failed)
        print(f"ustomri: {number} of {len(report.outcomes)} cases failed.", file=sys.stderr)
        return SOME_FAILED
    return DONE
