"""The outline of a mask, and how large and how smooth it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import InputError

SMOOTHING_MM = 2.0
"""Outlines are compared at this scale, about two pixels of the 128 x 128 images. At less, the steps
of those pixels would count: they add 6 % to the bending of a circle of 8 mm at this scale, and
double it at one pixel."""

_SPACING_MM = 0.1


@dataclass(frozen=True)
class OutlineShape:
    """Size and smoothness of an outline.

    Attributes:
        area_mm2: that it encloses.
        length_mm: of the outline.
        roundness: isoperimetric ratio 4 pi area / length^2: 1 for a circle, less for all else.
        bending: bending energy, length / (4 pi^2) times the integral of the squared curvature along
            the outline: 1 for a circle, more for all else; of any size.
    """

    area_mm2: float
    length_mm: float
    roundness: float
    bending: float


def outline_of(mask: np.ndarray, spacing: tuple[float, float]) -> np.ndarray:
    """Return the longest outline of a mask.

    Args:
        mask: boolean [rows, columns].
        spacing: (x, y) of its pixels in mm.

    Returns:
        Closed polygon [points, 2], (x, y) in mm from the centre of pixel (0, 0).

    Raises:
        InputError: if the mask is empty.
    """
    from skimage.measure import find_contours

    outlines = find_contours(np.pad(mask, 1).astype(np.float32), 0.5)
    if not outlines:
        raise InputError("Nothing was outlined; change the prompt.")
    return (max(outlines, key=len)[:, ::-1] - 1) * np.array(spacing)


def measure(outline: np.ndarray, smoothing_mm: float = SMOOTHING_MM) -> OutlineShape:
    """Measure a closed polygon [points, 2] in mm.

    Length, roundness and bending are those of the outline smoothed along itself by a Gaussian of
    standard deviation ``smoothing_mm``, so that outlines drawn on coarse and on fine pixels are
    compared at one scale; the area is that of the outline as it is.
    """
    smooth = _smoothed(outline, smoothing_mm)
    # Derivatives in the parameter; curvature does not depend on which parameter it is.
    frequencies = 2j * np.pi * np.fft.fftfreq(len(smooth), 1 / len(smooth))
    z = np.fft.fft(smooth[:, 0] + 1j * smooth[:, 1])
    first, second = (np.fft.ifft(z * frequencies**order) for order in (1, 2))
    speed = np.abs(first)
    curvature = np.imag(np.conj(first) * second) / speed**3
    length = float(speed.mean())
    energy = float((curvature**2 * speed).mean())
    return OutlineShape(
        area_mm2=_area(outline),
        length_mm=length,
        roundness=float(4 * np.pi * _area(smooth) / length**2),
        bending=length * energy / (4 * np.pi**2),
    )


def _smoothed(outline: np.ndarray, smoothing_mm: float) -> np.ndarray:
    """Return points at equal distances along a closed polygon after smoothing, [points, 2]."""
    from scipy.ndimage import gaussian_filter1d

    closed = np.vstack([outline, outline[:1]])
    along = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(closed, axis=0).T))])
    count = max(16, round(along[-1] / _SPACING_MM))
    places = np.arange(count) * along[-1] / count
    even = np.stack([np.interp(places, along, closed[:, axis]) for axis in (0, 1)], axis=-1)
    return gaussian_filter1d(even, smoothing_mm * count / along[-1], axis=0, mode="wrap")


def _area(polygon: np.ndarray) -> float:
    """Return what a closed polygon encloses (the shoelace formula)."""
    x, y = polygon.T
    return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2)
