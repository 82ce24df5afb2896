"""The fetal methods on volumes: slice by slice, with what neighbouring slices have in common.

Slices that are translated alone flicker: their ellipses, their grey levels and the noise that
their speckle becomes differ by chance, and the networks carry that into the picture. Here the
ellipses follow one smooth outline with one long axis, grey levels change slowly, neighbours share
latents, and the pseudo-MRI's brightness is steadied. Neither image is blurred.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Optional, Union

import numpy as np

from ..compute.bundle import load_bundle
from ..compute.frame_threads import on_threads
from ..errors import InputError
from ..image.grid import Grid
from ..image.masks import head_inside, inside_of
from ..image.volume import Volume
from ..progress import Progress
from .diffusion import BridgeSettings
from .ellipse import Ellipse
from .frame import HeadFrame, head_limits, normalise_head
from .frame_spec import FrameSpec
from .gain import is_dark
from .head import BUNDLE as HEAD_BUNDLE
from .head import Head, check_mask, find_head
from .outline import smooth_outline, steady_brightness
from .slices import FrameMethod, HeadHint, OnePass, load_method, to_mri_values

AXES = ("auto", "k", "j", "i")

# An axis whose slices are this much further apart than the others' is the one of the sweep.
_THICK = 1.5
# Where slices lie that tell for an axis whether it shows heads, as fractions of it.
_PROBES = (0.3, 0.4, 0.5, 0.6, 0.7)
_LIMITS_MM = 4.0  # over which grey levels change

# How far along the stack slices share latents, as a Gaussian's sigma: they are then about as alike
# as the latents of MRI slices, and the pseudo-MRI changes from slice to slice about as much as MRI
# does (`python -m benchmarks.flicker`).
LATENT_MM = 0.7
# Over which the brightness of the pseudo-MRI is then steadied, likewise.
_BRIGHTNESS_MM = 1.0


def check_axis(axis: str) -> None:
    """Raise InputError unless the axis is one of :data:`AXES`."""
    if axis not in AXES:
        raise InputError(f"The axis {axis!r} is unknown; choose from {', '.join(AXES)}.")


@dataclass(frozen=True)
class StackTranslation:
    """What became of a volume.

    Attributes:
        array: float32 [k, j, i] in 0 .. 255, 0 outside the head.
        bundles: names of the bundles used, with the SHA-256 of their weights.
        parameters: of the stack, for the provenance.
        warnings: sentences that the user should read.
        residual: as `array`, where it was asked for.
    """

    array: np.ndarray
    bundles: dict[str, str]
    parameters: dict[str, Any]
    warnings: tuple[str, ...]
    residual: Optional[np.ndarray] = None


class Stack:
    """A volume as slices along one of its axes "k", "j" or "i"."""

    def __init__(self, volume: Volume, axis: str) -> None:
        self.axis = axis
        self.number = AXES.index(axis) - 1
        self.array = np.moveaxis(volume.array, self.number, 0)
        spacing = list(volume.grid.spacing[::-1])
        self.distance = spacing.pop(self.number)
        self.spacing = (spacing[1], spacing[0])

    def __len__(self) -> int:
        return len(self.array)

    def slice(self, number: int) -> Volume:
        """Return one slice as a volume in its own plane."""
        rows, columns = self.array.shape[1:]
        grid = Grid((columns, rows, 1), (*self.spacing, self.distance))
        return Volume(np.ascontiguousarray(self.array[number])[None], grid)

    def volume_array(self, slices: np.ndarray) -> np.ndarray:
        """Return slices [n, rows, columns] as an array [k, j, i]."""
        return np.ascontiguousarray(np.moveaxis(slices, 0, self.number))


def translate_stack(
    volume: Volume,
    settings: Union[BridgeSettings, OnePass],
    device: str,
    hint: HeadHint,
    progress: Progress,
    axis: str = "auto",
    residual: bool = False,
    latent_mm: float = LATENT_MM,
) -> StackTranslation:
    """Translate a volume of fetal ultrasound slice by slice.

    Args:
        volume: of several slices, checked.
        settings: of the method.
        device: "cpu", "cuda" or "mps".
        hint: about the head: a mask on the volume's grid, an ellipse in the plane of every slice,
            "none", or nothing.
        progress: phases "load" and "head", then those of :func:`.fetal.translate_slice`.
        axis: across the slices, one of :data:`AXES`, checked; "auto" takes the one whose slices are
            clearly thickest, else the one along which most heads are found.
        residual: whether to compute it too.
        latent_mm: how far neighbours share latents, as the sigma of a Gaussian in mm; with 0
            brightness is not steadied either. Not used by :class:`.fetal.OnePass`, which does not
            flicker.

    Raises:
        InputError: if no slice shows a head, or as for one slice.
        Cancelled: when the progress' token is set.
    """
    with progress.phase("load"):
        method = load_method(settings, device)
        hashes = {} if hint is not None else {HEAD_BUNDLE: load_bundle(HEAD_BUNDLE, device).sha256}
    stack = Stack(volume, axis if axis != "auto" else _found_axis(volume, hint, device))
    found = _find_heads(stack, volume, hint, device, progress)
    outline = smooth_outline(found, stack.distance)
    if not outline:
        raise InputError(
            f"No fetal head was found in the {len(stack)} slices along {stack.axis}; choose "
            "another axis with --axis, or give the head with --head-mask FILE."
        )
    sigma = 0.0 if isinstance(settings, OnePass) else latent_mm / stack.distance
    frames = Frames.of(stack, outline, method.frame)
    array, differs = _translate_frames(stack, frames, method, sigma, progress, residual)
    bundles = {**method.bundles, **hashes}
    parameters = {
        "axis": stack.axis,
        "slices_with_head": _ranges(sorted(outline)),
        **({} if isinstance(settings, OnePass) else {"latent_sharing_mm": latent_mm}),
        "largest_circumference_mm": max(e.circumference_mm for e in outline.values()),
    }
    warnings = (*_warnings(stack, outline, frames.dark), *method.cautions)
    return StackTranslation(array, bundles, parameters, warnings, differs)


@dataclass(frozen=True)
class Frames:
    """The slices of a stack that show a head, in their frames.

    Attributes:
        frames: of the slices, by their number.
        masks: bool [n, rows, columns], inside the heads.
        seen: float32 of the same shape in [-1, 1], ultrasound with slowly changing grey levels.
    """

    frames: dict[int, HeadFrame]
    masks: np.ndarray
    seen: np.ndarray

    @classmethod
    def of(cls, stack: Stack, outline: dict[int, Ellipse], spec: FrameSpec) -> Frames:
        """Lay a frame on every slice that has an ellipse."""
        frames = {
            n: HeadFrame.around(ellipse, stack.array.shape[1:], stack.spacing, spec)
            for n, ellipse in outline.items()
        }
        masks = np.stack([frame.mask for frame in frames.values()])
        seen = np.stack([frame.to_frame(stack.array[n]) for n, frame in frames.items()])
        return cls(frames, masks, _normalised(seen, masks, stack.distance))

    @property
    def dark(self) -> list[int]:
        """The slices whose heads are dark in large part."""
        return [
            n for n, *of in zip(self.frames, self.seen, self.masks, self.pixels_mm) if is_dark(*of)
        ]

    @property
    def pixels_mm(self) -> list[float]:
        """Edges of the frames' pixels."""
        return [frame.pixel_mm for frame in self.frames.values()]


def _translate_frames(
    stack: Stack,
    frames: Frames,
    method: FrameMethod,
    sigma: float,
    progress: Progress,
    residual: bool,
) -> tuple[np.ndarray, Optional[np.ndarray]]:
    """Return the pseudo-MRI [k, j, i], and the residual where it is wanted."""
    import torch

    masks = frames.masks
    prepared = [method.prepare(*of) for of in zip(frames.seen, masks, frames.pixels_mm)]
    x0 = torch.from_numpy(np.stack(prepared))[:, None]
    sizes = torch.tensor([frame.size_mm for frame in frames.frames.values()])
    y = method.translate(x0, progress, sigma, sizes)
    if sigma:
        steady = steady_brightness(y[:, 0].numpy(), masks, _BRIGHTNESS_MM / stack.distance)
        y = torch.from_numpy(steady)[:, None]

    def back(made: np.ndarray) -> np.ndarray:
        slices = np.zeros(stack.array.shape, np.float32)
        for (n, frame), pixels in zip(frames.frames.items(), made):
            slices[n] = frame.to_source(pixels)
        return stack.volume_array(slices)

    differs = None
    if residual and method.residual:
        inconsistent = method.residual(x0, y, progress, sizes)[:, 0].numpy() * 127.5
        differs = back(np.where(masks, inconsistent, 0))
    return back(to_mri_values(y[:, 0].numpy())), differs


def _normalised(seen: np.ndarray, masks: np.ndarray, distance: float) -> np.ndarray:
    """Return frames [n, rows, columns] in [-1, 1] with slowly changing grey levels."""
    from scipy.ndimage import gaussian_filter1d

    limits = np.array([head_limits(frame, mask) for frame, mask in zip(seen, masks)])
    if len(limits) > 1:
        limits = gaussian_filter1d(limits, _LIMITS_MM / distance, axis=0, mode="nearest")
    return np.stack([normalise_head(*of) for of in zip(seen, masks, limits.tolist())])


def _found_axis(volume: Volume, hint: HeadHint, device: str) -> str:
    """Return the axis to cut along, where the user leaves it open."""
    by_spacing = sorted(zip(volume.grid.spacing, "ijk"))
    if by_spacing[2][0] > _THICK * by_spacing[1][0]:
        return by_spacing[2][1]
    if hint is not None:
        return "k"

    def heads(axis: str) -> int:
        stack = Stack(volume, axis)
        probes = {int(part * len(stack)) for part in _PROBES}
        return sum(_ellipse_found(stack.slice(n), device) is not None for n in probes)

    return max(AXES[1:], key=heads)


def _find_heads(
    stack: Stack, volume: Volume, hint: HeadHint, device: str, progress: Progress
) -> dict[int, Ellipse]:
    """Return the ellipse of every slice that shows a head."""
    masks = _mask_stack(volume, hint, stack.axis)

    def look(progress: Progress, number: int) -> Optional[Ellipse]:
        with progress.phase("head"):
            if isinstance(hint, Ellipse):
                return hint
            if masks is not None:
                return _ellipse_of_mask(masks.array[number], stack.spacing)
            return _ellipse_found(stack.slice(number), device)

    numbers = range(len(stack))
    with progress.within("head", len(stack)) as inner:
        looked = dict(zip(numbers, on_threads(look, numbers, inner, 1, device)))
    return {n: ellipse for n, ellipse in looked.items() if ellipse is not None}


def _mask_stack(volume: Volume, hint: HeadHint, axis: str) -> Optional[Stack]:
    if isinstance(hint, Volume):
        check_mask(hint, volume)
        inside = head_inside(inside_of(hint.array))
        return Stack(hint.with_array(inside.astype(np.uint8)), axis)
    if hint == "none":
        return Stack(volume.with_array(volume.array > volume.array.min()), axis)
    if isinstance(hint, str):
        raise InputError(f"The head {hint!r} is unknown; give a mask, an ellipse or 'none'.")
    return None


def _ellipse_of_mask(mask: np.ndarray, spacing: tuple[float, float]) -> Optional[Ellipse]:
    try:
        return Ellipse.from_mask(mask, spacing)
    except InputError:  # empty here, or a line
        return None


def _ellipse_found(image: Volume, device: str) -> Optional[Ellipse]:
    if image.array.min() == image.array.max():
        return None
    try:
        return find_head(image, device).ellipse
    except InputError:  # the slice shows none; that the bundle can be used was seen before
        return None


def _warnings(stack: Stack, outline: dict[int, Ellipse], dark: list[int]) -> list[str]:
    """Return what to say of slices without a head, and of doubtful ones."""
    warnings = []
    without = sorted(set(range(len(stack))) - set(outline))
    if without:
        warnings.append(
            f"No head was found in the slices {_ranges(without)} along {stack.axis}, counted from "
            "0: they stay background."
        )
    images = ((n, Head.from_ellipse(ellipse, stack.slice(n))) for n, ellipse in outline.items())
    doubtful = [n for n, head in images if head.warnings]
    if doubtful:
        warnings.append(
            f"In the slices {_ranges(doubtful)} along {stack.axis} the head reaches the border or "
            "is smaller or larger than the networks have seen: there the result is less certain."
        )
    if dark:
        warnings.append(
            f"In the slices {_ranges(dark)} along {stack.axis} a large part of the head is dark in "
            "the ultrasound: what the pseudo-MRI shows there is a guess."
        )
    return warnings


def _ranges(numbers: Sequence[int]) -> str:
    """Return ascending numbers as text such as "0-3, 7"."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][-1] + 1:
            parts[-1] = [parts[-1][0], number]
        else:
            parts.append([number])
    return ", ".join("-".join(map(str, part)) for part in parts)
