"""What the subcommands of the command line have in common: options, progress, cancelling."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, Callable

from ..bridge.imposed import MEDIAN_KERNEL
from ..bridge.similarity import PEARSON, SIMILARITIES
from ..bridge.solvers import SOLVERS
from ..compute.device import DEVICES
from ..fetal.diffusion import DEFAULT_SOLVER, STEPS
from ..fetal.gain import EVEN, GAINS
from ..fetal.stack import AXES
from ..pix2pix.pix2pix3d import DEFAULT_MEMORY_GIB
from ..progress import CancelToken, ProgressEvent
from ..translate import METHODS

DONE, UNUSABLE, SOME_FAILED, CANCELLED = 0, 2, 3, 130


def add_input(command: argparse.ArgumentParser) -> None:
    """Add the input image and how to read it."""
    command.add_argument("input", type=Path, help="image file, or folder of one DICOM series")
    add_reading(command)


def add_reading(command: argparse.ArgumentParser) -> None:
    """Add what an image file may not say about itself."""
    command.add_argument(
        "--pixel-size", type=float, metavar="MM", help="for 2D images that do not state it"
    )
    command.add_argument("--frame", type=int, metavar="N", help="of a cine or 4D image, from 0")


def add_device(command: argparse.ArgumentParser) -> None:
    """Add the choice of the device."""
    command.add_argument("--device", default="auto", help=f"{', '.join(DEVICES)}; default: auto")


def add_method(command: argparse.ArgumentParser) -> None:
    """Add everything that decides how an image is translated; the same for one and for many."""
    command.add_argument("--method", default="ddic", help=f"{', '.join(METHODS)}; default: ddic")
    steps = ", ".join(f"{count} for {solver}" for solver, count in STEPS.items())
    command.add_argument("--steps", type=int, help=f"of the diffusion each way; default: {steps}")
    command.add_argument(
        "--solver",
        default=DEFAULT_SOLVER,
        help=f"{', '.join(SOLVERS)}; default: {DEFAULT_SOLVER}; published: ddim",
    )
    command.add_argument(
        "--similarity",
        default=PEARSON,
        help=f"that ddic imposes: {', '.join(SIMILARITIES)}; default: {PEARSON}",
    )
    command.add_argument(
        "--median-kernel",
        type=int,
        default=MEDIAN_KERNEL,
        metavar="PIXELS",
        help="of ddic's median filter; default: %(default)d, as published; 1: none, fewer dots",
    )
    command.add_argument(
        "--gain",
        default=EVEN,
        help=f"of what ddic and ddib see: {', '.join(GAINS)} (as published); default: {EVEN}, "
        "which raises dark parts of the head",
    )
    command.add_argument(
        "--seed",
        type=int,
        default=0,
        help="of random numbers, for the record: the methods that there are draw none",
    )
    command.add_argument(
        "--axis",
        default="auto",
        help=f"across the slices of a volume: {', '.join(AXES)}; default: auto",
    )
    command.add_argument(
        "--memory",
        dest="memory_gib",
        type=float,
        default=DEFAULT_MEMORY_GIB,
        metavar="GIB",
        help="that pix2pix3d may take in all; default: %(default)g",
    )
    add_device(command)


def method_arguments(options: argparse.Namespace) -> dict[str, Any]:
    """What :func:`add_method` added, the device aside, as arguments of ``translate``."""
    names = (
        "method",
        "steps",
        "solver",
        "similarity",
        "median_kernel",
        "gain",
        "seed",
        "axis",
        "memory_gib",
    )
    return {name: getattr(options, name) for name in names}


def add_head_mask(command: argparse.ArgumentParser) -> None:
    """Add what the user knows about the head."""
    command.add_argument(
        "--head-mask", metavar="FILE|none", help="the head; 'none': the image shows only the head"
    )


def add_progress(command: argparse.ArgumentParser) -> None:
    """Add the choice of how progress is shown."""
    command.add_argument(
        "--progress",
        choices=("text", "json", "none"),
        default="text" if sys.stderr.isatty() else "none",
        help="on stderr; json: one object a line",
    )


def reporter(kind: str) -> Callable[[ProgressEvent], None] | None:
    """Return what shows progress, for a choice of ``--progress``."""

    def as_json(event: ProgressEvent) -> None:
        print(json.dumps(asdict(event)), file=sys.stderr, flush=True)

    def as_text(event: ProgressEvent) -> None:
        end = "\n" if event.step == event.of else ""
        line = f"\r{event.phase}: {event.step} of {event.of}, {event.eta_s:.0f} s left   "
        print(line, end=end, file=sys.stderr, flush=True)

    return {"json": as_json, "text": as_text, "none": None}[kind]


def cancel_on_signals() -> CancelToken:
    """A token that SIGINT and SIGTERM set; a second signal acts as if this had not been called."""
    token = CancelToken()
    for number in (signal.SIGINT, signal.SIGTERM):
        previous = signal.getsignal(number)

        def stop(number: int, frame: Any, previous: Any = previous) -> None:
            token.cancel()
            signal.signal(number, previous)

        signal.signal(number, stop)
    return token
