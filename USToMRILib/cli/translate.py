"""``ustomri translate``: one image file to a pseudo-MRI file."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from ..cine import translate_cine
from ..errors import InputError
from ..fetal.heads import read_head_hint
from ..fetal.tissues import describe_sizes
from ..files import atomic, check_creatable, expanded, sidecar_path
from ..image.grid import Grid
from ..image.sequence import ImageSequence, check_sequence_writable
from ..image.volume import PathLike, Volume, check_writable
from ..methods import DEFAULT
from ..picture import check_picture, write_comparison
from ..progress import CancelToken, ProgressCallback
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
    warn,
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
        "--picture",
        type=Path,
        metavar="FILE.png",
        help="ultrasound, pseudo-MRI and overlay; or FILE.jpg",
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
        picture: PNG or JPEG of ultrasound, pseudo-MRI and both over each other.
        maps: files of what else to make, by key of :data:`USToMRILib.result.MAPS`.
        compress: whether to, where the format can.

    Returns:
        "provenance": the record as it was written; its "warnings" are for the user.

    Raises:
        InputError: for a file or an option that cannot be used; nothing is written then.
        Cancelled: when the token was set; nothing is written.
    """
    files = _Files.named(input, output, provenance, picture, maps or {}, compress)
    how: dict[str, Any] = {
        "method": method,
        "options": options,
        "device": device,
        "allow_synthetic": allow_synthetic,
        "progress": progress,
        "cancel": cancel,
    }
    if frame == ALL:
        return _translate_cine(files, pixel_size, region, head, how)
    volume = Volume.read(files.source, pixel_size, None if frame is None else int(frame), region)
    return _translate_image(files, volume, head, how)


class _Files(NamedTuple):
    """What is read, and all that is written; ``maps`` by key of MAPS."""

    source: Path
    target: Path
    record: Path
    picture: Path | None
    maps: dict[str, Path]
    compress: bool

    @classmethod
    def named(
        cls,
        source: PathLike,
        target: PathLike,
        record: PathLike | None,
        picture: PathLike | None,
        maps: Mapping[str, PathLike],
        compress: bool,
    ) -> _Files:
        """Return the files by the names that the user gave; the record lies beside the target."""
        beside = sidecar_path(expanded(target))
        return cls(
            expanded(source),
            expanded(target),
            expanded(record) if record else beside,
            expanded(picture) if picture else None,
            {name: expanded(path) for name, path in maps.items()},
            compress,
        )

    def check(self, check_image: Callable[[Path, Grid], None], grid: Grid) -> None:
        """Raise InputError unless all can be written and none is another, or the input."""
        images = [self.target, *self.maps.values()]
        others = [self.record, *([self.picture] if self.picture else [])]
        for path in images:
            check_image(path, grid)
        for path in others:
            check_creatable(path)
        check_distinct(self.source, [*images, *others])
        if self.picture:
            check_picture(self.picture)


def _translate_cine(
    files: _Files,
    pixel_size: float | None,
    region: int | None,
    head: str | None,
    how: dict[str, Any],
) -> dict[str, Any]:
    if files.picture:
        raise InputError("A picture shows one image; leave --picture out, or choose a frame.")
    sequence = ImageSequence.read(files.source, pixel_size, region)
    files.check(check_sequence_writable, sequence.grid)
    hint = read_head_hint(head, next(iter(sequence)))
    cine = translate_cine(sequence, head=hint, maps=frozenset(files.maps), **how)
    cine.write(files.target, files.record, files.compress, files.maps)
    return {"provenance": cine.provenance}


def _translate_image(
    files: _Files, volume: Volume, head: str | None, how: dict[str, Any]
) -> dict[str, Any]:
    files.check(check_writable, volume.grid)
    hint = read_head_hint(head, volume)
    result = translate(volume, head=hint, **{**how, **dict.fromkeys(files.maps, True)})
    with ExitStack() as pictures:
        if files.picture:
            write_comparison(pictures.enter_context(atomic(files.picture)), volume, result)
        result.write(files.target, files.record, files.compress, files.maps)
    return {"provenance": result.provenance}


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
    warn(answer["provenance"]["warnings"])
    measured = answer["provenance"]["parameters"].get("tissues_measured", {})
    for line in describe_sizes(measured):
        print(line)
    return DONE
