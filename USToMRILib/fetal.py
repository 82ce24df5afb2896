"""The fetal methods: one slice through head, frame, diffusion bridge, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Union

import numpy as np

from . import picture_files
from .bundle import load_bundle
from .ellipse import Ellipse
from .errors import InputError
from .fetal_bridge import BridgeSettings, load_pair, translate_frames
from .frame import HeadFrame, normalise_head
from .head import BUNDLE as HEAD_BUNDLE
from .head import Head, find_head
from .progress import Progress
from .volume import Volume

# What the user may say about the head: a mask, an ellipse, "none" for an image that shows nothing
# but the head, or nothing, and it is looked for.
HeadHint = Optional[Union[Volume, Ellipse, str]]


@dataclass(frozen=True)
class SliceTranslation:
    """What became of one slice.

    Attributes:
        array: float32 [1, rows, columns] in 0 .. 255, 0 outside the head.
        head: as found or given.
        bundles: names of the bundles used, with the SHA-256 of their weights.
        warnings: sentences that the user should read.
    """

    array: np.ndarray
    head: Head
    bundles: dict[str, str]
    warnings: tuple[str, ...]


def translate_slice(
    volume: Volume, settings: BridgeSettings, device: str, hint: HeadHint, progress: Progress
) -> SliceTranslation:
    """Translate one slice of fetal ultrasound over a diffusion bridge.

    Args:
        volume: one slice, checked.
        settings: of the bridge.
        device: "cpu", "cuda" or "mps".
        hint: about the head.
        progress: phases "load", "head", "encode" and "decode".

    Raises:
        InputError: if the volume has several slices, no head is found, the bundles do not fit, or
            the settings cannot be run.
        Cancelled: when the progress' token is set.
    """
    import torch

    if not volume.is_slice:
        raise InputError(
            f"The method {settings.method!r} translates one slice and the volume has "
            f"{volume.grid.size[2]}; give a single slice, or use the method 'pix2pix3d'."
        )
    with progress.phase("load"):
        pair = load_pair(device)
        settings.check(pair.schedule)
    with progress.phase("head"):
        head = locate_head(volume, hint, device)
    frame = HeadFrame(head.ellipse, volume.array.shape[1:], volume.grid.spacing[:2])
    x0 = torch.from_numpy(normalise_head(frame.to_frame(volume.array[0]), frame.mask))
    y = translate_frames(x0[None, None], pair, settings, progress)
    bundles = pair.bundles
    if hint is None:
        bundles[HEAD_BUNDLE] = load_bundle(HEAD_BUNDLE, device).sha256
    array = frame.to_source(to_mri_values(y[0, 0].numpy()))[None]
    return SliceTranslation(array, head, bundles, (*head.warnings, *pair.cautions))


def to_mri_values(pixels: np.ndarray) -> np.ndarray:
    """Values of a pseudo-MRI, 0 .. 255, of what a network made in [-1, 1]."""
    return (pixels + 1) * 127.5


def read_head_hint(option: str | None, volume: Volume) -> HeadHint:
    """The hint that the user gave for an image: the path of a mask, "none", or nothing.

    A mask in a format without a pixel size has the image's.

    Raises:
        InputError: if the mask cannot be read.
    """
    if option is None or option == "none":
        return option
    is_picture = option.lower().endswith(picture_files.SUFFIXES)
    return Volume.read(option, volume.grid.spacing[0] if is_picture else None)


def locate_head(volume: Volume, hint: HeadHint, device: str) -> Head:
    """The head that the hint gives, or the one that is found where there is no hint.

    Raises:
        InputError: if no head is found, or the hint cannot be used.
    """
    if hint is None:
        return find_head(volume, device)
    if isinstance(hint, Ellipse):
        return Head.from_ellipse(hint, volume)
    if isinstance(hint, Volume):
        return Head.from_mask(hint, volume)
    if hint == "none":
        return Head.from_mask(volume.with_array(volume.array > volume.array.min()), volume)
    raise InputError(f"The head {hint!r} is unknown; give a mask, an ellipse or 'none'.")
