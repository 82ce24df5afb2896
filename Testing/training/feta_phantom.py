"""A fetal head of ellipsoids, as FeTA would publish it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from training.data.fetal_labels import FETA
from training.data.fetal_volumes import FetalVolume

SPACING = (2.1, 1.9, 2.0)


SIZE = (64, 70, 66)


# Tissue, centre and semi-axes in mm to the left, the back and the top; later ones lie over earlier.
# The pairs stand for both sides. FeTA's numbers.
PHANTOM = (
    (1, (0, 0, 0), (40, 52, 38)),
    (2, (0, 0, 0), (37, 49, 35)),
    (3, (0, 0, 0), (34, 46, 32)),
    (4, (12, 10, 4), (4, 20, 5)),
    (4, (-12, 10, 4), (4, 20, 5)),
    (6, (8, -4, -6), (7, 11, 8)),
    (6, (-8, -4, -6), (7, 11, 8)),
    (5, (0, 24, -30), (20, 12, 10)),
    (7, (0, 10, -32), (6, 6, 16)),
)


MARK = (-22, -20, 10)  # right, front, top


def phantom(
    rotation: np.ndarray, mirrored: bool = False, tissues: tuple = PHANTOM
) -> tuple[sitk.Image, sitk.Image]:
    """A T2 image and FeTA's parcellation of a head that lies as ``rotation`` says.

    The T2 image is bright where the head is marked, in front on the right.
    """
    labels = sitk.Image(SIZE, sitk.sitkUInt8)
    labels.SetSpacing(SPACING)
    labels.SetDirection(np.diag([1, -1 if mirrored else 1, 1]).astype(float).ravel().tolist())
    middle = labels.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in SIZE])
    labels.SetOrigin((np.array([7.0, -11.0, 3.0]) - middle).tolist())
    source = sitk.PhysicalPointSource(
        sitk.sitkVectorFloat32, SIZE, labels.GetOrigin(), SPACING, labels.GetDirection()
    )
    at = (sitk.GetArrayFromImage(source) - [7.0, -11.0, 3.0]) @ rotation
    array = np.zeros(at.shape[:3], np.uint8)
    for tissue, centre, semi_axes in tissues:
        array[(((at - centre) / semi_axes) ** 2).sum(axis=-1) < 1] = tissue
    t2 = array * 20.0 + 100 * (np.linalg.norm(at - MARK, axis=-1) < 9)
    images = [sitk.GetImageFromArray(a) for a in (t2.astype(np.float32), array)]
    for image in images:
        image.CopyInformation(labels)
    return images[0], images[1]


def write_feta(
    root: Path, subject: str, rotation: np.ndarray, mirrored: bool = False, **options
) -> FetalVolume:
    """The phantom as FeTA would publish it."""
    folder = root / subject / "anat"
    folder.mkdir(parents=True)
    files = [folder / f"{subject}_rec-mial_{what}.nii.gz" for what in ("T2w", "dseg")]
    for image, file in zip(phantom(rotation, mirrored, **options), files):
        sitk.WriteImage(image, str(file))
    return FetalVolume(subject, files[0], files[1], FETA, upright=False)
