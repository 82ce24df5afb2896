"""The fetal methods: one slice through head, frame, diffusion bridge, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Optional, Union

import numpy as np

from . import bridge
from .bundle import Bundle, load_bundle
from .ellipse import Ellipse
from .errors import InputError
from .frame import FRAME_PIXEL_MM, FRAME_SIZE, HeadFrame, normalise_head
from .head import BUNDLE as HEAD_BUNDLE
from .head import Head, find_head
from .progress import Progress
from .schedule import Schedule
from .volume import Volume

US_BUNDLE, MRI_BUNDLE = "fetal_us_eps", "fetal_mri_eps"

# What the user may say about the head: a mask, an ellipse, "none" for an image that shows nothing
# but the head, or nothing, and it is looked for.
HeadHint = Optional[Union[Volume, Ellipse, str]]

BRIDGES: dict[str, Callable[..., Any]] = {"ddic": bridge.ddic, "ddib": bridge.ddib}


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
    volume: Volume,
    method: str,
    device: str,
    steps: int,
    solver: str,
    hint: HeadHint,
    progress: Progress,
) -> SliceTranslation:
    """Translate one slice of fetal ultrasound with "ddic" or "ddib".

    Args:
        volume: one slice, checked.
        method: a key of :data:`BRIDGES`.
        device: "cpu", "cuda" or "mps".
        steps: of the diffusion each way, 2 .. T.
        solver: one of :data:`USToMRILib.bridge.SOLVERS`.
        hint: about the head.
        progress: phases "load", "head", "encode" and "decode".

    Raises:
        InputError: if the volume has several slices, no head is found, or the bundles do not fit.
        Cancelled: when the progress' token is set.
    """
    import torch

    if not volume.is_slice:
        raise InputError(
            f"The method {method!r} translates one slice and the volume has "
            f"{volume.grid.size[2]}; give a single slice, or use the method 'pix2pix3d'."
        )
    bridge.check_solver(solver)
    with progress.phase("load"):
        nets, schedule = _load_pair(device)
        schedule.levels(steps)  # refuses what cannot be run before the head is looked for
    with progress.phase("head"):
        head = _head(volume, hint, device)
    frame = HeadFrame(head.ellipse, volume.array.shape[1:], volume.grid.spacing[:2])
    x0 = normalise_head(frame.to_frame(volume.array[0]), frame.mask)
    y = BRIDGES[method](
        torch.from_numpy(x0)[None, None].to(device),
        *(bundle.net for bundle in nets),
        steps=steps,
        solver=solver,
        schedule=schedule,
        progress=progress,
    )
    mri = (y[0, 0].clamp(-1, 1).cpu().numpy() + 1) * 127.5
    bundles = {bundle.name: bundle.sha256 for bundle in nets}
    if hint is None:
        bundles[HEAD_BUNDLE] = load_bundle(HEAD_BUNDLE, device).sha256
    warnings = (*head.warnings, *(caution for bundle in nets for caution in bundle.cautions))
    return SliceTranslation(frame.to_source(mri)[None], head, bundles, warnings)


def _head(volume: Volume, hint: HeadHint, device: str) -> Head:
    if hint is None:
        return find_head(volume, device)
    if isinstance(hint, Ellipse):
        return Head.from_ellipse(hint, volume)
    if isinstance(hint, Volume):
        return Head.from_mask(hint, volume)
    if hint == "none":
        return Head.from_mask(volume.with_array(volume.array > volume.array.min()), volume)
    raise InputError(f"The head {hint!r} is unknown; give a mask, an ellipse or 'none'.")


def _load_pair(device: str) -> tuple[tuple[Bundle, Bundle], Schedule]:
    """Both eps-networks and their common schedule, refused where they do not fit each other."""
    nets = load_bundle(US_BUNDLE, device), load_bundle(MRI_BUNDLE, device)
    expected = {"spatial_shape": [FRAME_SIZE] * 2, "spacing_mm": [FRAME_PIXEL_MM] * 2}
    for bundle in nets:
        found = {
            "spatial_shape": bundle.metadata["network_data_format"]["inputs"]["image"][
                "spatial_shape"
            ],
            "spacing_mm": bundle.metadata["spacing_mm"],
        }
        if found != expected:
            raise InputError(
                f"The bundle {bundle.name!r} works on {found} and the frame is {expected}; "
                "install bundles made for this version."
            )
    if nets[0].metadata["schedule"] != nets[1].metadata["schedule"]:
        raise InputError(
            f"The bundles {US_BUNDLE!r} and {MRI_BUNDLE!r} were trained with different schedules; "
            "install a pair that was trained with one."
        )
    return nets, Schedule.from_metadata(nets[0].metadata)
