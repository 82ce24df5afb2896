"""Corresponding points of two volumes, and the transform that brings one onto the other."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from USToMRILib import InputError

KINDS = ("rigid", "affine")
# Fewer points do not fix a transform; at exactly as many the residual says nothing.
_LEAST = {"rigid": 3, "affine": 4}


def read_tag(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read an MNI tag file of two volumes.

    Returns:
        The points of the first and of the second volume, each float64 [N, 3], LPS mm. The file
        counts them in MINC's world coordinates, to the right and to the front.

    Raises:
        InputError: if the file is no tag file of two volumes, or holds no point.
    """
    text = re.sub(r"[%#][^\n]*", "", path.read_text())
    shape = re.search(r"Volumes\s*=\s*(\d+)\s*;.*?Points\s*=(.*?);", text, re.DOTALL)
    if not text.lstrip().startswith("MNI Tag Point File") or not shape or shape[1] != "2":
        raise InputError(f"{path} is no MNI tag file of two volumes; give one with both points.")
    lines = [re.sub(r'"[^"]*"', "", line).split() for line in shape[2].splitlines()]
    rows = [line[:6] for line in lines if line]
    try:
        points = np.array(rows, np.float64).reshape(-1, 6)
    except ValueError:
        raise InputError(f"{path} holds a point without six coordinates; repair it.") from None
    if not len(points):
        raise InputError(f"{path} holds no point; leave the file away, or fill it.")
    to_lps = np.array([-1.0, -1.0, 1.0])
    return points[:, :3] * to_lps, points[:, 3:] * to_lps


@dataclass(frozen=True)
class Alignment:
    """A transform from landmarks.

    Attributes:
        transform: maps points of the target's space to the moving volume's, as resampling needs.
        residual_mm: root mean square distance of the points after it.
        left_out_mm: the same for each point under the transform of the others, the honest one.
    """

    transform: sitk.Transform
    residual_mm: float
    left_out_mm: float


def read_registration(path: Path) -> sitk.Transform:
    """Read an ITK transform (``.tfm``) from the ultrasound's space to the MRI's, LPS mm.

    A file whose name ends in ``mri_to_us`` maps the other way, and its inverse is returned.

    Raises:
        InputError: if the file is no transform of three dimensions, or has no inverse.
    """
    try:
        transform = sitk.ReadTransform(str(path))
    except RuntimeError:
        raise InputError(f"{path} is no ITK transform; save it as .tfm.") from None
    if transform.GetDimension() != 3:
        raise InputError(f"{path} is a transform of {transform.GetDimension()}D points, not 3D.")
    if not path.stem.endswith("mri_to_us"):
        return transform
    try:
        return transform.GetInverse()
    except RuntimeError:
        raise InputError(
            f"{path} cannot be inverted; register with the ultrasound as the fixed image and name "
            "the result us_to_mri."
        ) from None


def align(target: np.ndarray, moving: np.ndarray, kind: str = "rigid") -> Alignment:
    """The least-squares transform between corresponding points.

    Args:
        target, moving: float64 [N, 3], LPS mm: points of the volume whose grid the result is on,
            and of the volume that is resampled.
        kind: "rigid" (Horn 1987) or "affine".

    Raises:
        InputError: for too few points.
    """
    if len(target) < _LEAST[kind]:
        raise InputError(
            f"{len(target)} landmarks do not fix a {kind} transform; give {_LEAST[kind]} or more."
        )
    transform = _fit(target, moving, kind)
    left_out = float("nan")
    if len(target) > _LEAST[kind]:
        others = ~np.eye(len(target), dtype=bool)
        misses = [
            _rms(_fit(target[keep], moving[keep], kind), target[~keep], moving[~keep])
            for keep in others
        ]
        left_out = float(np.sqrt(np.mean(np.square(misses))))
    return Alignment(transform, _rms(transform, target, moving), left_out)


def _fit(target: np.ndarray, moving: np.ndarray, kind: str) -> sitk.Transform:
    start = sitk.VersorRigid3DTransform() if kind == "rigid" else sitk.AffineTransform(3)
    return sitk.LandmarkBasedTransformInitializer(
        start, target.ravel().tolist(), moving.ravel().tolist()
    )


def _rms(transform: sitk.Transform, target: np.ndarray, moving: np.ndarray) -> float:
    mapped = apply(transform, target)
    return float(np.sqrt(np.mean(np.sum((mapped - moving) ** 2, axis=1))))


def apply(transform: sitk.Transform, points: Sequence[Sequence[float]] | np.ndarray) -> np.ndarray:
    """Points [N, 3] where the transform puts them."""
    return np.array([transform.TransformPoint([float(x) for x in point]) for point in points])
