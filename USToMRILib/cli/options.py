"""What the subcommands of the command line have in common: options, progress, cancelling."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Callable

from ..compute.device import DEVICES
from ..files import atomic
from ..methods import DEFAULT, METHODS
from ..options import Option
from ..progress import CancelToken, ProgressEvent
from ..result import MAPS

DONE, UNUSABLE, SOME_FAILED, CANCELLED = 0, 2, 3, 130


# Instead of the number of a frame.
ALL = "all"


def add_input(command: argparse.ArgumentParser, cines: bool = False) -> None:
    """Add the input image and how to read it; of ``cines`` all frames can be asked for."""
    command.add_argument("input", type=Path, help="image file, or folder of one DICOM series")
    add_reading(command, cines)


def add_reading(command: argparse.ArgumentParser, cines: bool = False) -> None:
    """Add what an image file may not say about itself."""
    command.add_argument(
        "--pixel-size", type=float, metavar="MM", help="for 2D images that do not state it"
    )
    command.add_argument(
        "--frame",
        type=_frame_or_all if cines else int,
        metavar=f"N|{ALL}" if cines else "N",
        help="of a cine or 4D image, from 0" + ("; all: a cine of the same length" * cines),
    )
    command.add_argument(
        "--region",
        type=int,
        metavar="N",
        help="of a DICOM picture of several B-mode images, from 0, from left to right",
    )


def _frame_or_all(text: str) -> int | str:
    return ALL if text == ALL else int(text)


def add_allow_synthetic(command: argparse.ArgumentParser) -> None:
    """Add the consent to what is refused by mistake only."""
    command.add_argument(
        "--allow-synthetic",
        action="store_true",
        help="take what is itself a pseudo-MRI, or a map of one, for ultrasound",
    )


def add_device(command: argparse.ArgumentParser) -> None:
    """Add the choice of the device."""
    command.add_argument("--device", default="auto", help=f"{', '.join(DEVICES)}; default: auto")


def add_method(command: argparse.ArgumentParser) -> None:
    """Add the choice of the method and the options of all methods, as their entries say."""
    command.add_argument(
        "--method", default=DEFAULT, help=f"{', '.join(METHODS)}; default: {DEFAULT}"
    )
    owners = _owners()
    for name, (each, methods) in owners.items():
        command.add_argument(
            each.flag,
            dest=name,
            type=_true_or_false if each.type is bool else each.type,
            default=argparse.SUPPRESS,  # what is not given is for the method to say
            metavar=each.unit or None,
            help=_help(each, methods).replace("%", "%%"),
        )
    add_device(command)


def _owners() -> dict[str, tuple[Option, list[str]]]:
    """Every option by name, with the methods that have it."""
    owners: dict[str, tuple[Option, list[str]]] = {}
    for method in METHODS.values():
        for each in method.option_list:
            owners.setdefault(each.name, (each, []))[1].append(method.name)
    return owners


def _help(each: Option, methods: Sequence[str]) -> str:
    about = [f"{', '.join(methods)}: {each.help}" if len(methods) < len(METHODS) else each.help]
    if each.choices:
        about.append(", ".join(each.choices))
    if each.default is not None:
        about.append(f"default: {each.default}")
    return "; ".join(about)


def _true_or_false(word: str) -> bool:
    if word not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"{word!r} is neither true nor false")
    return word == "true"


def method_options(options: argparse.Namespace) -> dict[str, Any]:
    """The values of the method's options that were given, by name."""
    return {name: getattr(options, name) for name in _owners() if hasattr(options, name)}


def add_maps(command: argparse.ArgumentParser) -> None:
    """Add the files of what methods make besides the pseudo-MRI."""
    for name, about in MAPS.items():
        methods = [method.name for method in METHODS.values() if name in method.offers]
        if methods:
            text = f"{', '.join(methods)}: {about}"
            command.add_argument(f"--{name}", type=Path, metavar="FILE", help=text)


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


def warn(sentences: Iterable[str]) -> None:
    """Say on stderr what to know about a result, a line each."""
    for sentence in sentences:
        print(f"ustomri: warning: {sentence}", file=sys.stderr)


def write_json(data: Any, path: Path | None) -> None:
    """Write data to a file, complete or not at all; to stdout where there is none."""
    text = json.dumps(data, indent=2) + "\n"
    if path is None:
        print(text, end="")
        return
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


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
