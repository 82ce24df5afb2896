"""``ustomri translate`` and ``ustomri head``: what is done with one image.

Each command has an ``answer``: a function of its options, a progress callback and a cancel token
that does the work and returns what there is to tell, ready for JSON. The command line prints it,
the worker (:mod:`USToMRILib.cli.worker`) sends it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..compute.device import choose_device
from ..errors import InputError
from ..fetal.biometry import Biometry
from ..fetal.head import find_head
from ..fetal.slices import read_head_hint
from ..files import check_creatable
from ..image.volume import Volume, check_usable, check_writable
from ..progress import CancelToken, ProgressCallback
from ..provenance import sidecar_path
from ..translate import translate
from .options import (
    DONE,
    add_device,
    add_head_mask,
    add_input,
    add_method,
    add_progress,
    cancel_on_signals,
    method_arguments,
    reporter,
)


def add_translate(commands: Any) -> None:
    """Add the command ``translate``."""
    command = commands.add_parser("translate", help="one image to a pseudo-MRI")
    add_input(command)
    command.add_argument("output", type=Path, help=".nrrd, .nii.gz, .mha; 8-bit .png, .tif ...")
    add_method(command)
    add_head_mask(command)
    command.add_argument(
        "--provenance", type=Path, metavar="FILE.json", help="default: OUTPUT.json"
    )
    command.add_argument(
        "--picture", type=Path, metavar="FILE.png", help="ultrasound, pseudo-MRI and overlay"
    )
    command.add_argument(
        "--uncertainty",
        type=Path,
        metavar="FILE",
        help="pix2pix3d: also write its spread under flips, which is not its error",
    )
    command.add_argument(
        "--residual",
        type=Path,
        metavar="FILE",
        help="ddic, ddib: also write where the way back does not meet the ultrasound",
    )
    command.add_argument("--no-compression", action="store_true", help="faster, larger .nrrd, .mha")
    add_progress(command)
    command.set_defaults(run=_run_translate, answer=translate_file)


def add_head(commands: Any) -> None:
    """Add the command ``head``."""
    command = commands.add_parser("head", help="head ellipse and circumference, JSON on stdout")
    add_input(command)
    command.add_argument("--mask-out", type=Path, metavar="FILE", help="write the head's mask")
    add_device(command)
    command.set_defaults(run=_run_head, answer=find_head_in_file)


def translate_file(
    options: argparse.Namespace, progress: ProgressCallback | None, cancel: CancelToken
) -> dict[str, Any]:
    """Translate a file to a file, with its record beside it and a picture where one is wanted.

    Args:
        options: as :func:`add_translate` parses them.
        progress: called after every step.
        cancel: looked at before every step.

    Returns:
        "provenance": the record as it was written; its "warnings" are for the user.

    Raises:
        InputError: for a file or an option that cannot be used; nothing is written then.
        Cancelled: when the token was set; nothing is written.
    """
    provenance_path = options.provenance or sidecar_path(options.output)
    volume = Volume.read(options.input, options.pixel_size, options.frame)
    _check_outputs(options, provenance_path, volume)
    result = translate(
        volume,
        device=options.device,
        uncertainty=options.uncertainty is not None,
        residual=options.residual is not None,
        head=read_head_hint(options.head_mask, volume),
        progress=progress,
        cancel=cancel,
        **method_arguments(options),
    )
    result.write(
        options.output,
        provenance_path,
        not options.no_compression,
        options.uncertainty,
        options.residual,
    )
    if options.picture:
        from ..picture import write_comparison

        write_comparison(options.picture, volume, result)
    return {"provenance": result.provenance}


def _check_outputs(options: argparse.Namespace, provenance_path: Path, volume: Volume) -> None:
    """Raise InputError unless every file that is asked for can be written, before long work."""
    maps = [path for path in (options.uncertainty, options.residual) if path]
    for path in (options.output, *maps):
        check_writable(path, volume.grid)
    beside = [path for path in (provenance_path, options.picture) if path]
    for path in beside:
        check_creatable(path)
    _check_distinct(options.input, [options.output, *maps, *beside])


def _check_distinct(source: Path, outputs: Sequence[Path]) -> None:
    for path in outputs:
        if path.exists() and path.samefile(source):
            raise InputError(f"{path} is the input itself; choose another output name.")
        if sum(path.resolve() == other.resolve() for other in outputs) > 1:
            raise InputError(f"{path} is named for two outputs; choose another name for one.")


def find_head_in_file(
    options: argparse.Namespace, progress: ProgressCallback | None, cancel: CancelToken
) -> dict[str, Any]:
    """Find the head in a file, and write its mask where one is wanted.

    Returns:
        "circumference_mm", "ellipse" in plane coordinates (see :class:`.ellipse.Ellipse`),
        "biometry" (see :class:`.biometry.Biometry`) and "warnings".

    Raises:
        InputError: for a file that cannot be used, or without a head.
        Cancelled: when the token was set before the search began.
    """
    volume = Volume.read(options.input, options.pixel_size, options.frame)
    if options.mask_out:
        check_writable(options.mask_out, volume.grid)
        _check_distinct(options.input, [options.mask_out])
    check_usable(volume)
    cancel.raise_if_cancelled()
    head = find_head(volume, choose_device(options.device))
    if options.mask_out:
        head.mask.write(options.mask_out)
    return {
        "circumference_mm": head.circumference_mm,
        "ellipse": asdict(head.ellipse),
        "biometry": Biometry.of(head.ellipse).as_dict(),
        "warnings": head.warnings,
    }


def _run_translate(options: argparse.Namespace) -> int:
    answer = translate_file(options, reporter(options.progress), cancel_on_signals())
    for warning in answer["provenance"]["warnings"]:
        print(f"ustomri: warning: {warning}", file=sys.stderr)
    return DONE


def _run_head(options: argparse.Namespace) -> int:
    print(json.dumps(find_head_in_file(options, None, CancelToken())))
    return DONE
