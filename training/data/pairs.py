"""Pairs of ultrasound and MRI on one grid, and their files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Pair:
    """A simulated pair at 1 mm; k is the sweep, j the depth below the probe, i lateral.

    Attributes:
        ultrasound: uint8 [k, j, i], 0 outside the cone.
        mri: uint8 [k, j, i] in 0..255, everywhere.
        cone: bool [k, j, i], the voxels that ultrasound reaches.
    """

    ultrasound: np.ndarray
    mri: np.ndarray
    cone: np.ndarray


def save_pair(pair: Pair, path: Path) -> None:
    """Write a pair so that the file is complete or not there."""
    partial = path.with_suffix(".partial.npz")
    np.savez(partial, ultrasound=pair.ultrasound, mri=pair.mri, cone=np.packbits(pair.cone))
    partial.replace(path)


def load_pair(path: Path) -> Pair:
    """Read a pair that `save_pair` wrote."""
    with np.load(path) as file:
        ultrasound, mri, cone = file["ultrasound"], file["mri"], file["cone"]
    shape = ultrasound.shape
    return Pair(ultrasound, mri, np.unpackbits(cone, count=mri.size).reshape(shape).astype(bool))
