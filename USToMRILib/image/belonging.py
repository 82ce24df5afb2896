"""Whether the slices of a volume belong together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import InputError

# Neighbouring slices of a sweep are alike: echoes are wider across the slice than in it. Where
# pixels of the same slice correlate so well over the same distance, their neighbours across
# correlate by this part of it at least.
_ALIKE_IN_SLICE, _ALIKE_ACROSS = 0.7, 0.4
_MOST_PAIRS = 24
# Of fewer pixels a correlation says nothing.
_LEAST_PIXELS = 50


def check_belong_together(array: np.ndarray, echoes: np.ndarray, spacing: Sequence[float]) -> None:
    """Raise InputError if an axis of a volume goes through images that have nothing in common.

    Args:
        array: ultrasound [k, j, i].
        echoes: bool [k, j, i], of what is not the background.
        spacing: mm along the array's axes (k, j, i).
    """
    lags = [max(1, round(max(spacing) / mm)) for mm in spacing]
    alike = {axis: _likeness(array, echoes, axis, lags[axis]) for axis in range(3)}
    known = {axis: value for axis, value in alike.items() if value is not None}
    if len(known) < 3:
        return
    worst = min(known, key=lambda axis: known[axis])
    others = min(value for axis, value in known.items() if axis != worst)
    if others >= _ALIKE_IN_SLICE and known[worst] < _ALIKE_ACROSS * others:
        raise InputError(
            f"Neighbouring slices along {'kji'[worst]} have little in common (correlation "
            f"{known[worst]:.2f}; {others:.2f} over the same distance within a slice): these are "
            "separate images, not a volume. Translate them one by one with a method for slices."
        )


def _likeness(array: np.ndarray, echoes: np.ndarray, axis: int, lag: int) -> float | None:
    """Return the mean correlation of slices `lag` apart along an axis, where both echo."""
    values, inside = np.moveaxis(array, axis, 0), np.moveaxis(echoes, axis, 0)
    last = len(values) - 1 - lag
    found = []
    for k in np.unique(np.linspace(0, last, _MOST_PAIRS).round().astype(int)) if last >= 0 else ():
        both = inside[k] & inside[k + lag]
        pair = values[k][both].astype(np.float64), values[k + lag][both].astype(np.float64)
        if both.sum() >= _LEAST_PIXELS and min(part.std() for part in pair) > 0:
            found.append(np.corrcoef(*pair)[0, 1])
    return float(np.mean(found)) if found else None
