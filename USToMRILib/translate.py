"""From ultrasound to pseudo-MRI: the one way through the library."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Callable

import numpy as np

from .compute.device import choose_device
from .compute.peak_memory import peak_memory_mib
from .fetal.heads import HeadHint
from .image.synthetic import check_measured
from .image.volume import Volume, check_usable
from .methods import DEFAULT, Method, method_named
from .options import deciding
from .progress import CancelToken, Progress, ProgressCallback
from .provenance import header_fields, make_provenance
from .result import Made, Request, Result


def translate(
    volume: Volume,
    method: str = DEFAULT,
    *,
    options: Any = None,
    device: str = "auto",
    head: HeadHint = None,
    uncertainty: bool = False,
    residual: bool = False,
    tissues: bool = False,
    allow_synthetic: bool = False,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
    **values: Any,
) -> Result:
    """Translate brain ultrasound to a pseudo-MRI that lies where the ultrasound lies.

    ``translate(volume, "ddic", steps=50)`` and ``translate(volume, "ddic",
    options=DdicOptions(steps=50))`` are the same; ``ustomri methods`` lists the methods and their
    options (:data:`USToMRILib.methods.METHODS`).

    Args:
        volume: ultrasound.
        method: a key of :data:`USToMRILib.methods.METHODS`.
        options: of the method, its dataclass.
        device: "auto", "cpu", "cuda" or "mps".
        head: mask volume, :class:`~USToMRILib.fetal.ellipse.Ellipse`, "none" for an image with
            nothing but the head in it, or None to look for it. Used by the methods of slices.
        uncertainty: whether to make a map of it too, where the method offers it.
        residual: the same.
        tissues: the same.
        allow_synthetic: whether to take a volume that is itself a pseudo-MRI or a map of one.
        progress: called with a :class:`~USToMRILib.progress.ProgressEvent` after every step.
        cancel: a token; at most one step passes after it is set.
        **values: options of the method by name, in place of ``options``.

    Raises:
        InputError: for input or arguments that cannot be used, in one sentence that helps.
        Cancelled: when the token was set.
    """
    entry = method_named(method)
    asked = entry.make_options(options, values)
    wished = {"uncertainty": uncertainty, "residual": residual, "tissues": tissues}
    maps = frozenset(name for name, wish in wished.items() if wish)
    entry.check_offers(maps)
    check_usable(volume)
    if not allow_synthetic:
        check_measured(volume)
    chosen = choose_device(device)
    tracker = Progress(progress, cancel)

    def compute(on: str) -> Made:
        with tracker.phase("load"):
            loaded = entry.load(asked, on)
        return loaded.translate(volume, Request(on, tracker, head, maps))

    made, used, fallback = _with_fallback(compute, chosen)
    made = replace(made, warnings=(*made.warnings, *fallback))
    return _result(volume, entry, asked, made, used, tracker.timings)


def _result(
    volume: Volume,
    entry: Method,
    options: Any,
    made: Made,
    device: str,
    timings: dict[str, float],
) -> Result:
    """What was made, with its record."""
    import torch

    said = {name: entry.offers[name] for name in sorted(made.maps)}
    parameters = {**deciding(options), **made.parameters, **said}
    provenance = make_provenance(volume, entry.name, parameters, made.bundles, device)
    if device == "cpu":  # with others "pix2pix3d" rounds otherwise, and the search for the head
        provenance["threads"] = torch.get_num_threads()
    provenance["warnings"] = list(made.warnings)
    provenance["timings_s"] = {name: round(s, 3) for name, s in timings.items()}
    peak = peak_memory_mib(device)
    provenance["peak_memory_mib"] = None if peak is None else round(peak)

    def described(array: np.ndarray, part: str = "") -> Volume:
        return Volume(array, volume.grid, header_fields(provenance, part), volume.source)

    output = described(made.array)
    maps = {name: described(array, name.upper()) for name, array in made.maps.items()}
    samples = tuple(described(s, f"SAMPLE {n}") for n, s in enumerate(made.samples, start=1))
    return Result(output, provenance, list(made.warnings), timings, maps, samples, made.labels)


def _with_fallback(
    compute: Callable[[str], Made], device: str
) -> tuple[Made, str, tuple[str, ...]]:
    """Run on ``device``; where its memory does not suffice, on the CPU, and say so."""
    try:
        return compute(device), device, ()
    except RuntimeError as error:  # which has a type of its own on some devices only
        if device == "cpu" or "out of memory" not in str(error).lower():
            raise
        warning = f"The memory of the device {device!r} did not suffice; computed on the CPU."
        return compute("cpu"), "cpu", (warning,)
