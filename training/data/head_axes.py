"""The axes of a fetal head, found from the parcellation of its brain, however it lies.

The middle plane is the one in which the tissues mirror each other best. In it, the brain without
its brainstem has a long axis that rises to the front, and cerebellum and brainstem lie under the
cerebrum's back. Left follows from front and top: the image's coordinates are those of a patient,
never mirrored.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from scipy import ndimage
from scipy.optimize import minimize

from USToMRILib.errors import InputError
from USToMRILib.fetal.tissues import Tissue

# The mean over the volumes of the CRL and Wu atlases, whose own axes are known.
LONG_AXIS_RISE_DEG = 8.1
# From the hindbrain's centre to the cerebrum's, off the middle plane and off either long axis.
_LEAST_ANGLE_DEG = 15.0

_COARSE_MM, _FINE_MM = 5.0, 2.5
_DIRECTIONS, _CANDIDATES = 500, 3
_FIRST_TURN, _FIRST_SHIFT_MM = 0.06, 2.0

_HINDBRAIN = (Tissue.CEREBELLUM, Tissue.BRAINSTEM)
_CEREBRUM = (Tissue.WHITE_MATTER, Tissue.CORTEX, Tissue.DEEP_GREY_MATTER)


def find_head_axes(labels: sitk.Image) -> np.ndarray:
    """Find where the left, the back and the top of the head are.

    Args:
        labels: each voxel's :class:`Tissue`, on any grid; its coordinates are LPS as ITK's
            always are.

    Returns:
        float64 [3, 3], a rotation: its columns are the unit vectors to the head's left, back and
        top in the image's coordinates; the identity where the head lies as in the atlases.

    Raises:
        InputError: if a tissue that is needed is not there, or cerebellum and brainstem do not lie
            as in a head.
    """
    check_tissues(labels)
    fine = _Mirror.of(labels, _FINE_MM)
    across = fine.refine(_roughly_across(_Mirror.of(labels, _COARSE_MM)))[1]
    front, up = _front_and_up(fine.points, fine.tissues, across)
    return np.column_stack([np.cross(up, front), -front, up])


def turn_upright(image: sitk.Image, axes: np.ndarray) -> sitk.Image:
    """The same voxels in coordinates that are those of the head.

    Args:
        image: in which the head lies along ``axes``.
        axes: of :func:`find_head_axes`.
    """
    turned = sitk.Image(image)
    turned.SetOrigin((axes.T @ image.GetOrigin()).tolist())
    turned.SetDirection((axes.T @ np.reshape(image.GetDirection(), (3, 3))).ravel().tolist())
    return turned


def check_tissues(labels: sitk.Image) -> None:
    """Raise InputError where a tissue is missing without which the head's axes cannot be told."""
    present = set(np.unique(sitk.GetArrayViewFromImage(labels)).tolist())
    missing = [t.name.lower().replace("_", " ") for t in _HINDBRAIN + _CEREBRUM if t not in present]
    if missing:
        raise InputError(
            f"no {', no '.join(missing)} in its parcellation, from which the head's axes are "
            "found; add it to the parcellation"
        )


@dataclass(frozen=True)
class _Mirror:
    """Measures how well the tissues at some points agree with those of the mirrored brain.

    Attributes:
        labels: uint8 [k, j, i].
        to_voxel: [3, 3], from mm in LPS to steps i, j, k.
        points: [N, 3] in LPS, about their centre.
        voxels: [N, 3], where they lie in i, j, k.
        tissues: [N].
    """

    labels: np.ndarray
    to_voxel: np.ndarray
    points: np.ndarray
    voxels: np.ndarray
    tissues: np.ndarray

    @classmethod
    def of(cls, labels: sitk.Image, distance_mm: float) -> _Mirror:
        """With points of the brain about ``distance_mm`` apart."""
        array = sitk.GetArrayFromImage(labels)
        # White matter in a data set that does not name it.
        array[array == Tissue.CALLOSUM] = Tissue.WHITE_MATTER
        steps = [max(1, round(distance_mm / spacing)) for spacing in labels.GetSpacing()[::-1]]
        voxels = np.argwhere(array[tuple(slice(None, None, step) for step in steps)]) * steps
        tissues, voxels = array[tuple(voxels.T)], voxels[:, ::-1]
        columns = np.reshape(labels.GetDirection(), (3, 3)) * labels.GetSpacing()
        points = voxels @ columns.T
        return cls(array, np.linalg.inv(columns), points - points.mean(axis=0), voxels, tissues)

    def overlap(self, normal: np.ndarray, shift_mm: float = 0.0) -> float:
        """Share of points whose mirror image is of the same tissue.

        Args:
            normal: of the plane, a unit vector.
            shift_mm: of the plane along it, from the centre.
        """
        beyond = self.points @ normal - shift_mm
        mirrored = self.voxels - 2 * np.outer(beyond, self.to_voxel @ normal)
        found = ndimage.map_coordinates(self.labels, mirrored.T[::-1], order=0, mode="constant")
        return float(np.mean(found == self.tissues))

    def refine(self, normal: np.ndarray) -> tuple[float, np.ndarray]:
        """The best plane near one through the centre: its overlap and its normal."""
        first, second = np.linalg.svd(normal[None])[2][1:]

        def turned(change: np.ndarray) -> np.ndarray:
            vector = normal + change[0] * first + change[1] * second
            return vector / np.linalg.norm(vector)

        start = np.vstack([np.zeros(3), np.diag([_FIRST_TURN, _FIRST_TURN, _FIRST_SHIFT_MM])])
        best = minimize(
            lambda change: -self.overlap(turned(change), change[2]),
            np.zeros(3),
            method="Nelder-Mead",
            options={"initial_simplex": start, "xatol": 1e-3, "fatol": 1e-5, "maxfev": 200},
        )
        return -float(best.fun), turned(best.x)


def _roughly_across(coarse: _Mirror) -> np.ndarray:
    """The normal of the middle plane, to either side, from any direction at all."""
    directions = _half_sphere(_DIRECTIONS)
    order = np.argsort([-coarse.overlap(direction) for direction in directions])
    found = [coarse.refine(directions[place]) for place in order[:_CANDIDATES]]
    return max(found, key=lambda plane: plane[0])[1]


def _half_sphere(count: int) -> np.ndarray:
    """Unit vectors spread evenly over half a sphere by the golden angle, [count, 3]."""
    z = (np.arange(count) + 0.5) / count
    angle = np.pi * (3 - np.sqrt(5)) * np.arange(count)
    radius = np.sqrt(1 - z**2)
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle), z])


def _front_and_up(
    points: np.ndarray, tissues: np.ndarray, across: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors to the front and to the top of the head, in the plane with normal ``across``."""
    upper = points[tissues != Tissue.BRAINSTEM]
    plane = np.linalg.svd(across[None])[2][1:]
    _, vectors = np.linalg.eigh(np.cov((upper @ plane.T).T))
    long, high = vectors[:, 1] @ plane, vectors[:, 0] @ plane
    cerebrum, hindbrain = (
        points[np.isin(tissues, group)].mean(axis=0) for group in (_CEREBRUM, _HINDBRAIN)
    )
    line = (cerebrum - hindbrain) / np.linalg.norm(cerebrum - hindbrain)
    least = np.sin(np.deg2rad(_LEAST_ANGLE_DEG))
    if abs(line @ across) > least or min(abs(line @ long), abs(line @ high)) < least:
        raise InputError(
            "its cerebellum and brainstem do not lie under the back of the cerebrum, which tells "
            "front from back and top from bottom; correct the parcellation"
        )
    long, high = long * np.sign(line @ long), high * np.sign(line @ high)
    rise = np.deg2rad(LONG_AXIS_RISE_DEG)
    return np.cos(rise) * long - np.sin(rise) * high, np.cos(rise) * high + np.sin(rise) * long
