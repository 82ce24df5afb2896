"""Volumes of the public data sets, MINC among them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from USToMRILib import Grid, Volume

MINC_SUFFIX = ".mnc"

# MINC and NIfTI count to the right and to the front, ITK to the left and to the back.
_RAS_TO_LPS = np.array([-1.0, -1.0, 1.0])


def read_volume(path: Path) -> Volume:
    """Read a volume: MINC 1 or 2, or whatever the library reads.

    MINC goes through nibabel: ITK's reader leaves the coordinates as they are in the file, so that
    left would become right.

    Raises:
        InputError: as :meth:`USToMRILib.Volume.read`.
    """
    if path.suffix.lower() != MINC_SUFFIX:
        return Volume.read(path)
    import nibabel

    image: Any = nibabel.load(path)
    affine = np.asarray(image.affine)
    # MINC files count the slowest axis first, which is k.
    columns = affine[:3, 2::-1] * _RAS_TO_LPS[:, None]
    spacing = np.linalg.norm(columns, axis=0)
    grid = Grid(
        tuple(image.shape[::-1]),
        tuple(spacing),
        tuple(affine[:3, 3] * _RAS_TO_LPS),
        tuple((columns / spacing).ravel()),
    )
    return Volume(np.asarray(image.dataobj, np.float32), grid)
