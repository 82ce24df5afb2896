"""A brain of known shapes in the head-scaled frame."""

from __future__ import annotations

import numpy as np

from training.data.brain_slices import BrainSlice
from USToMRILib.fetal.tissues import Tissue


def a_brain(size_mm: float = 90.0) -> BrainSlice:
    """A brain of ellipses: cortex, white matter, two lateral ventricles, thalami, a fissure."""
    y, x = np.mgrid[:128, :128] - 63.5

    def ellipse(cx: float, cy: float, a: float, b: float) -> np.ndarray:
        return ((x - cx) / a) ** 2 + ((y - cy) / b) ** 2 <= 1

    tissues = np.zeros((128, 128), np.uint8)
    tissues[ellipse(0, 0, 56, 44)] = Tissue.EXTERNAL_CSF
    tissues[ellipse(0, 0, 53, 41)] = Tissue.CORTEX
    tissues[ellipse(0, 0, 49, 37)] = Tissue.WHITE_MATTER
    for side in (-1, 1):
        tissues[ellipse(-18, 18 * side, 16, 5)] = Tissue.VENTRICLES
        tissues[ellipse(8, 9 * side, 12, 7)] = Tissue.DEEP_GREY_MATTER
    tissues[(np.abs(y) < 1.5) & (np.abs(x) > 30) & ellipse(0, 0, 53, 41)] = Tissue.EXTERNAL_CSF
    greys = np.array([-1, 0.1, 0.72, 0.1, 0.72, -0.25, -0.08, 0, 0.1], np.float32)
    return BrainSlice("made", greys[tissues], tissues, size_mm)
