"""From a cine, or a sequence of volumes, to one of pseudo-MRIs of the same length and timing.

The frames of a cine are the slices of a stack whose third axis is time. The head is followed from
frame to frame; latents are shared as they are from slice to slice.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .compute.bundle import load_bundle
from .compute.device import choose_device
from .errors import InputError
from .fetal.head import BUNDLE as HEAD_BUNDLE
from .fetal.heads import FollowedHead, HeadHint
from .fetal.tracking import HeadTracker
from .files import atomic, expanded, sample_path, sidecar_path
from .image.grid import Grid
from .image.sequence import ImageSequence
from .image.volume import PathLike, Volume
from .methods import DEFAULT, method_named
from .progress import CancelToken, Progress, ProgressCallback
from .provenance import describe_input
from .result import Result
from .translate import translate

# A head that moves as far in this time as its outline changes from slice to slice in one mm.
_SECONDS_A_MM = 0.04
_LEAST_MM, _MOST_MM = 0.25, 4.0


@dataclass(frozen=True)
class CineResult:
    """Pseudo-MRIs that follow each other as their ultrasound does.

    Attributes:
        sequence: on the input's grid and with its times, whole numbers in 0 .. 255.
        provenance: how it was made, ready for JSON; "flicker" is how much neighbouring frames
            differ inside the head, in grey levels, in it and in the ultrasound.
        warnings: sentences that the user should read.
        maps: what else was asked for, by key of :data:`.result.MAPS`.
        timings: seconds of each phase.
        samples: several answers of a method that draws.
    """

    sequence: ImageSequence
    provenance: dict[str, Any]
    warnings: list[str]
    maps: dict[str, ImageSequence] = field(default_factory=dict)
    timings: dict[str, float] = field(default_factory=dict)
    samples: tuple[ImageSequence, ...] = ()

    @property
    def image(self) -> ImageSequence:
        """The same as `sequence`: what was made of the input, be it a volume or a cine."""
        return self.sequence

    def write(
        self,
        output: PathLike,
        provenance_path: PathLike | None = None,
        compress: bool = True,
        map_paths: Mapping[str, PathLike] | None = None,
    ) -> None:
        """Write the sequence, and its record beside it as ``OUTPUT.json``; all or nothing.

        Samples go beside it as those of a :class:`.result.Result`.

        Raises:
            InputError: as :meth:`.image.sequence.ImageSequence.write`.
        """
        target = expanded(output)
        record = expanded(provenance_path) if provenance_path else sidecar_path(target)
        with ExitStack() as files:
            text = json.dumps(self.provenance, indent=2) + "\n"
            files.enter_context(atomic(record)).write_text(text, encoding="utf-8")
            written = {target: self.sequence}
            written |= {expanded(path): self.maps[name] for name, path in (map_paths or {}).items()}
            written |= {sample_path(target, n): s for n, s in enumerate(self.samples, start=1)}
            for path, images in written.items():
                images.write(files.enter_context(atomic(path)), compress=compress)


def translate_cine(
    sequence: ImageSequence,
    method: str = DEFAULT,
    *,
    options: Any = None,
    device: str = "auto",
    head: HeadHint = None,
    maps: frozenset[str] = frozenset(),
    allow_synthetic: bool = False,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
    **values: Any,
) -> CineResult:
    """Translate every image of a sequence.

    Args:
        sequence: ultrasound; flat frames, for the methods of slices, or volumes.
        method, options, device, allow_synthetic, progress, cancel, values: as of
            :func:`.translate.translate`.
        head: the same; a mask or ellipse is that of every frame.
        maps: what else to make, keys of :data:`.result.MAPS`.

    Raises:
        InputError: as :func:`.translate.translate`; or a method of volumes is asked for flat
            frames.
        Cancelled: when the token was set.
    """
    how: dict[str, Any] = {"device": device, "allow_synthetic": allow_synthetic}
    how.update(dict.fromkeys(maps, True))
    entry = method_named(method)
    asked = entry.make_options(options, values)
    if sequence.grid.size[2] > 1:
        return _volumes(sequence, method, asked, head, how, Progress(progress, cancel))
    if not hasattr(asked, "axis"):
        raise InputError(
            f"The method {method!r} translates volumes, and the frames are flat; choose a method "
            "for slices."
        )
    stack = _stack(sequence)
    followed: dict[str, str] = {}
    if head is None:
        followed, head = _follow(sequence, device, Progress(progress, cancel))
    result = translate(
        stack,
        method,
        options=replace(asked, axis="k"),
        head=_head_of_all(head, stack),
        progress=progress,
        cancel=cancel,
        **how,
    )
    result.provenance["bundles"].update(followed)
    return _result(sequence, [result])


def _follow(
    sequence: ImageSequence, device: str, progress: Progress
) -> tuple[dict[str, str], FollowedHead]:
    """Follow the head through the frames; return the network's digest by its name too."""
    on = choose_device(device)
    bundle = load_bundle(HEAD_BUNDLE, on)
    frames = progress.track("head", list(sequence))
    followed = HeadTracker(bundle.net, on).outlines(frames, _step(sequence))
    shown = _shown(sequence.array)
    outlines = {n: outline for n, outline in followed.items() if shown[n]}
    if not outlines:
        raise InputError(
            f"No fetal head was found in any of the {len(sequence)} frames; give the head with "
            "--head-mask FILE, or check the cine and its pixel size."
        )
    return {bundle.name: bundle.sha256}, FollowedHead(outlines)


def _step(sequence: ImageSequence) -> float:
    """Return the mean seconds from frame to frame."""
    seconds = sequence.seconds
    step = (seconds[-1] - seconds[0]) / (len(seconds) - 1) if len(seconds) > 1 else 0.0
    return step or _SECONDS_A_MM


def _stack(sequence: ImageSequence) -> Volume:
    """Return the frames as a volume whose slices are as far apart as they change."""
    distance = float(np.clip(_step(sequence) / _SECONDS_A_MM, _LEAST_MM, _MOST_MM))
    grid = sequence.grid
    spacing = (grid.spacing[0], grid.spacing[1], distance)
    size = (grid.size[0], grid.size[1], len(sequence))
    array = np.ascontiguousarray(sequence.array[:, 0])
    whole = Grid(size, spacing, grid.origin, grid.direction)
    return Volume(array, whole, dict(sequence.metadata), sequence.source)


def _head_of_all(head: HeadHint, stack: Volume) -> HeadHint:
    """Return what is known of the head for every frame, where a mask of one is given."""
    if isinstance(head, Volume) and head.is_slice:
        return stack.with_array(np.repeat(head.array, stack.grid.size[2], axis=0))
    return head


def _shown(frames: np.ndarray) -> np.ndarray:
    """Return of which of the frames [n, ...] anything is shown: PLUS leaves lost ones black."""
    flat = frames.reshape(len(frames), -1)
    return flat.min(axis=1) < flat.max(axis=1)


def _volumes(
    sequence: ImageSequence,
    method: str,
    options: Any,
    head: HeadHint,
    how: dict[str, Any],
    progress: Progress,
) -> CineResult:
    """Translate the volumes of a sequence one after the other."""
    results = [
        translate(volume, method, options=options, head=head, cancel=progress.cancel, **how)
        for volume in progress.track("volumes", list(sequence))
    ]
    return _result(sequence, results)


def _result(sequence: ImageSequence, results: list[Result]) -> CineResult:
    """Return sequences with the record of the first image, and what is true of all.

    Args:
        sequence: the ultrasound.
        results: of the stack of its flat frames, or of each of its volumes.
    """
    is_flat = sequence.grid.size[2] == 1
    shown = _shown(sequence.array)[:, np.newaxis, np.newaxis, np.newaxis]

    def following(parts: list[Volume], is_grey: bool = True) -> ImageSequence:
        arrays = [part.array for part in parts]
        values = arrays[0][:, None] * shown if is_flat else np.stack(arrays)
        values = np.rint(values).astype(np.uint8) if is_grey else values
        metadata = dict(parts[0].metadata)
        return ImageSequence(values, sequence.grid, sequence.seconds, metadata, sequence.source)

    first, made = results[0], following([each.volume for each in results])
    maps = {name: following([each.maps[name] for each in results], False) for name in first.maps}
    drawn = zip(*(each.samples for each in results))
    warnings = list(dict.fromkeys(text for result in results for text in result.warnings))
    if is_flat:  # the slices of the stack are frames
        warnings = [text.replace(" along k", "").replace("slices", "frames") for text in warnings]
    provenance = {
        **first.provenance,
        "input": describe_input(sequence),
        "warnings": warnings,
        "frames": len(sequence),
        "flicker": {
            "pseudo_mri": _flicker(made.array, made.array),
            "ultrasound": _flicker(sequence.array, made.array),
        },
    }
    timings: dict[str, float] = {}
    for result in results:
        for phase, seconds in result.timings.items():
            timings[phase] = timings.get(phase, 0.0) + seconds
    samples = tuple(following(list(parts)) for parts in drawn)
    return CineResult(made, provenance, warnings, maps, timings, samples)


def _flicker(array: np.ndarray, shown: np.ndarray) -> float | None:
    """Return the mean difference of neighbouring images where both show a head."""
    total, count = 0.0, 0
    for n in range(1, len(array)):  # one by one, for the memory
        both = (shown[n] > 0) & (shown[n - 1] > 0)
        steps = array[n][both].astype(np.float32) - array[n - 1][both].astype(np.float32)
        total, count = total + float(np.abs(steps).sum()), count + len(steps)
    return round(total / count, 3) if count else None
