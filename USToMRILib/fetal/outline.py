"""What neighbouring slices through one head, or frames of it, have in common."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .ellipse import Ellipse

# Slices without an ellipse between two with one, up to so many mm, are filled in.
_GAP_MM = 10.0
# The outline of a skull changes little over this distance.
_SMOOTH_MM = 4.0
_MEDIAN_SLICES = 5
# The same of the frames of a cine, in seconds.
_GAP_S = 0.3
_SMOOTH_S = 0.12


def smooth_outline(
    found: Mapping[int, Ellipse], distance_mm: float, angle: float | None = None
) -> dict[int, Ellipse]:
    """Draw one smooth outline through the ellipses of parallel slices.

    Centre and second moments change smoothly from slice to slice, single slips are left out, and
    all ellipses have one direction: the midline of a head has the same in all.

    Args:
        found: ellipses by number of the slice.
        distance_mm: between slices.
        angle: of the midline; the mean direction where None.

    Returns:
        An ellipse for every slice from the first to the last of the longest run without a large
        gap; none where none was found.
    """
    numbers = max(_runs(sorted(found), _GAP_MM / distance_mm), key=len, default=[])
    if len(numbers) < 2:
        return {number: found[number] for number in numbers}
    if angle is None:
        angle = _common_angle(np.array([moments_of(found[n]) for n in numbers]))
    smooth = _smoothed(found, numbers, _SMOOTH_MM / distance_mm)
    return {number: _from_moments(row, angle) for number, row in smooth.items()}


def smooth_motion(found: Mapping[int, Ellipse], step_s: float) -> dict[int, Ellipse]:
    """Draw smooth outlines through the ellipses of the frames of a cine.

    Centre and second moments change smoothly from frame to frame, and single slips are left out.
    Unlike in :func:`smooth_outline` the head may turn, and be lost and found again.

    Args:
        found: ellipses by number of the frame.
        step_s: seconds between frames.

    Returns:
        An ellipse for every frame with one, and for those in short gaps; the angles go on from
        frame to frame without a jump, beyond a quarter turn too.
    """
    outlines: dict[int, Ellipse] = {}
    for numbers in _runs(sorted(found), _GAP_S / step_s):
        angle = found[numbers[0]].angle
        rows = _smoothed(found, numbers, _SMOOTH_S / step_s)
        midlines = _smoothed_midlines(found, numbers, _SMOOTH_S / step_s)
        for number, row in rows.items():
            outlines[number] = ellipse_of(row, angle)
            angle = outlines[number].angle
            if number in midlines:
                outlines[number] = outlines[number].with_midline_at(midlines[number])
    return outlines


def steady_brightness(frames: np.ndarray, masks: np.ndarray, sigma: float) -> np.ndarray:
    """Shift the grey levels of each head so that their means change smoothly from slice to slice.

    Args:
        frames: float32 [n, rows, columns] in [-1, 1], of neighbouring slices.
        masks: bool of the same shape, inside the head.
        sigma: of the Gaussian that the means are smoothed with, in slices.

    Returns:
        Of the same shape and range; outside the masks as before.
    """
    from scipy.ndimage import gaussian_filter1d

    if len(frames) == 1:
        return frames
    means = np.array([frame[mask].mean() for frame, mask in zip(frames, masks)])
    shifts = gaussian_filter1d(means, sigma, mode="nearest") - means
    shifted = (frames + shifts[:, None, None]).clip(-1, 1)
    return np.where(masks, shifted, frames).astype(np.float32)


def _runs(numbers: list[int], gap: float) -> list[list[int]]:
    """Ascending numbers in runs without a larger gap."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number - runs[-1][-1] <= max(gap, 1):
            runs[-1].append(number)
        else:
            runs.append([number])
    return runs


def _smoothed(
    found: Mapping[int, Ellipse], numbers: list[int], sigma: float
) -> dict[int, np.ndarray]:
    """Smooth moments from the first to the last number of a run, those in between filled in."""
    from scipy.ndimage import gaussian_filter1d, median_filter

    moments = np.array([moments_of(found[n]) for n in numbers])
    every = np.arange(numbers[0], numbers[-1] + 1)
    filled = np.stack([np.interp(every, numbers, column) for column in moments.T], axis=1)
    steady = median_filter(filled, (min(_MEDIAN_SLICES, len(every)), 1), mode="nearest")
    smooth = gaussian_filter1d(steady, sigma, axis=0, mode="nearest")
    return dict(zip(every.tolist(), smooth))


def _smoothed_midlines(
    found: Mapping[int, Ellipse], numbers: list[int], sigma: float
) -> dict[int, float]:
    """Smooth angles of the midlines in a run; none where they all are the long axes."""
    from scipy.ndimage import gaussian_filter1d

    if not any(found[n].midline for n in numbers):
        return {}
    angles = np.unwrap([found[n].midline_angle for n in numbers], period=np.pi)
    every = np.arange(numbers[0], numbers[-1] + 1)
    smooth = gaussian_filter1d(np.interp(every, numbers, angles), sigma, mode="nearest")
    return dict(zip(every.tolist(), smooth.tolist()))


def moments_of(ellipse: Ellipse) -> list[float]:
    """Centre (x, y), and the matrix (xx, xy, yy) of squared semi-axes along x and y."""
    turn = ellipse.rotation
    matrix = turn @ np.diag(np.square(ellipse.semi_axes)) @ turn.T
    return [*ellipse.centre, matrix[0, 0], matrix[0, 1], matrix[1, 1]]


def ellipse_of(moments: np.ndarray, near_angle: float) -> Ellipse:
    """The ellipse with the moments of :func:`moments_of`.

    Its long axis, which has no sign, has the angle nearest to ``near_angle``, of any size.
    """
    x, y, xx, xy, yy = moments.tolist()
    angle = float(np.arctan2(2 * xy, xx - yy) / 2)
    angle += np.pi * round((near_angle - angle) / np.pi)
    half, turned = (xx + yy) / 2, float(np.hypot((xx - yy) / 2, xy))
    return Ellipse((x, y), (float(np.sqrt(half + turned)), float(np.sqrt(half - turned))), angle)


def _common_angle(moments: np.ndarray) -> float:
    """Direction of the long axis of all ellipses together, long ones and large ones first."""
    xx, xy, yy = moments[:, 2:].sum(axis=0)
    return float(np.arctan2(2 * xy, xx - yy) / 2)


def _from_moments(row: np.ndarray, angle: float) -> Ellipse:
    x, y, xx, xy, yy = row.tolist()
    c, s = np.cos(angle), np.sin(angle)
    along = c * c * xx + 2 * c * s * xy + s * s * yy
    across = s * s * xx - 2 * c * s * xy + c * c * yy
    # Where a slice is wider across than along, as near the top of the head, it is taken as round.
    long, short = max(along, across), min(along, across)
    if across > along:
        long = short = (along + across) / 2
    return Ellipse((x, y), (float(np.sqrt(long)), float(np.sqrt(short))), angle)
