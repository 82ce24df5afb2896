"""The head ellipse in the plane of a slice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..errors import InputError

# Squared axes of a mask with a greater ratio are those of a line, to rounding.
_FLAT = 1e-9


def axis_angle(angle: float) -> float:
    """The angle of an axis, which has no sign, towards the right: in [-pi/2, pi/2)."""
    return float((angle + np.pi / 2) % np.pi - np.pi / 2)


def _rotation(angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s], [s, c]])


@dataclass(frozen=True)
class Ellipse:
    """An ellipse in plane coordinates: mm from the centre of pixel (0, 0), along columns and rows.

    Attributes:
        centre: (x, y) in mm; x = column index * column spacing, y = row index * row spacing.
        semi_axes: (long, short) in mm.
        angle: of the long axis, in radians from +x towards +y, in (-pi/2, pi/2].
        midline: angle of the head's midline from the long axis, in the same sense.
    """

    centre: tuple[float, float]
    semi_axes: tuple[float, float]
    angle: float
    midline: float = 0.0

    def __post_init__(self) -> None:
        long, short = self.semi_axes
        if not (
            np.isfinite([*self.centre, long, short, self.angle, self.midline]).all()
            and long >= short > 0
        ):
            raise InputError(
                f"The ellipse with semi-axes {long:g} and {short:g} mm cannot be used; give finite "
                "numbers, the longer axis first, both above 0."
            )

    @property
    def circumference_mm(self) -> float:
        """Circumference in mm, 4 a E(m) with the complete elliptic integral of the second kind."""
        from scipy.special import ellipe

        long, short = self.semi_axes
        return float(4 * long * ellipe(1 - (short / long) ** 2))

    @property
    def rotation(self) -> np.ndarray:
        """[2, 2]; its columns are the unit vectors of the long and the short axis."""
        return _rotation(self.angle)

    @property
    def head_axes(self) -> np.ndarray:
        """[2, 2]; its columns are the unit vectors along the midline and across it."""
        return _rotation(self.midline_angle)

    @property
    def midline_angle(self) -> float:
        """Angle of the midline in the plane, in radians from +x towards +y."""
        return self.angle + self.midline

    def with_midline_at(self, angle: float) -> Ellipse:
        """The same ellipse with the midline at this angle in the plane."""
        return replace(self, midline=axis_angle(angle - self.angle))

    @property
    def extents(self) -> tuple[float, float]:
        """Distances in mm from the centre to the ellipse, along the midline and across it."""
        along, across = 1 / np.hypot(*(_rotation(self.midline).T / self.semi_axes).T)
        return float(along), float(across)

    def radius(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Elliptic radius of the points (x, y) in mm: 0 at the centre, 1 on the ellipse."""
        offset = np.stack([x - self.centre[0], y - self.centre[1]], axis=-1) @ self.rotation
        return np.hypot(offset[..., 0] / self.semi_axes[0], offset[..., 1] / self.semi_axes[1])

    def mask(self, shape: tuple[int, int], spacing: tuple[float, float]) -> np.ndarray:
        """Boolean [rows, columns] of the pixels whose centre lies inside.

        Args:
            shape: (rows, columns).
            spacing: (x, y) in mm.
        """
        y, x = np.meshgrid(*(np.arange(n) * d for n, d in zip(shape, spacing[::-1])), indexing="ij")
        return self.radius(x, y) <= 1

    @classmethod
    def from_mask(cls, mask: np.ndarray, spacing: tuple[float, float]) -> Ellipse:
        """The ellipse with the area, centre and second moments of the largest part of ``mask``.

        Args:
            mask: [rows, columns], inside where above 0.
            spacing: (x, y) in mm.

        Raises:
            InputError: if the mask is empty or only a line.
        """
        from scipy.ndimage import label

        parts, count = label(np.asarray(mask) > 0)
        if not count:
            raise InputError("The head mask is empty; give a mask whose head pixels are above 0.")
        rows, columns = np.nonzero(parts == np.bincount(parts[parts > 0]).argmax())
        places = np.stack([columns * spacing[0], rows * spacing[1]])
        (short, long), axes = np.linalg.eigh(np.cov(places, bias=True))
        if short <= _FLAT * long:
            raise InputError("The head mask is only a line; give a mask that is filled.")
        area = len(rows) * spacing[0] * spacing[1]
        scale = (area / np.pi / np.sqrt(long * short)) ** 0.5
        angle = axis_angle(np.arctan2(axes[1, 1], axes[0, 1]))
        x, y = places.mean(axis=1).tolist()
        axes_mm = float(scale * np.sqrt(long)), float(scale * np.sqrt(short))
        return cls((x, y), axes_mm, angle)

    @classmethod
    def mean(cls, ellipses: Sequence[Ellipse]) -> Ellipse:
        """The ellipse with the mean centre and the mean second moments of several."""
        centre = np.mean([ellipse.centre for ellipse in ellipses], axis=0)
        moments = np.mean([e.rotation * np.square(e.semi_axes) @ e.rotation.T for e in ellipses], 0)
        (short, long), axes = np.linalg.eigh(moments)
        angle = axis_angle(np.arctan2(axes[1, 1], axes[0, 1]))
        axes_mm = float(np.sqrt(long)), float(np.sqrt(short))
        return cls((float(centre[0]), float(centre[1])), axes_mm, angle)
