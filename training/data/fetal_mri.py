"""Transthalamic slices of fetal T2 MRI volumes with a tissue parcellation.

The volumes are those of the CRL atlas (Gholipour et al. 2017) and that of Wu et al. 2021, a folder
a week with ``t2.nii.gz`` and ``parcellation.nii.gz``; and of FeTA, however the heads lie.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from training.data.fetal_volumes import FetalVolume, find_feta, read_upright
from training.data.splits import part_of, read_split
from USToMRILib.fetal.tissues import Tissue

PLANE_SIZE = 192
PLANE_PIXEL_MM = 0.8

# About the transthalamic plane as sonographers cut it: some mm up and down, tilted fore and aft.
PLANE_OFFSETS_MM = tuple(np.arange(-3.2, 8.1, 1.6).round(1).tolist())
PLANE_PITCHES_DEG = (-12.0, 0.0, 12.0)


@dataclass(frozen=True)
class MriSlice:
    """One plane of one volume.

    Attributes:
        subject: folder name of the volume.
        pixels: float32 [192, 192] of 0.8 mm, front of the head to the right.
        mask: boolean, inside the brain.
    """

    subject: str
    pixels: np.ndarray
    mask: np.ndarray


def read_fetal_mri(root: Path, part: str) -> Iterator[MriSlice]:
    """The planes of every atlas volume of one part of the split that is found in ``root``.

    Raises:
        FileNotFoundError: if none is there.
    """
    found = [s for s in read_split("fetal_mri")[part] if (root / s / "t2.nii.gz").exists()]
    if not found:
        raise FileNotFoundError(f"No fetal MRI volumes of the {part} part in {root}.")
    for subject in found:
        folder = root / subject
        files = folder / "t2.nii.gz", folder / "parcellation.nii.gz"
        yield from planes_of(FetalVolume.of_atlas(folder, *files))


def read_feta(root: Path, part: str) -> Iterator[MriSlice]:
    """The planes of every volume of FeTA in ``root`` that is of one part of its split.

    Raises:
        FileNotFoundError: if none is there.
    """
    split = read_split("feta")
    volumes = [v for v in find_feta(root).found if part_of(v.subject, split) == part]
    if not volumes:
        raise FileNotFoundError(
            f"No FeTA volumes of the {part} part in {root}; python -m training.data.inspect_data "
            "feta says why."
        )
    for volume in volumes:
        yield from planes_of(volume)


def planes_of(volume: FetalVolume) -> Iterator[MriSlice]:
    """The planes about the transthalamic one.

    Raises:
        InputError: if the head's axes cannot be found in a volume whose axes they are not.
    """
    yield from cut_planes(volume.subject, *read_upright(volume))


def cut_planes(subject: str, image: sitk.Image, labels: sitk.Image) -> Iterator[MriSlice]:
    """The planes about the transthalamic one, of a head that is upright in image and tissues."""
    for pitch in PLANE_PITCHES_DEG:
        for offset in PLANE_OFFSETS_MM:
            plane = transthalamic_plane(labels, offset, pitch)
            pixels = sitk.GetArrayFromImage(sitk.Resample(image, plane))[0]
            cut = sitk.Resample(labels, plane, sitk.Transform(), sitk.sitkNearestNeighbor)
            yield MriSlice(subject, pixels, sitk.GetArrayFromImage(cut)[0] > 0)


def transthalamic_plane(
    labels: sitk.Image, offset_mm: float, pitch_deg: float, roll_deg: float = 0.0
) -> sitk.Image:
    """An empty one-slice image through the thalami, columns to the front, rows to the left.

    Args:
        labels: each voxel's tissue, the head upright; deep grey matter marks the thalami.
        offset_mm: of the plane, upwards along its normal.
        pitch_deg: rotation about the left-right axis; positive lifts the front.
        roll_deg: rotation about the axis from back to front; positive lifts the left.
    """
    shape = sitk.LabelShapeStatisticsImageFilter()
    shape.Execute(labels)
    pitch = np.deg2rad(pitch_deg)
    # LPS: +y is the back of the head and +z its top.
    front = np.array([0.0, -np.cos(pitch), np.sin(pitch)])
    roll = np.deg2rad(roll_deg)
    above = np.cross([1.0, 0.0, 0.0], -front)
    left = np.cos(roll) * np.array([1.0, 0.0, 0.0]) + np.sin(roll) * above
    normal = np.cross(front, left)
    direction = np.column_stack([front, left, normal])
    thalami = np.array(shape.GetCentroid(int(Tissue.DEEP_GREY_MATTER)))
    centre = thalami + offset_mm * np.sign(normal[2]) * normal
    half = (PLANE_SIZE - 1) / 2 * PLANE_PIXEL_MM
    plane = sitk.Image([PLANE_SIZE, PLANE_SIZE, 1], sitk.sitkFloat32)
    plane.SetSpacing([PLANE_PIXEL_MM] * 3)
    plane.SetDirection(direction.ravel().tolist())
    plane.SetOrigin((centre - half * (front + left)).tolist())
    return plane


def pitch_through(labels: sitk.Image, tissue: Tissue) -> float:
    """The pitch in degrees of the plane through the thalami and the centre of another tissue."""
    shape = sitk.LabelShapeStatisticsImageFilter()
    shape.Execute(labels)
    thalami = np.array(shape.GetCentroid(int(Tissue.DEEP_GREY_MATTER)))
    _, back, up = np.array(shape.GetCentroid(int(tissue))) - thalami
    return float(np.rad2deg(np.arctan(-up / back)))


def source(part: str) -> dict[str, str]:
    """The entry of a bundle's metadata for these volumes, of which ``part`` was used."""
    return {
        "name": "CRL spatiotemporal fetal brain atlas and the atlas of Wu et al.",
        "part": part,
        "reference": "Gholipour et al., Scientific Reports 2017, doi:10.1038/s41598-017-00525-w; "
        "Wu et al. 2021; parcellation by Fidon et al. 2021.",
        "licence": "CRL: non-commercial research and education only; Wu: research, with citation",
    }


def feta_source(part: str) -> dict[str, str]:
    """The entry of a bundle's metadata for FeTA, of which ``part`` was used."""
    return {
        "name": "FeTA, healthy brains",
        "part": part,
        "reference": "Payette et al., Scientific Data 2021, doi:10.1038/s41597-021-00946-3.",
        "licence": "the terms that were agreed to for the download",
    }
