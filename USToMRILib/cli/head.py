"""``ustomri head``: the head in one image."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..compute.device import choose_device
from ..fetal.biometry import Biometry
from ..fetal.head import find_head
from ..files import expanded
from ..image.synthetic import check_measured
from ..image.volume import PathLike, Volume, check_usable, check_writable
from ..progress import CancelToken, ProgressCallback
from .options import DONE, add_allow_synthetic, add_device, add_input
from .translate import check_distinct


def add_head(commands: Any) -> None:
    """Add the command ``head``."""
    command = commands.add_parser("head", help="head ellipse and circumference, JSON on stdout")
    add_input(command)
    add_allow_synthetic(command)
    command.add_argument("--mask-out", type=Path, metavar="FILE", help="write the head's mask")
    add_device(command)
    command.set_defaults(run=_run)


def find_head_in_file(
    input: PathLike,
    *,
    device: str = "auto",
    pixel_size: float | None = None,
    frame: int | None = None,
    region: int | None = None,
    allow_synthetic: bool = False,
    mask: PathLike | None = None,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
) -> dict[str, Any]:
    """Find the head in a file, and write its mask where one is wanted.

    Args:
        input, pixel_size, frame, region: as of :meth:`USToMRILib.Volume.read`.
        device, allow_synthetic: as of :func:`USToMRILib.translate`.
        mask: file for the head's mask.
        progress: there is none to tell.
        cancel: looked at before the search.

    Returns:
        "circumference_mm", "ellipse" in plane coordinates (see :class:`.fetal.ellipse.Ellipse`),
        "biometry" (see :class:`.fetal.biometry.Biometry`) and "warnings".

    Raises:
        InputError: for a file that cannot be used, or without a head.
        Cancelled: when the token was set before the search began.
    """
    volume = Volume.read(input, pixel_size, frame, region)
    output = expanded(mask) if mask else None
    if output:
        check_writable(output, volume.grid)
        check_distinct(expanded(input), [output])
    check_usable(volume)
    if not allow_synthetic:
        check_measured(volume)
    (cancel or CancelToken()).raise_if_cancelled()
    head = find_head(volume, choose_device(device))
    if output:
        head.mask.write(output)
    return {
        "circumference_mm": head.circumference_mm,
        "ellipse": asdict(head.ellipse),
        "biometry": Biometry.of(head.ellipse).as_dict(),
        "warnings": head.warnings,
    }


def _run(options: argparse.Namespace) -> int:
    found = find_head_in_file(
        options.input,
        device=options.device,
        pixel_size=options.pixel_size,
        frame=options.frame,
        region=options.region,
        allow_synthetic=options.allow_synthetic,
        mask=options.mask_out,
    )
    print(json.dumps(found))
    return DONE
