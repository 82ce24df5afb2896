"""From ultrasound to pseudo-MRI: the one way through the library."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Callable

import numpy as np

from .bridge.imposed import MEDIAN_KERNEL
from .bridge.similarity import PEARSON
from .compute.device import choose_device
from .compute.peak_memory import peak_memory_mib
from .errors import InputError
from .fetal.cyclegan import METHOD as CYCLEGAN
from .fetal.diffusion import BRIDGES, DEFAULT_SOLVER, BridgeSettings
from .fetal.gain import EVEN
from .fetal.slices import HeadHint, OnePass, translate_slice
from .fetal.stack import check_axis, translate_stack
from .files import atomic, expanded
from .image.volume import PathLike, Volume, check_usable
from .pix2pix.pix2pix3d import BUNDLE as PIX2PIX3D
from .pix2pix.pix2pix3d import DEFAULT_MEMORY_GIB, load_generator, precision_of, translate_volume
from .progress import CancelToken, Progress, ProgressCallback
from .provenance import header_fields, make_provenance, sidecar_path

METHODS = (*BRIDGES, CYCLEGAN, PIX2PIX3D)

UNCERTAINTY = (
    "standard deviation of the pseudo-MRI over the volume as it is, mirrored along the sweep, "
    "mirrored laterally, and both: the spread of the model under flips, not its error"
)

RESIDUAL = (
    "absolute difference of the ultrasound, scaled to 0 .. 255 inside the head, and of the "
    "pseudo-MRI carried back to ultrasound: where the translation is not consistent with itself, "
    "not where it is wrong"
)


@dataclass(frozen=True)
class Result:
    """A pseudo-MRI.

    Attributes:
        volume: on the input's grid, float32 in 0 .. 255 (arbitrary units, 0 = background); its
            metadata carry the provenance, so that a file written from it does too.
        provenance: how it was made, ready for JSON.
        warnings: sentences that the user should read; part of the provenance.
        timings: seconds of each phase.
        uncertainty: where it was asked for, :data:`UNCERTAINTY` on the same grid, float32 in the
            units of `volume`.
        residual: where it was asked for, :data:`RESIDUAL` on the same grid, float32 in 0 .. 255.
    """

    volume: Volume
    provenance: dict[str, Any]
    warnings: list[str]
    timings: dict[str, float]
    uncertainty: Volume | None = None
    residual: Volume | None = None

    def write(
        self,
        output: PathLike,
        provenance_path: PathLike | None = None,
        compress: bool = True,
        uncertainty_path: PathLike | None = None,
        residual_path: PathLike | None = None,
    ) -> None:
        """Write the volume, and its provenance beside it as ``OUTPUT.json``; all or nothing.

        Raises:
            InputError: as :meth:`Volume.write`; or a map is to be written that was not computed.
        """
        output = expanded(output)
        record, uncertainty, residual = (
            None if path is None else expanded(path)
            for path in (provenance_path, uncertainty_path, residual_path)
        )
        try:
            self._write(output, record, compress, uncertainty, residual)
        except OSError as error:
            raise InputError(
                f"{output} could not be written ({error.strerror}); free some space there or "
                "choose another folder."
            ) from error

    def _write(
        self,
        output: Path,
        provenance_path: Path | None,
        compress: bool,
        uncertainty_path: Path | None,
        residual_path: Path | None,
    ) -> None:
        maps = (
            ("uncertainty", self.uncertainty, uncertainty_path),
            ("residual", self.residual, residual_path),
        )
        with ExitStack() as files:
            record = files.enter_context(atomic(provenance_path or sidecar_path(output)))
            record.write_text(json.dumps(self.provenance, indent=2) + "\n", encoding="utf-8")
            for name, computed, path in maps:
                if path is None:
                    continue
                if computed is None:
                    raise InputError(f"No {name} was computed; ask translate for it.")
                computed.write(files.enter_context(atomic(path)), compress=compress)
            self.volume.write(output, compress=compress)


@dataclass(frozen=True)
class _Made:
    array: np.ndarray
    bundles: dict[str, str]
    parameters: dict[str, Any]
    warnings: tuple[str, ...] = ()
    spread: np.ndarray | None = None
    residual: np.ndarray | None = None


def translate(
    volume: Volume,
    method: str = "ddic",
    *,
    device: str = "auto",
    steps: int | None = None,
    solver: str = DEFAULT_SOLVER,
    similarity: str = PEARSON,
    median_kernel: int = MEDIAN_KERNEL,
    gain: str = EVEN,
    seed: int = 0,
    head: HeadHint = None,
    axis: str = "auto",
    memory_gib: float = DEFAULT_MEMORY_GIB,
    uncertainty: bool = False,
    residual: bool = False,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
) -> Result:
    """Translate brain ultrasound to a pseudo-MRI that lies where the ultrasound lies.

    Args:
        volume: ultrasound; the methods but "pix2pix3d" translate it slice by slice.
        method: one of :data:`METHODS`.
        device: "auto", "cpu", "cuda" or "mps".
        steps: of the diffusion each way, 2 .. 1000; the solver's
            :data:`USToMRILib.fetal.diffusion.STEPS` where not given. Of "ddic" and "ddib" only, as
            is the solver.
        solver: of the diffusion's ODE, a key of :data:`USToMRILib.bridge.solvers.SOLVERS`; "ddim"
            with 1000 steps is the published algorithm.
        similarity: that "ddic" imposes, a key of :data:`USToMRILib.bridge.similarity.SIMILARITIES`.
        median_kernel: odd width in pixels of the median filter of "ddic", 5 as published; 1 for
            none, which leaves fewer dots where the ultrasound is dark.
        gain: of what "ddic" and "ddib" see: "even" raises dark parts of the head
            (:func:`USToMRILib.fetal.gain.even_gain`), "recorded" does not, as published.
        seed: of the random numbers; today's methods draw none.
        head: mask volume, :class:`~USToMRILib.fetal.ellipse.Ellipse`, "none" for an image with
            nothing but the head in it, or None to look for it. Not used by "pix2pix3d".
        axis: of the array across the slices, "k", "j" or "i", of volumes of several slices;
            "auto" takes the one with clearly thicker slices, else the one along which most heads
            are found. Not used by "pix2pix3d".
        memory_gib: that the process may take in all, in "pix2pix3d".
        uncertainty: whether to compute it too, in "pix2pix3d"; takes 4 times as long.
        residual: whether to compute it too, in "ddic" and "ddib"; takes up to twice as long.
        progress: called with a :class:`~USToMRILib.progress.ProgressEvent` after every step.
        cancel: a token; at most one step passes after it is set.

    Raises:
        InputError: for input or arguments that cannot be used, in one sentence that helps.
        Cancelled: when the token was set.
    """
    _check_asked(method, uncertainty, residual)
    check_axis(axis)
    check_usable(volume)
    chosen = choose_device(device)
    settings = (
        OnePass()
        if method == CYCLEGAN
        else BridgeSettings(method, steps, solver, similarity, median_kernel, gain)
    )
    tracker = Progress(progress, cancel)

    def compute(on: str) -> _Made:
        _seed(seed)
        if method == PIX2PIX3D:
            return _translate_volume(volume, on, tracker, memory_gib, uncertainty)
        if volume.is_slice:
            return _translate_slice(volume, settings, on, head, tracker, residual)
        return _translate_stack(volume, settings, on, head, tracker, axis, residual)

    made, used, fallback = _with_fallback(compute, chosen)
    made = replace(made, warnings=(*made.warnings, *fallback))
    return _result(volume, method, seed, made, used, tracker.timings)


def _check_asked(method: str, uncertainty: bool, residual: bool) -> None:
    if method not in METHODS:
        raise InputError(f"The method {method!r} is unknown; choose from {', '.join(METHODS)}.")
    if uncertainty and method != PIX2PIX3D:
        raise InputError(
            f"There is no uncertainty for the method {method!r}; use 'pix2pix3d' or leave it out."
        )
    if residual and method not in BRIDGES:
        raise InputError(
            f"There is no residual for the method {method!r}; use {' or '.join(BRIDGES)}, or "
            "leave it out."
        )


def _result(
    volume: Volume, method: str, seed: int, made: _Made, device: str, timings: dict[str, float]
) -> Result:
    """What was made, with its record."""
    import torch

    parameters = {**made.parameters, "seed": seed}
    provenance = make_provenance(volume, method, parameters, made.bundles, device)
    if device == "cpu":  # with others "pix2pix3d" rounds otherwise, and the search for the head
        provenance["threads"] = torch.get_num_threads()
    provenance["warnings"] = list(made.warnings)
    provenance["timings_s"] = {name: round(s, 3) for name, s in timings.items()}
    peak = peak_memory_mib(device)
    provenance["peak_memory_mib"] = None if peak is None else round(peak)
    fields = header_fields(provenance)

    def beside(name: str, array: np.ndarray | None) -> Volume | None:
        said = f"{name} of a {fields['description']}"
        return (
            None if array is None else Volume(array, volume.grid, {**fields, "description": said})
        )

    output = Volume(made.array, volume.grid, fields)
    maps = beside("UNCERTAINTY", made.spread), beside("RESIDUAL", made.residual)
    return Result(output, provenance, list(made.warnings), timings, *maps)


def _translate_slice(
    volume: Volume,
    settings: BridgeSettings | OnePass,
    device: str,
    head: HeadHint,
    progress: Progress,
    residual: bool,
) -> _Made:
    done = translate_slice(volume, settings, device, head, progress, residual)
    ellipse = done.head.ellipse
    parameters = {
        **settings.parameters,
        **({"residual": RESIDUAL} if residual else {}),
        "head": {
            "centre_mm": ellipse.centre,
            "semi_axes_mm": ellipse.semi_axes,
            "angle_rad": ellipse.angle,
            "circumference_mm": ellipse.circumference_mm,
        },
    }
    return _Made(done.array, done.bundles, parameters, done.warnings, residual=done.residual)


def _translate_stack(
    volume: Volume,
    settings: BridgeSettings | OnePass,
    device: str,
    head: HeadHint,
    progress: Progress,
    axis: str,
    residual: bool,
) -> _Made:
    done = translate_stack(volume, settings, device, head, progress, axis, residual)
    said = {"residual": RESIDUAL} if residual else {}
    parameters = {**settings.parameters, **said, **done.parameters}
    return _Made(done.array, done.bundles, parameters, done.warnings, residual=done.residual)


def _translate_volume(
    volume: Volume, device: str, progress: Progress, memory_gib: float, uncertainty: bool
) -> _Made:
    with progress.phase("load"):
        bundle = load_generator(device)
    done = translate_volume(volume, bundle, progress, memory_gib, uncertainty)
    said = {
        "precision": precision_of(bundle),
        **({"uncertainty": UNCERTAINTY} if uncertainty else {}),
    }
    hashes = {PIX2PIX3D: bundle.sha256}
    return _Made(done.array, hashes, said, bundle.cautions, done.spread)


def _seed(seed: int) -> None:
    import torch

    torch.manual_seed(seed)


def _with_fallback(
    compute: Callable[[str], _Made], device: str
) -> tuple[_Made, str, tuple[str, ...]]:
    """Run on ``device``; where its memory does not suffice, on the CPU, and say so."""
    try:
        return compute(device), device, ()
    except RuntimeError as error:  # which has a type of its own on some devices only
        if device == "cpu" or "out of memory" not in str(error).lower():
            raise
        warning = f"The memory of the device {device!r} did not suffice; computed on the CPU."
        return compute("cpu"), "cpu", (warning,)
