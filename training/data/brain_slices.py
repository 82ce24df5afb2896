"""Brains in the head-scaled frame: slices of the MRI atlases, and real heads in ultrasound.

In :data:`FRAME` a brain's long axis has one length and is horizontal, whatever its size,
and nothing but the brain is shown. The atlases differ in tone: white matter is brighter in one
than fluid in another. The ultrasound does not say which atlas it belongs to, so all volumes are
brought to one tone by their tissues first.

Run ``python -m training.data.brain_slices --sheet OUT.png`` to see them.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy.interpolate import PchipInterpolator
from scipy.ndimage import distance_transform_edt

from training.data.agreed_heads import read_agreed_heads
from training.data.fetal_mri import pitch_through, transthalamic_plane
from training.data.fetal_slices import contact_sheet
from training.data.fetal_volumes import FetalVolume, read_upright
from training.data.hc18 import read_hc18
from training.data.location import add_data_option
from training.data.splits import read_split
from USToMRILib.fetal.brain import normalise_brain
from USToMRILib.fetal.ellipse import Ellipse
from USToMRILib.fetal.frame import BACKGROUND, HeadFrame
from USToMRILib.fetal.frame_spec import HEAD, SKULL, FrameSpec
from USToMRILib.fetal.tissues import Tissue

FRAME = FrameSpec(HEAD, (128, 128), long_axis_pixels=112, inside=SKULL)

# The grey of the tissues on -1 .. 1 in every MRI that is trained on: the order that all atlases
# have, with the contrast of the clearer ones.
TONE = {
    Tissue.CORTEX: -0.25,
    Tissue.DEEP_GREY_MATTER: -0.08,
    Tissue.WHITE_MATTER: 0.10,
    Tissue.VENTRICLES: 0.72,
}
# Darkest and brightest voxels, between which the tissues lie.
_TONE_ENDS = (-1.0, 1.0)


@dataclass(frozen=True)
class Planes:
    """Planes as sonographers cut them, about one that is named.

    Attributes:
        through: the tissue whose centre they pass, as they do that of the thalami; None for planes
            about the horizontal one.
        offsets: up and down from there, in parts of the brain's length.
        pitches_deg: tilt fore and aft; positive lifts the front.
        rolls_deg: tilt to a side.
    """

    through: Tissue | None
    offsets: tuple[float, float]
    pitches_deg: tuple[float, float]
    rolls_deg: tuple[float, float]

    def draw(self, labels: sitk.Image, rng: np.random.Generator) -> sitk.Image:
        """One of them in a volume of tissues, as an empty image of one slice."""
        offset = float(rng.uniform(*self.offsets)) * _length_mm(labels)
        pitch, roll = float(rng.uniform(*self.pitches_deg)), float(rng.uniform(*self.rolls_deg))
        if self.through is not None:
            pitch += pitch_through(labels, self.through)
        return transthalamic_plane(labels, offset, pitch, roll)


# The transthalamic and the transventricular plane, of which the head is measured; and the
# transcerebellar one.
STANDARD = Planes(None, (-0.04, 0.12), (-14.0, 14.0), (-7.0, 7.0))
TRANSCEREBELLAR = Planes(Tissue.CEREBELLUM, (-0.03, 0.05), (-6.0, 6.0), (-7.0, 7.0))


@dataclass(frozen=True)
class BrainSlice:
    """A slice of MRI in the frame.

    Attributes:
        subject: folder name of the volume.
        mri: float32 [128, 128] in [-1, 1], -1 outside the brain.
        tissues: uint8 [128, 128], each pixel's :class:`Tissue`, 0 outside the brain.
        size_mm: the brain's long axis.
    """

    subject: str
    mri: np.ndarray
    tissues: np.ndarray
    size_mm: float

    @property
    def cephalic_index(self) -> float:
        """Width of the brain over its length."""
        long, short = Ellipse.from_mask(self.tissues > 0, (1.0, 1.0)).semi_axes
        return short / long


def atlas_slices(
    root: Path,
    subjects: Iterable[str],
    count: int,
    rng: np.random.Generator,
    planes: Planes = STANDARD,
) -> Iterator[BrainSlice]:
    """Random planes of atlas volumes.

    Args:
        root: folder of the volumes' folders.
        subjects: their names.
        count: planes of each.
        rng: draws the planes.
        planes: among which.
    """
    for subject in subjects:
        folder = root / subject
        files = folder / "t2.nii.gz", folder / "parcellation.nii.gz"
        image, labels = read_upright(FetalVolume.of_atlas(folder, *files))
        image = beyond_its_edge(one_tone(image, labels), labels)
        for _ in range(count):
            yield cut_brain(subject, image, labels, planes.draw(labels, rng))


def one_tone(image: sitk.Image, labels: sitk.Image) -> sitk.Image:
    """MRI on -1 .. 1 whose tissues have the grey of :data:`TONE`, by a monotone curve.

    Deep grey matter, which is darker than cortex in some volumes, is then left as the others have
    it.

    Raises:
        ValueError: if fluid is not brighter than white matter, or that not brighter than cortex.
    """
    voxels, tissues = sitk.GetArrayFromImage(image), sitk.GetArrayViewFromImage(labels)
    greys = {tissue: float(np.median(voxels[tissues == tissue])) for tissue in TONE}
    if not greys[Tissue.CORTEX] < greys[Tissue.DEEP_GREY_MATTER] < greys[Tissue.WHITE_MATTER]:
        del greys[Tissue.DEEP_GREY_MATTER]
    white = float(np.percentile(voxels[tissues > 0], 99.9))
    knots = [0.0, *greys.values(), max(white, greys[Tissue.VENTRICLES] * 1.05)]
    if not np.all(np.diff(knots) > 0):
        raise ValueError(f"The tissues' medians {knots} do not rise in the order of {list(greys)}.")
    tones = [_TONE_ENDS[0], *(TONE[tissue] for tissue in greys), _TONE_ENDS[1]]
    curve = PchipInterpolator(knots, tones)
    toned = sitk.GetImageFromArray(curve(voxels.clip(0, knots[-1])).astype(np.float32))
    toned.CopyInformation(image)
    return toned


def beyond_its_edge(image: sitk.Image, labels: sitk.Image) -> sitk.Image:
    """The image with the voxels outside the brain like the nearest ones inside.

    So that its edge stays as bright as the brain is there when it is interpolated.
    """
    extended = sitk.GetImageFromArray(
        nearest_inside(sitk.GetArrayViewFromImage(image), sitk.GetArrayViewFromImage(labels) > 0)
    )
    extended.CopyInformation(image)
    return extended


def nearest_inside(values: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Values inside a mask of the same shape, and outside those of the nearest place inside."""
    places = distance_transform_edt(~inside, return_distances=False, return_indices=True)
    return values[tuple(places)]


def cut_brain(subject: str, image: sitk.Image, labels: sitk.Image, plane: sitk.Image) -> BrainSlice:
    """The brain of one plane of a volume, in the frame.

    Args:
        subject: its name.
        image: MRI on -1 .. 1, see :func:`beyond_its_edge`.
        labels: each voxel's :class:`Tissue`.
        plane: an image of one slice.
    """
    nearest = sitk.sitkNearestNeighbor
    coarse = sitk.GetArrayFromImage(sitk.Resample(labels, plane, sitk.Transform(), nearest))[0]
    ellipse = Ellipse.from_mask(coarse > 0, plane.GetSpacing()[:2])
    grid = _frame_in_plane(plane, ellipse)
    tissues = sitk.GetArrayFromImage(sitk.Resample(labels, grid, sitk.Transform(), nearest))[0]
    spline = sitk.Resample(image, grid, sitk.Transform(), sitk.sitkBSpline)
    mri = sitk.GetArrayFromImage(spline)[0].clip(*_TONE_ENDS)
    return BrainSlice(
        subject,
        np.where(tissues > 0, mri, BACKGROUND).astype(np.float32),
        tissues.astype(np.uint8),
        2 * ellipse.semi_axes[0],
    )


def _frame_in_plane(plane: sitk.Image, ellipse: Ellipse) -> sitk.Image:
    """The frame about an ellipse in a plane, as an empty image of one slice."""
    pixel, (rows, columns) = FRAME.pixel_size(ellipse), FRAME.shape
    axes = np.array(plane.GetDirection()).reshape(3, 3)
    axes[:, :2] = axes[:, :2] @ ellipse.rotation
    across, down = np.array(plane.GetDirection()).reshape(3, 3)[:, :2].T
    centre = np.array(plane.GetOrigin()) + ellipse.centre[0] * across + ellipse.centre[1] * down
    half = np.array([columns - 1, rows - 1]) / 2 * pixel
    grid = sitk.Image([columns, rows, 1], sitk.sitkFloat32)
    grid.SetSpacing([pixel] * 3)
    grid.SetDirection(axes.ravel().tolist())
    grid.SetOrigin((centre - axes[:, :2] @ half).tolist())
    return grid


def _length_mm(labels: sitk.Image) -> float:
    """Extent of the brain from back to front."""
    box = sitk.LabelShapeStatisticsImageFilter()
    box.Execute(labels > 0)
    return box.GetBoundingBox(1)[4] * labels.GetSpacing()[1]


@dataclass(frozen=True)
class BrainUltrasound:
    """A real head in the frame.

    Attributes:
        name: of its image.
        grey: float32 [128, 128], the image as resampled, with what lies beyond the brain.
        mask: bool [128, 128], inside the brain.
        size_mm: the brain's long axis.
    """

    name: str
    grey: np.ndarray
    mask: np.ndarray
    size_mm: float

    @property
    def pixels(self) -> np.ndarray:
        """As the networks see it: float32 [128, 128] in [-1, 1], -1 outside the brain."""
        return normalise_brain(self.grey, self.mask)


def seen_brains(brains: Iterable[BrainUltrasound]) -> tuple[np.ndarray, np.ndarray]:
    """Brains as the networks see them, float32 [N, 128, 128], and their sizes in mm, [N]."""
    seen = [(brain.pixels, brain.size_mm) for brain in brains]
    return np.stack([pixels for pixels, _ in seen]), np.array([mm for _, mm in seen], np.float32)


def hc18_brains(root: Path, part: str) -> Iterator[BrainUltrasound]:
    """The brains of one part of HC18."""
    for head in read_hc18(root, part):
        spacing = (head.pixel_size_mm, head.pixel_size_mm)
        yield _seen_brain(head.name, head.pixels, spacing, head.ellipse)


def agreed_brains(root: Path, part: str) -> Iterator[BrainUltrasound]:
    """The brains of one part of FETAL_PLANES_DB, as far as their heads are agreed on.

    Their images' pixel sizes are assumed, and so are their sizes.
    """
    for image, outline in read_agreed_heads(root, part):
        volume = image.volume
        yield _seen_brain(image.name, volume.array[0], volume.grid.spacing[:2], outline)


def _seen_brain(
    name: str, pixels: np.ndarray, spacing: tuple[float, float], outline: Ellipse
) -> BrainUltrasound:
    frame = HeadFrame.around(outline, pixels.shape, spacing, FRAME)
    return BrainUltrasound(name, frame.to_frame(pixels), frame.mask, frame.size_mm)


def main() -> None:
    """Write a contact sheet: MRI, its tissues, and ultrasound."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    add_data_option(parser)
    parser.add_argument("--sheet", type=Path, required=True)
    parser.add_argument("--part", default="train", choices=["train", "validation", "test"])
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    subjects = read_split("fetal_mri")[options.part]
    slices = list(atlas_slices(options.data / "fetal_mri", subjects, 2, rng))
    slices = [slices[i] for i in rng.permutation(len(slices))[:24]]
    heads = list(hc18_brains(options.data / "hc18", options.part))
    shown = [heads[i].pixels for i in rng.permutation(len(heads))[:24]]
    tissues = [s.tissues / 4.0 - 1 for s in slices]
    contact_sheet([s.mri for s in slices] + tissues + shown, options.sheet)


if __name__ == "__main__":
    main()
