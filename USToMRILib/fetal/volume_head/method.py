"""A method of slices on a whole head: in the head's own planes, about the transthalamic one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Callable

import numpy as np
import SimpleITK as sitk

from ...compute.bundle import load_bundle
from ...image.binning import no_finer
from ...image.intensity import to_mri_values
from ...image.volume import Volume
from ...result import Made, Request
from ..ellipse import Ellipse
from ..head import ANOTHER_HEAD, TRAINED_RANGE_MM
from ..head import BUNDLE as HEAD_BUNDLE
from ..pipeline import Answer, FramedStack, FrameMethod, Frames
from ..skull import brain_inside
from ..tissue_codes import TISSUE_LABELS
from ..tissues import Tissue
from .anatomy import upright
from .find import VolumeHead, find_volume_head, may_be_whole
from .planes import Planes

# Heights are in lengths of the brain above the plane through the thalami.
# Where the planes lay that the networks learned from (training/data/brain_slices.py).
KNOWN = (-0.04, 0.12)
# Beyond, over which the picture fades.
_FADE = 0.03
_APART = 0.01
# About the head's centre, in which the thalami are looked for.
_LOOKED, _LOOKED_APART = 0.2, 0.025
# Smaller voxels than about half of the network's are seen as means of several.
_FINEST_MM = 0.4


@dataclass(frozen=True)
class VolumeHeadMethod:
    """A method of slices that takes a whole head in the head's own planes.

    Attributes:
        slices: the method, which takes everything else slice by slice.
        translate_planes: what it does with the planes of a head; the answer has tissues.
        scout: names the tissues of frames, by which front, top and thalami are found.
    """

    slices: FrameMethod
    translate_planes: Callable[[Frames], Answer]
    scout: Callable[[Frames], Answer]

    def translate(self, volume: Volume, request: Request) -> Made:
        """Translate a volume.

        Raises:
            InputError: no head is found, or what is known about it cannot be used.
            Cancelled: when the progress' token is set.
        """
        head = None
        if self.slices.axis == "auto" and may_be_whole(volume, request.head):
            seen = no_finer(volume, _FINEST_MM)
            head = find_volume_head(seen, request.head, request.device, request.progress)
        if head is None:
            return self.slices.translate(volume, request)
        image = seen.to_sitk()
        head = self._upright(image, head, request)
        length = _brain_length(head)
        parts = np.arange(
            round((KNOWN[0] - _FADE) / _APART), round((KNOWN[1] + _FADE) / _APART) + 1
        )
        planes = Planes.through(
            image, head, parts * _APART * length, self.slices.frame, request.device
        )
        return self._made(volume, head, planes, request)

    def _upright(self, image: sitk.Image, head: VolumeHead, request: Request) -> VolumeHead:
        """Find top, front and thalami."""
        length = _brain_length(head)
        count = round(_LOOKED / _LOOKED_APART)
        heights = np.arange(-count, count + 1) * _LOOKED_APART * length
        planes = Planes.through(image, head, heights, self.slices.frame, None)
        framed = FramedStack.on(planes.stack, planes.outline, self.slices.frame)
        answer = self.scout(framed.frames(self.slices, replace(request, maps=frozenset())))
        assert answer.tissues is not None
        return upright(
            head, framed.by_slice, planes.middle, answer.tissues.numpy(), heights, length
        )

    def _made(self, volume: Volume, head: VolumeHead, planes: Planes, request: Request) -> Made:
        """Translate the slices and bring them back."""
        framed = FramedStack.on(planes.stack, planes.outline, self.slices.frame)
        answer = self.translate_planes(framed.frames(self.slices, request))
        assert answer.tissues is not None
        shown = 1 - answer.tissues[:, 0].numpy()
        length = _brain_length(head)
        weight = _fading(planes.heights / length)[:, None, None]

        def back(slices: np.ndarray) -> np.ndarray:
            return planes.back(slices * weight, volume.grid)

        maps = {name: back(each) for name, each in framed.maps_back(answer.maps).items()}
        labels = framed.labels_back(answer.tissues)
        labels[weight[:, 0, 0] < 1] = 0
        if "tissues" in request.maps:
            maps["tissues"] = planes.back(labels, volume.grid)
        used = {HEAD_BUNDLE: load_bundle(HEAD_BUNDLE, request.device).sha256}
        return Made(
            back(framed.back(to_mri_values(answer.images[:, 0].numpy()), shown)),
            {**self.slices.bundles, **({} if head.mask is not None else used)},
            {**self.slices.parameters, **_parameters(head, planes, labels)},
            (*_warnings(head), *self.slices.cautions),
            maps,
            tuple(
                back(framed.back(to_mri_values(each[:, 0].numpy()), shown))
                for each in answer.samples
            ),
            TISSUE_LABELS,
        )


def _fading(height: np.ndarray) -> np.ndarray:
    """1 where the networks know planes of these heights, in lengths of the brain; 0 far beyond."""
    beyond = np.maximum(KNOWN[0] - height, height - KNOWN[1])
    return np.cos(np.clip((beyond - 1e-6) / _FADE, 0, 1) * np.pi / 2).astype(np.float32) ** 2


def _outline(head: VolumeHead) -> Ellipse:
    """The skull's outline in the plane through the head's centre."""
    outline = head.section(0.0)
    assert outline is not None
    return outline


def _brain_length(head: VolumeHead) -> float:
    return 2 * brain_inside(_outline(head)).semi_axes[0]


def _parameters(head: VolumeHead, planes: Planes, labels: np.ndarray) -> dict[str, Any]:
    """What the record says: of the head, of what is covered, and of the tissues there."""
    outline = _outline(head)
    counts = np.bincount(labels.ravel(), minlength=len(Tissue) + 1)
    voxel_ml = float(np.prod(planes.volume.grid.spacing)) / 1000
    return {
        "axis": "head",
        "head": {
            "thalami_mm": np.round(head.centre, 2).tolist(),
            "to_front_left_top": np.round(head.axes.T, 4).tolist(),
            "skull_semi_axes_mm": np.round(head.outline.semi_axes, 1).tolist(),
            # Of the skull in the plane through the thalami, in mm from there to front and left.
            "centre_mm": outline.centre,
            "semi_axes_mm": outline.semi_axes,
            "angle_rad": outline.angle,
            "circumference_mm": outline.circumference_mm,
            "found_by": "what is masked" if head.mask is not None else "slices of three directions",
        },
        "covered": {
            "from_mm": round(KNOWN[0] * _brain_length(head), 1),
            "to_mm": round(KNOWN[1] * _brain_length(head), 1),
            "part_of_brain": round(_covered_part(head), 2),
        },
        "tissues_measured": {
            "volumes_ml": {t.title: round(float(counts[t] * voxel_ml), 2) for t in Tissue}
        },
    }


def _covered_part(head: VolumeHead) -> float:
    """Which part of the head's ellipsoid lies between the planes that are known."""
    reach = head.outline.reach(head.axes[:, 2])
    above = float((head.outline.centre - head.centre) @ head.axes[:, 2])
    ends = [(part * _brain_length(head) - above) / reach for part in KNOWN]
    low, high = np.clip(ends, -1, 1)
    return float((high - low) * 3 / 4 - (high**3 - low**3) / 4)


def _warnings(head: VolumeHead) -> list[str]:
    low, high = (part * _brain_length(head) for part in KNOWN)
    warnings = [
        f"The pseudo-MRI shows the head from {-low:.0f} mm below to {high:.0f} mm above the plane "
        f"through the thalami, {_covered_part(head):.0%} of it: the networks know no planes "
        "beyond, which stay background."
    ]
    if not head.alone:
        warnings.append(ANOTHER_HEAD)
    circumference = _outline(head).circumference_mm
    least, most = TRAINED_RANGE_MM
    if not least <= circumference <= most:
        warnings.append(
            f"The head circumference of {circumference:.0f} mm is outside the {least:.0f}-"
            f"{most:.0f} mm that the networks were trained on."
        )
    return warnings
