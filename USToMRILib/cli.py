"""The command line ``ustomri``.

Exit status: 0 done, 2 unusable arguments or input (one line on stderr), 1 a failure of ours, 130
cancelled.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

from . import __version__
from .bundle import list_bundles, read_metadata, verify_bundle
from .cli_options import (
    CANCELLED,
    DONE,
    UNUSABLE,
    add_device,
    add_input,
    add_method,
    add_progress,
    cancel_on_signals,
    reporter,
)
from .cnr import contrast_to_noise
from .device import choose_device
from .errors import Cancelled, InputError
from .fetal import HeadHint
from .files import check_creatable
from .head import find_head
from .provenance import sidecar_path
from .regions import read_region
from .translate import translate
from .volume import Volume, check_usable, check_writable


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
    add_input(command)
    command.add_argument("output", type=Path, help=".nrrd, .nii.gz, .mha; 8-bit .png, .tif ...")
    add_method(command)
    command.add_argument(
        "--head-mask", metavar="FILE|none", help="the head; 'none': the image shows only the head"
    )
    command.add_argument(
        "--provenance", type=Path, metavar="FILE.json", help="default: OUTPUT.json"
    )
    command.add_argument(
        "--picture", type=Path, metavar="FILE.png", help="ultrasound, pseudo-MRI and overlay"
    )
    add_progress(command)
    command.set_defaults(run=_translate)


def _add_head(commands: Any) -> None:
    command = commands.add_parser("head", help="head ellipse and circumference, JSON on stdout")
    add_input(command)
    command.add_argument("--mask-out", type=Path, metavar="FILE", help="write the head's mask")
    add_device(command)
    command.set_defaults(run=_head)


def _add_cnr(commands: Any) -> None:
    command = commands.add_parser("cnr", help="contrast-to-noise ratio, JSON on stdout")
    add_input(command)
    for name in ("--roi", "--background"):
        command.add_argument(
            name, type=Path, required=True, metavar="FILE", help="Slicer ROI .mrk.json, or a mask"
        )
    command.set_defaults(run=_cnr)


def _add_models(commands: Any) -> None:
    command = commands.add_parser("models", help="list or verify the model bundles")
    command.add_argument("action", choices=("list", "verify"))
    command.set_defaults(run=_models)


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
        progress=reporter(options.progress),
        cancel=cancel_on_signals(),
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
