"""The command line ``ustomri``.

Exit status: 0 done, 2 unusable arguments or input (one line on stderr), 1 a failure of ours, 130
cancelled.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Callable, NoReturn

from . import __version__
from .bridge import SOLVERS
from .bundle import list_bundles, read_metadata, verify_bundle
from .cnr import contrast_to_noise
from .device import DEVICES, choose_device
from .errors import Cancelled, InputError
from .fetal import HeadHint
from .files import check_creatable
from .head import find_head
from .progress import CancelToken, ProgressEvent
from .provenance import sidecar_path
from .regions import read_region
from .translate import DEFAULT_STEPS, METHODS, translate
from .volume import Volume, check_usable, check_writable

DONE, UNUSABLE, CANCELLED = 0, 2, 130


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(UNUSABLE, f"{self.prog}: {message}; see {self.prog} --help.\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    options = _parser().parse_args(arguments)
    try:
        return options.run(options)
    except InputError as error:
        print(f"ustomri: {error}", file=sys.stderr)
        return UNUSABLE
    except (Cancelled, KeyboardInterrupt):
        print("ustomri: cancelled; nothing was written.", file=sys.stderr)
        return CANCELLED


def _parser() -> argparse.ArgumentParser:
    parser = _Parser("ustomri", description="Brain ultrasound to pseudo-MRI.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_translate(commands)
    _add_head(commands)
    _add_cnr(commands)
    _add_models(commands)
    return parser


def _add_translate(commands: Any) -> None:
    command = commands.add_parser("translate", help="one image to a pseudo-MRI")
    _add_input(command)
    command.add_argument("output", type=Path, help=".nrrd, .nii.gz, .mha; 8-bit .png, .tif ...")
    command.add_argument("--method", default="ddic", help=f"{', '.join(METHODS)}; default: ddic")
    command.add_argument(
        "--steps",
        type=int,
        help=f"of the diffusion each way; default: {DEFAULT_STEPS}, published: 1000",
    )
    command.add_argument("--solver", default=SOLVERS[0], help=", ".join(SOLVERS))
    command.add_argument(
        "--head-mask", metavar="FILE|none", help="the head; 'none': the image shows only the head"
    )
    command.add_argument("--seed", type=int, default=0)
    command.add_argument(
        "--provenance", type=Path, metavar="FILE.json", help="default: OUTPUT.json"
    )
    command.add_argument(
        "--picture", type=Path, metavar="FILE.png", help="ultrasound, pseudo-MRI and overlay"
    )
    _add_device(command)
    command.add_argument(
        "--progress",
        choices=("text", "json", "none"),
        default="text" if sys.stderr.isatty() else "none",
        help="on stderr; json: one object a line",
    )
    command.set_defaults(run=_translate)


def _add_head(commands: Any) -> None:
    command = commands.add_parser("head", help="head ellipse and circumference, JSON on stdout")
    _add_input(command)
    command.add_argument("--mask-out", type=Path, metavar="FILE", help="write the head's mask")
    _add_device(command)
    command.set_defaults(run=_head)


def _add_cnr(commands: Any) -> None:
    command = commands.add_parser("cnr", help="contrast-to-noise ratio, JSON on stdout")
    _add_input(command)
    for name in ("--roi", "--background"):
        command.add_argument(
            name, type=Path, required=True, metavar="FILE", help="Slicer ROI .mrk.json, or a mask"
        )
    command.set_defaults(run=_cnr)


def _add_models(commands: Any) -> None:
    command = commands.add_parser("models", help="list or verify the model bundles")
    command.add_argument("action", choices=("list", "verify"))
    command.set_defaults(run=_models)


def _add_input(command: argparse.ArgumentParser) -> None:
    command.add_argument("input", type=Path, help="image file, or folder of one DICOM series")
    command.add_argument(
        "--pixel-size", type=float, metavar="MM", help="for 2D images that do not state it"
    )
    command.add_argument("--frame", type=int, metavar="N", help="of a cine or 4D image, from 0")


def _add_device(command: argparse.ArgumentParser) -> None:
    command.add_argument("--device", default="auto", help=f"{', '.join(DEVICES)}; default: auto")


def _translate(options: argparse.Namespace) -> int:
    provenance_path = options.provenance or sidecar_path(options.output)
    volume = Volume.read(options.input, options.pixel_size, options.frame)
    check_writable(options.output, volume.grid)
    for path in (provenance_path, options.picture):
        if path:
            check_creatable(path)
    if options.output.exists() and options.output.samefile(options.input):
        raise InputError(f"{options.output} is the input itself; choose another output name.")
    result = translate(
        volume,
        options.method,
        device=options.device,
        steps=options.steps,
        solver=options.solver,
        seed=options.seed,
        head=_head_hint(options.head_mask, volume),
        progress=_reporter(options.progress),
        cancel=_cancel_on_signals(),
    )
    result.write(options.output, provenance_path)
    if options.picture:
        from .picture import write_comparison

        write_comparison(options.picture, volume, result)
    for warning in result.warnings:
        print(f"ustomri: warning: {warning}", file=sys.stderr)
    return DONE


def _head_hint(option: str | None, volume: Volume) -> HeadHint:
    if option is None or option == "none":
        return option
    pixel_size = None
    if Path(option).suffix.lower() in (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"):
        pixel_size = volume.grid.spacing[0]
    return Volume.read(option, pixel_size)


def _head(options: argparse.Namespace) -> int:
    volume = Volume.read(options.input, options.pixel_size, options.frame)
    if options.mask_out:
        check_writable(options.mask_out, volume.grid)
    check_usable(volume)
    head = find_head(volume, choose_device(options.device))
    if options.mask_out:
        head.mask.write(options.mask_out)
    answer = {
        "circumference_mm": head.circumference_mm,
        "ellipse": asdict(head.ellipse),
        "warnings": head.warnings,
    }
    print(json.dumps(answer))
    return DONE


def _cnr(options: argparse.Namespace) -> int:
    volume = Volume.read(options.input, options.pixel_size, options.frame)
    regions = (read_region(path, volume.grid) for path in (options.roi, options.background))
    print(json.dumps(asdict(contrast_to_noise(volume, *regions))))
    return DONE


def _models(options: argparse.Namespace) -> int:
    for name in list_bundles():
        metadata = read_metadata(name)
        state = f"verified {verify_bundle(name)}" if options.action == "verify" else ""
        print(f"{name} {metadata['version']}: {metadata['task']} {state}".rstrip())
    return DONE


def _reporter(kind: str) -> Callable[[ProgressEvent], None] | None:
    def as_json(event: ProgressEvent) -> None:
        print(json.dumps(asdict(event)), file=sys.stderr, flush=True)

    def as_text(event: ProgressEvent) -> None:
        end = "\n" if event.step == event.of else ""
        line = f"\r{event.phase}: {event.step} of {event.of}, {event.eta_s:.0f} s left   "
        print(line, end=end, file=sys.stderr, flush=True)

    return {"json": as_json, "text": as_text, "none": None}[kind]


def _cancel_on_signals() -> CancelToken:
    """A token that SIGINT and SIGTERM set; a second signal acts as if this had not been called."""
    token = CancelToken()
    for number in (signal.SIGINT, signal.SIGTERM):
        previous = signal.getsignal(number)

        def stop(number: int, frame: Any, previous: Any = previous) -> None:
            token.cancel()
            signal.signal(number, previous)

        signal.signal(number, stop)
    return token
