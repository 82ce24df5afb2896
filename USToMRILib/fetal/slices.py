"""The fetal methods: one slice through head, frame, networks, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable, Optional, Union

import numpy as np

from ..compute.bundle import load_bundle
from ..errors import InputError
from ..image.masks import read_mask
from ..image.volume import Volume
from ..progress import Progress
from . import cyclegan
from .diffusion import BridgeSettings, load_pair, residual_frames, translate_frames
from .ellipse import Ellipse
from .frame import HeadFrame, normalise_head
from .frame_spec import FrameSpec
from .gain import DARK_WARNING, EVEN, even_gain, is_dark
from .head import BUNDLE as HEAD_BUNDLE
from .head import Head, find_head

if TYPE_CHECKING:
    import torch

# What the user may say about the head: a mask, an ellipse, "none" for an image that shows nothing
# but the head, or nothing, and it is looked for.
HeadHint = Optional[Union[Volume, Ellipse, str]]


@dataclass(frozen=True)
class OnePass:
    """How to run a method that has no settings: "cyclegan"."""

    method: str = cyclegan.METHOD

    @property
    def parameters(self) -> dict[str, Any]:
        """Everything that changes a voxel, for the provenance."""
        return {}


@dataclass(frozen=True)
class FrameMethod:
    """A method with its networks loaded.

    Attributes:
        frame: of its networks.
        translate: frames float32 [B, 1, H, W] in [-1, 1] to the same, on the CPU; called with
            them, the progress, how many frames far neighbours share their latents (0 for frames
            that are no neighbours; a method without latents takes each alone), and the sizes of
            the heads in mm [B].
        bundles: names of the bundles, with the SHA-256 of their weights.
        cautions: what the user of a result should be told.
        prepare: an ultrasound frame in [-1, 1], its mask and its pixels' edge in mm to the frame
            that is translated.
        residual: frames, what became of them, the progress and the sizes to where they disagree,
            0 .. 2, or None for a method that cannot go back.
    """

    frame: FrameSpec
    translate: Callable[[torch.Tensor, Progress, float, torch.Tensor], torch.Tensor]
    bundles: dict[str, str]
    cautions: tuple[str, ...]
    prepare: Callable[[np.ndarray, np.ndarray, float], np.ndarray] = lambda seen, *_: seen
    residual: Optional[Callable[..., torch.Tensor]] = None


@dataclass(frozen=True)
class SliceTranslation:
    """What became of one slice.

    Attributes:
        array: float32 [1, rows, columns] in 0 .. 255, 0 outside the head.
        head: as found or given.
        bundles: names of the bundles used, with the SHA-256 of their weights.
        warnings: sentences that the user should read.
        residual: float32 [1, rows, columns], 0 outside the head, where it was asked for.
    """

    array: np.ndarray
    head: Head
    bundles: dict[str, str]
    warnings: tuple[str, ...]
    residual: Optional[np.ndarray] = None


def translate_slice(
    volume: Volume,
    settings: Union[BridgeSettings, OnePass],
    device: str,
    hint: HeadHint,
    progress: Progress,
    residual: bool = False,
) -> SliceTranslation:
    """Translate one slice of fetal ultrasound.

    Args:
        volume: one slice, checked.
        settings: of the method.
        device: "cpu", "cuda" or "mps".
        hint: about the head.
        progress: phases "load" and "head", then "encode" and "decode", or "generate"; "residual".
        residual: whether to compute it too, where the method can be gone back.

    Raises:
        InputError: if the volume has several slices, no head is found, the bundles do not fit, or
            the settings cannot be run.
        Cancelled: when the progress' token is set.
    """
    import torch

    if not volume.is_slice:
        raise InputError(
            f"One slice is translated here and the volume has {volume.grid.size[2]}; give a "
            "single slice, or use translate_stack."
        )
    with progress.phase("load"):
        method = load_method(settings, device)
    with progress.phase("head"):
        head = locate_head(volume, hint, device)
    frame = HeadFrame.around(
        head.ellipse, volume.array.shape[1:], volume.grid.spacing[:2], method.frame
    )
    seen = normalise_head(frame.to_frame(volume.array[0]), frame.mask)
    x0 = torch.from_numpy(method.prepare(seen, frame.mask, frame.pixel_mm))
    sizes = torch.tensor([frame.size_mm])
    y = method.translate(x0[None, None], progress, 0.0, sizes)
    bundles = method.bundles
    if hint is None:
        bundles[HEAD_BUNDLE] = load_bundle(HEAD_BUNDLE, device).sha256
    array = frame.to_source(to_mri_values(y[0, 0].numpy()))[None]
    differs = None
    if residual and method.residual:
        inconsistent = method.residual(x0[None, None], y, progress, sizes)[0, 0].numpy() * 127.5
        differs = frame.to_source(np.where(frame.mask, inconsistent, 0))[None]
    dark = (DARK_WARNING,) if is_dark(seen, frame.mask, frame.pixel_mm) else ()
    warnings = (*head.warnings, *dark, *method.cautions)
    return SliceTranslation(array, head, bundles, warnings, differs)


def load_method(settings: Union[BridgeSettings, OnePass], device: str) -> FrameMethod:
    """The networks of a method, ready to translate frames.

    Raises:
        InputError: if a bundle cannot be used, or the settings cannot be run.
    """
    if isinstance(settings, OnePass):
        bundle = cyclegan.load_generator(device)
        return FrameMethod(
            FrameSpec.from_metadata(bundle.metadata),
            lambda x0, progress, *_: cyclegan.translate_frames(x0, bundle, device, progress),
            {bundle.name: bundle.sha256},
            bundle.cautions,
        )
    pair = load_pair(device)
    settings.check(pair.schedule)
    return FrameMethod(
        pair.frame,
        lambda x0, *how: translate_frames(x0, pair, settings, *how),
        pair.bundles,
        pair.cautions,
        even_gain if settings.gain == EVEN else FrameMethod.prepare,
        lambda x0, y, *how: residual_frames(x0, y, pair, settings, *how),
    )


def to_mri_values(pixels: np.ndarray) -> np.ndarray:
    """Values of a pseudo-MRI, 0 .. 255, of what a network made in [-1, 1]."""
    return (pixels + 1) * 127.5


def read_head_hint(option: str | None, volume: Volume) -> HeadHint:
    """The hint that the user gave for an image: the path of a mask, "none", or nothing.

    Raises:
        InputError: if the mask cannot be read.
    """
    if option is None or option == "none":
        return option
    return Volume(read_mask(option, volume.grid).astype(np.uint8), volume.grid)


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
