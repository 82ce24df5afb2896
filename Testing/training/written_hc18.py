"""Drawn heads as HC18 would publish them."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from Testing.conftest import HEAD
from USToMRILib.fetal.ellipse import Ellipse

PIXEL, SHAPE = 0.3, (300, 340)


def write_hc18(folder: Path, subjects: Iterable[str]) -> None:
    """One image of each, annotated by an outline two pixels wide; the table names two of each."""
    (folder / "training_set").mkdir(parents=True)
    inside = HEAD.mask(SHAPE, (PIXEL, PIXEL))
    long, short = HEAD.semi_axes
    within = Ellipse(HEAD.centre, (long - 2 * PIXEL, short - 2 * PIXEL), HEAD.angle)
    outline = inside & ~within.mask(SHAPE, (PIXEL, PIXEL))
    rows: list[tuple[object, ...]] = [("filename", "pixel size(mm)", "head circumference (mm)")]
    for subject in subjects:
        stem = folder / "training_set" / f"{subject}_HC"
        for name, image in (("", np.where(inside, 120, 10)), ("_Annotation", outline * 255)):
            sitk.WriteImage(sitk.GetImageFromArray(image.astype(np.uint8)), f"{stem}{name}.png")
        rows.append((f"{subject}_HC.png", PIXEL, HEAD.circumference_mm))
        rows.append((f"{subject}_2HC.png", PIXEL, 200.0))
    with (folder / "training_set_pixel_size_and_HC.csv").open("w", newline="") as table:
        csv.writer(table).writerows(rows)
