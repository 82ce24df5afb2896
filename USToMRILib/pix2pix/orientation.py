"""How an ultrasound volume lies: on which side the probe stood, and which way it was swept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..image.grid import Grid
from ..image.volume import Volume
from .body import Body

SCAN_AXES = ("sweep", "depth", "lateral")
CONE, ECHO = "the cone's shape", "the echo, which fades with depth"

UNSURE = (
    "The ultrasound's outline does not show on which side the probe stood; it was taken from how "
    "the echo fades along the longest side, which was wrong in 10 of 28 simulated scans of linear "
    "probes. Where it is wrong, the pseudo-MRI is less reliable."
)

# A cone is narrow at the probe, so that along the depth it is less alike to its mirror image, by
# this factor, than along any other axis; its cross-section grows: the voxels' depths are skewed.
# Of 24 simulated convex probes all are told so, and of 6 linear ones none.
_LESS_ALIKE, _LEAST_SKEWNESS = 1.4, 0.08
# Of few slices, which have no such shape, only the skewness tells: so much, and so many times that
# of any other axis.
_FLAT_SKEWNESS, _CLEARLY = 0.15, 1.3
# A slab thinner than this part of the longest axis is not seen from its thin side.
_THIN = 0.25
# Of the depth: where the cone is next to the probe's face.
_NEAR = 0.15
# A linear probe, some 40 mm wide, looks deeper than that: the depth is the longest axis where one
# is so many times as long as any other, else the one along which the echo fades most.
_LONGEST = 1.1
# Lateral and sweep widen alike where the difference is less than this many mm.
_ALIKE_MM = 5.0


@dataclass(frozen=True)
class Orientation:
    """How a volume [k, j, i] is turned to (sweep, depth away from the probe, lateral).

    Attributes:
        axes: the volume's axes that become the first, second and third.
        flipped: axes of the turned volume that are then reversed.
        told_by: :data:`CONE` or :data:`ECHO`, by which the probe's side was found.
    """

    axes: tuple[int, int, int]
    flipped: tuple[int, ...]
    told_by: str

    def turn(self, array: np.ndarray) -> np.ndarray:
        """Return a view of an array [k, j, i], turned: exact, nothing is interpolated."""
        return np.flip(array.transpose(self.axes), self.flipped)

    def turn_back(self, array: np.ndarray) -> np.ndarray:
        """Return the volume of which an array is what :meth:`turn` returns."""
        return np.flip(array, self.flipped).transpose(np.argsort(self.axes))

    def turn_volume(self, volume: Volume) -> Volume:
        """Return the volume turned, every voxel where it was in physical space."""
        ijk = [2 - axis for axis in reversed(self.axes)]
        ends = np.zeros(3)
        signs = np.ones(3)
        for axis in self.flipped:
            ends[ijk[2 - axis]] = volume.grid.size[ijk[2 - axis]] - 1
            signs[2 - axis] = -1
        grid = Grid.of(
            [volume.grid.size[axis] for axis in ijk],
            [volume.grid.spacing[axis] for axis in ijk],
            volume.grid.index_to_physical(ends),
            volume.grid.axes[:, ijk] * signs,
        )
        return Volume(self.turn(volume.array), grid, volume.metadata, volume.source)

    def describe(self) -> dict[str, str]:
        """For the record: the volume's axes along the sweep, the depth and laterally."""
        signs = ["-" if axis in self.flipped else "+" for axis in range(3)]
        names = [sign + "kji"[axis] for sign, axis in zip(signs, self.axes)]
        return {**dict(zip(SCAN_AXES, names)), "probe_side_from": self.told_by}


def find_orientation(
    array: np.ndarray, echoes: np.ndarray, spacing: Sequence[float]
) -> Orientation:
    """Find how a volume lies, the same whichever way it is stored.

    The probe is where the cone is narrow; where the cone is as wide everywhere, it is on the
    longest axis, where the echo is strong. Laterally a cone widens more than along the sweep. Sweep
    and lateral axis begin on the side with more echo, which only makes the answer one: a head in a
    mirror is a head still.

    An oblique cone (:mod:`~.straight`) gets the nearest axes.

    Args:
        array: ultrasound [k, j, i].
        echoes: bool [k, j, i], of :func:`~.cone.echoing`.
        spacing: mm along the array's axes (k, j, i).
    """
    mm = list(spacing)
    extents = _extents(echoes, mm)
    usable = [axis for axis in range(3) if extents[axis] >= _THIN * max(extents)]
    skewness = {axis: _skewness(_counts(echoes, axis)) for axis in usable}
    depth = _narrowing(Body.of(echoes, mm), skewness)
    is_clear = depth is not None
    rise = skewness if is_clear else {axis: _rise(array, echoes, axis) for axis in usable}
    if depth is None:
        longest, *others = sorted(usable, key=lambda axis: -extents[axis])
        stands_out = others and extents[longest] >= _LONGEST * extents[others[0]]
        depth = longest if stands_out else max(usable, key=lambda axis: abs(rise[axis]))
    from_end = rise[depth] > 0
    sweep, lateral = _sweep_and_lateral(np.flip(echoes, depth) if from_end else echoes, depth, mm)
    axes = (sweep, depth, lateral)
    flipped = [1] if from_end else []
    flipped += [place for place in (0, 2) if _rise(array, echoes, axes[place]) > 0]
    return Orientation(axes, tuple(sorted(flipped)), CONE if is_clear else ECHO)


def _narrowing(body: Body | None, skewness: dict[int, float]) -> int | None:
    """Return the axis along which a cone narrows; None where its shape does not show it.

    Args:
        body: of what echoes; None where it has few slices.
        skewness: of voxels along the axes (k, j, i) that it may be.
    """
    if body is None:
        unlike = {axis: abs(value) for axis, value in skewness.items()}
        factor, least = _CLEARLY, _FLAT_SKEWNESS
    else:
        unlike = {axis: body.beyond(np.eye(3)[2 - axis]) for axis in skewness}
        factor, least = _LESS_ALIKE, _LEAST_SKEWNESS
    depth, *others = sorted(unlike, key=lambda axis: -unlike[axis])
    stands_out = not others or unlike[depth] >= factor * unlike[others[0]]
    return depth if stands_out and abs(skewness[depth]) >= least else None


def _others(axis: int) -> tuple[int, int]:
    first, second = (other for other in range(3) if other != axis)
    return first, second


def _counts(mask: np.ndarray, axis: int) -> np.ndarray:
    """Return how many voxels of the mask there are at each place along an axis."""
    return np.count_nonzero(mask, axis=_others(axis))


def _extents(mask: np.ndarray, spacing: Sequence[float]) -> list[float]:
    """Return over how many mm a mask reaches along each axis; those of the array if it is empty."""
    whole = mask if mask.any() else ~mask
    places = [np.flatnonzero(_counts(whole, axis)) for axis in range(3)]
    return [float(at[-1] - at[0] + 1) * mm for at, mm in zip(places, spacing)]


def _skewness(counts: np.ndarray) -> float:
    """Return the skewness of places that are there so many times."""
    total = counts.sum()
    if not total:
        return 0.0
    offset = np.arange(len(counts)) - (counts @ np.arange(len(counts))) / total
    variance = counts @ offset**2 / total
    return float(counts @ offset**3 / total / variance**1.5) if variance > 0 else 0.0


def _rise(array: np.ndarray, echoes: np.ndarray, axis: int) -> float:
    """Return by how much echoes are stronger in the last third along an axis than in the first.

    Relative to their mean over the extent of what echoes.
    """
    counts = _counts(echoes, axis)
    inside = np.flatnonzero(counts)
    if not inside.size:
        return 0.0
    part = slice(inside[0], inside[-1] + 1)
    sums = np.asarray(np.sum(array, axis=_others(axis), where=echoes, dtype=np.float64))
    above = sums[part] - float(array.min()) * counts[part]
    third = -(-len(above) // 3)
    means = [
        above[p].sum() / max(counts[part][p].sum(), 1) for p in (slice(third), slice(-third, None))
    ]
    return float((means[1] - means[0]) / max(above.sum() / counts.sum(), 1e-9))


def _sweep_and_lateral(echoes: np.ndarray, depth: int, spacing: Sequence[float]) -> tuple[int, int]:
    """Return the axis of the sweep and the lateral one; the probe is where `depth` begins."""
    extents, others = _extents(echoes, spacing), _others(depth)
    widening = {axis: _widening(_side(echoes, depth, axis)) * spacing[axis] for axis in others}
    thin = min(extents[axis] for axis in others) < _THIN * max(extents)
    alike = abs(widening[others[0]] - widening[others[1]]) <= _ALIKE_MM
    sweep, lateral = sorted(others, key=lambda a: extents[a] if thin or alike else widening[a])
    return sweep, lateral


def _side(mask: np.ndarray, depth: int, across: int) -> np.ndarray:
    """Return the shadow of a mask [across, depth], seen along the third axis."""
    shadow = np.asarray(mask.any(axis=3 - depth - across))
    return shadow if across < depth else shadow.T


def _widening(shadow: np.ndarray) -> float:
    """Return by how many voxels a shadow [across, depth] is wider than where depth begins."""
    first, last = shadow.argmax(axis=0), len(shadow) - shadow[::-1].argmax(axis=0)
    widths = (last - first)[shadow.any(axis=0)]
    if not widths.size:
        return 0.0
    return float(widths.max() - np.median(widths[: max(1, int(len(widths) * _NEAR))]))
