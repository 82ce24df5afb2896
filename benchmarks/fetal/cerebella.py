"""Real transcerebellar planes, of scanners that no network for slices has seen."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from skimage.transform import resize

from benchmarks.fetal.pictures import Pictures
from benchmarks.fetal.real import MARKS
from training.data.fetal_planes import find_planes
from training.data.fetal_slices import contact_sheet
from USToMRILib import InputError, translate
from USToMRILib.fetal.tissues import Tissue
from USToMRILib.methods import METHODS

# Of a brain: so much is called cerebellum where a standard plane is taken for another.
_NAMED = 0.02
_SHOWN, _ACROSS = (120, 160), 11


def measure(methods: Sequence[str], data: Path, sheet: Path) -> dict[str, Any]:
    """Marked cerebella against tissues: how many lie in what a method calls cerebellum.

    Args:
        methods: of which those are measured that know tissues.
        data: folder of the data sets.
        sheet: picture of the ultrasound and of each method's pseudo-MRI, to write.

    Returns:
        By method: [marks in the cerebellum, marks] of the heads that are found.
    """
    marks = json.loads(MARKS.read_text(encoding="utf-8"))["cerebellum"]
    images = [image for image in find_planes(data / "fetal_planes").found if image.name in marks]
    hits: dict[str, Any] = {}
    rows = [_small(image.volume.array[0]) for image in images]
    for method in (name for name in methods if "tissues" in METHODS[name].offers):
        inside, heads = 0, 0
        for image in images:
            try:
                made = translate(image.volume, method, tissues=True)
            except InputError:  # no head is found
                rows.append(np.full_like(rows[0], -1))
                continue
            column, row = np.round(marks[image.name]).astype(int)
            inside += int(made.maps["tissues"].array[0, row, column] == Tissue.CEREBELLUM)
            heads += 1
            rows.append(_small(made.volume.array[0]))
        hits[method] = [inside, heads]
    contact_sheet(_in_blocks(rows, len(images)), sheet, _ACROSS)
    return hits


def _small(image: np.ndarray) -> np.ndarray:
    return resize(image.astype(np.float32) / 127.5 - 1, _SHOWN, anti_aliasing=True)


def _in_blocks(rows: Sequence[np.ndarray], images: int) -> list[np.ndarray]:
    """Pictures by method, so ordered that each block shows the same images in all methods."""
    return [
        row
        for first in range(0, images, _ACROSS)
        for start in range(0, len(rows), images)
        for row in rows[start + first : start + min(first + _ACROSS, images)]
    ]


def named_in(pictures: Pictures) -> list[int]:
    """In how many heads of standard planes a cerebellum is named: [heads, of heads]."""
    assert pictures.tissues is not None
    share = [(t == Tissue.CEREBELLUM).sum() / (t > 0).sum() for t in pictures.tissues]
    return [int((np.array(share) > _NAMED).sum()), len(share)]
