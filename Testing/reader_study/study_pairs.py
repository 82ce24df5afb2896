"""Pairs of images for reader studies."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from USToMRILib import Grid, Volume
from USToMRILib.reader_study.pairs import StudyPair


def pair(case: str, spacing: tuple[float, float] = (1.0, 1.0)) -> StudyPair:
    """A dark ultrasound with a bright rim beyond the head, and a bright pseudo-MRI."""
    rows, columns = np.indices((60, 80))
    head = ((rows - 30) / 20) ** 2 + ((columns - 40) / 30) ** 2 <= 1
    grid = Grid((80, 60, 1), (*spacing, 1.0))
    ultrasound = np.where(head, 20 + columns % 7, 90).astype(np.uint8)
    mri = np.where(head, 200, 0).astype(np.float32)
    return StudyPair(case, Volume(ultrasound[None], grid), Volume(mri[None], grid))


def write_pairs(folder: Path, names: tuple[str, ...] = ("a", "b")) -> Path:
    for part in ("ultrasound", "pseudo_mri"):
        (folder / part).mkdir(parents=True)
    for name in names:
        pair(name).ultrasound.write(folder / "ultrasound" / f"{name}.nrrd")
        pair(name).pseudo_mri.write(
            folder / "pseudo_mri" / f"{name}.nii.gz_SYNTHETIC_MRI_ddic.nrrd"
        )
    return folder
