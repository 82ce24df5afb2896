"""``ustomri translate``: one image file to a pseudo-MRI file."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from ..cine import translate_cine
from ..errors import InputError
from ..fetal.heads import read_head_hint
from ..fetal.tissues import describe_widths
from ..files import atomic, check_creatable, expanded
from ..image.sequence import ImageSequence, check_sequence_writable
from ..image.volume import PathLike, Volume, check_writable
from ..methods import DEFAULT
from ..progress import CancelToken, ProgressCallback
from ..provenance import sidecar_path
from ..result import MAPS
from ..translate import translate
from .options import (
    ALL,
    DONE,
    add_allow_synthetic,
    add_head_mask,
    add_input,
    add_maps,
    add_method,
    add_progress,
    cancel_on_signals,
    method_options,
    reporter,
)


def add_translate(commands: Any) -> None:
    """Add the command ``translate``."""
    command = commands.add_parser("translate", help="one image to a pseudo-MRI")
    add_input(command, cines=True)
    outputs = ".nrrd, .nii.gz, .mha; 8-bit .dcm, .png, .tif ...; of cines .seq.nrrd, .mp4 ..."
    command.add_argument("output", type=Path, help=outputs)
    add_method(command)
    add_allow_synthetic(command)
    add_head_mask(command)
    add_maps(command)
    command.add_argument(
        "--provenance", type=Path, metavar="FILE.json", help="default: OUTPUT.json"
    )
    command.add_argument(
        "--picture", type=Path, metavar="FILE.png", help="ultrasound, pseudo-MRI and overlay"
    )
    command.add_argument("--no-compression", action="store_true", help="faster, larger .nrrd, .mha")
    add_progress(command)
    command.set_defaults(run=_run)


def translate_file(
    input: PathLike,
    output: PathLike,
    method: str = DEFAULT,
    *,
    options: Any = None,
    device: str = "auto",
    head: str | None = None,
    pixel_size: float | None = None,
    frame: int | str | None = None,
    region: int | None = None,
    allow_synthetic: bool = False,
    provenance: PathLike | None = None,
    picture: PathLike | None = None,
    maps: Mapping[str, PathLike] | None = None,
    compress: bool = True,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
) -> dict[str, Any]:
    """Translate a file to a file, with its record beside it and a picture where one is wanted.

    Args:
        input, pixel_size, frame, region: as of :meth:`USToMRILib.Volume.read`; the frame "all"
            translates all frames to a sequence.
        output: file of the pseudo-MRI.
        method, device, allow_synthetic, progress, cancel: as of :func:`USToMRILib.translate`.
        options: of the method: its dataclass, or values by name.
        head: the path of a mask, "none", or None to look for it.
        provenance: where the record goes instead of ``OUTPUT.json``.
        picture: PNG of ultrasound, pseudo-MRI and both over each other.
        maps: files of what else to make, by key of :data:`USToMRILib.result.MAPS`.
        compress: whether to, where the format can.

    Returns:
        "provenance": the record as it was written; its "warnings" are for the user.

    Raises:
        InputError: for a file or an option that cannot be used; nothing is written then.
        Cancelled: when the token was set; nothing is written.
    """
    source, target = expanded(input), expanded(output)
    record = expanded(provenance) if provenance else sidecar_path(target)
    beside = {name: expanded(path) for name, path in (maps or {}).items()}
    drawn = expanded(picture) if picture else None
    images, others = [target, *beside.values()], [record, *([drawn] if drawn else [])]
    how: dict[str, Any] = {
        "method": method,
        "options": options,
        "device": device,
        "allow_synthetic": allow_synthetic,
        "progress": progress,
        "cancel": cancel,
    }
    if frame == ALL:
        if drawn:
            raise InputError("A picture shows one image; leave --picture out, or choose a frame.")
        sequence = ImageSequence.read(source, pixel_size, region)
        for path in images:
            check_sequence_writable(path, sequence.grid)
        _check_others(source, images, others)
        hint = read_head_hint(head, next(iter(sequence)))
        cine = translate_cine(sequence, head=hint, maps=frozenset(beside), **how)
        cine.write(target, record, compress, beside)
        return {"provenance": cine.provenance}
    volume = Volume.read(source, pixel_size, None if frame is None else int(frame), region)
    for path in images:
        check_writable(path, volume.grid)
    _check_others(source, images, others)
    hint = read_head_hint(head, volume)
    result = translate(volume, head=hint, **{**how, **dict.fromkeys(beside, True)})
    with ExitStack() as pictures:
        if drawn:
            from ..picture import write_comparison

            write_comparison(pictures.enter_context(atomic(drawn)), volume, result)
        result.write(target, record, compress, beside)
    return {"provenance": result.provenance}


def _check_others(source: Path, images: list[Path], others: list[Path]) -> None:
    """Raise InputError unless what is no image can be written too, and nothing meets."""
    for path in others:
        check_creatable(path)
    check_distinct(source, [*images, *others])


def check_distinct(source: Path, outputs: Sequence[Path]) -> None:
    """Raise InputError where an output is the input, or another output."""
    for path in outputs:
        if path.exists() and path.samefile(source):
            raise InputError(f"{path} is the input itself; choose another output name.")
        if sum(path.resolve() == other.resolve() for other in outputs) > 1:
            raise InputError(f"{path} is named for two outputs; choose another name for one.")


def _run(options: argparse.Namespace) -> int:
    named = {name: getattr(options, name, None) for name in MAPS}
    answer = translate_file(
        options.input,
        options.output,
        options.method,
        options=method_options(options),
        device=options.device,
        head=options.head_mask,
        pixel_size=options.pixel_size,
        frame=options.frame,
        region=options.region,
        allow_synthetic=options.allow_synthetic,
        provenance=options.provenance,
        picture=options.picture,
        maps={name: path for name, path in named.items() if path is not None},
        compress=not options.no_compression,
        progress=reporter(options.progress),
        cancel=cancel_on_signals(),
    )
    for warning in answer["provenance"]["warnings"]:
        print(f"ustomri: warning: {warning}", file=sys.stderr)
    measured = answer["provenance"]["parameters"].get("tissues_measured", {})
    if line := describe_widths(measured):
        print(line)
    return DONE
