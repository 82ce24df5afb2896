"""Volumes whose voxels all differ from their neighbours, and grids on which they may lie."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from USToMRILib.image.grid import Grid
from USToMRILib.image.volume import Volume

OBLIQUE = Grid(
    (7, 5, 4), (0.3, 0.7, 1.9), (-12.5, 1 / 3, 800.1), (0, 0.6, 0.8, 0, -0.8, 0.6, 1, 0, 0)
)
PICTURES = ("png", "jpg", "tif", "bmp")


def numbered(grid: Grid = OBLIQUE, dtype: type = np.uint8) -> Volume:
    """A volume on a grid; its voxels count in steps of 13, modulo 250."""
    count = int(np.prod(grid.size))
    return Volume((np.arange(count) * 13 % 250).astype(dtype).reshape(grid.shape), grid)


def _number(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_nan=False, allow_infinity=False, allow_subnormal=False)


@st.composite
def grids(draw: st.DrawFn) -> Grid:
    """Any grid: anisotropic, oblique, flipped (left-handed), far from the origin."""
    seed = draw(st.integers(0, 2**32 - 1))
    axes = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0]
    axes = axes @ np.diag(draw(st.tuples(*[st.sampled_from((-1.0, 1.0))] * 3)))
    size = draw(st.tuples(*[st.integers(1, 6)] * 3))
    spacing = draw(st.tuples(*[_number(0.01, 10)] * 3))
    origin = draw(st.tuples(*[_number(-500, 500)] * 3))
    return Grid(size, spacing, origin, tuple(axes.ravel()))
