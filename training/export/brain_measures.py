"""How right pseudo-MRI and tissues of simulated pairs are, whose truth is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from skimage.metrics import structural_similarity

from training.data.brain_slices import FRAME
from training.simulation.brain_pairs import Pairs
from USToMRILib.fetal.ellipse import Ellipse
from USToMRILib.fetal.tissues import Tissue, measure_tissues


def image_measures(made: np.ndarray, truth: Pairs) -> dict[str, float]:
    """Pseudo-MRI against MRI, inside the brain, mean over the pairs.

    Args:
        made: [N, 128, 128] on the scale of the MRI, -1 to 1.
        truth: the pairs.

    Returns:
        ``correlation`` (Pearson's); ``ssim`` (Wang et al. 2004, uniform 7x7 window) after the
        linear change of tone that brings the picture nearest to the MRI, for a tone is no anatomy;
        ``l1`` without it; ``cnr`` of ventricles against white matter, in the true regions.
    """
    rows = []
    for image, mri, tissues in zip(
        made.astype(float), truth.mri.astype(float), truth.tissues, strict=True
    ):
        inside = tissues > 0
        a, b = image[inside], mri[inside]
        slope, offset = np.polyfit(a, b, 1)
        toned = np.where(inside, slope * image + offset, -1)
        _, similarity = structural_similarity(mri, toned, win_size=7, data_range=2.0, full=True)
        rows.append(
            {
                "correlation": float(np.corrcoef(a, b)[0, 1]),
                "ssim": float(similarity[inside].mean()),
                "l1": float(np.abs(a - b).mean()),
                "cnr": _cnr(image, tissues),
            }
        )
    return {name: float(np.nanmean([row[name] for row in rows])) for name in rows[0]}


def _cnr(image: np.ndarray, tissues: np.ndarray) -> float:
    """Contrast-to-noise ratio of ventricles against white matter."""
    a, b = image[tissues == Tissue.VENTRICLES], image[tissues == Tissue.WHITE_MATTER]
    if min(a.size, b.size) < 10:
        return float("nan")
    return float(abs(a.mean() - b.mean()) / max(np.hypot(a.std(), b.std()), 1e-6))


def tissue_measures(found: np.ndarray, truth: Pairs) -> dict[str, Any]:
    """Tissues against those of the parcellation.

    Args:
        found: [N, 128, 128], numbers of :class:`Tissue`.
        truth: the pairs.

    Returns:
        ``dice`` of every tissue by its title, over all pairs; the medians over the pairs of
        ``ventricle_area_error_percent``, without sign, and its ``_bias`` with; and of
        ``atrium_width_error_mm``, and ``_p90``, of lateral ventricles that both show; and of
        ``transcerebellar_diameter_error_mm`` likewise, where any does.
    """
    dice = {}
    for tissue in Tissue:
        a, b = found == tissue, truth.tissues == tissue
        dice[tissue.title] = round(float(2 * (a & b).sum() / max(1, a.sum() + b.sum())), 4)
    areas, widths, diameters = [], [], []
    for one, true, size in zip(found, truth.tissues, truth.size_mm, strict=True):
        brain, pixel = _brain(true, float(size))
        measured, right = (measure_tissues(m, (pixel, pixel), brain) for m in (one, true))
        area = right.areas_mm2.get(Tissue.VENTRICLES, 0.0)
        if area > 0:
            areas.append(measured.areas_mm2.get(Tissue.VENTRICLES, 0.0) / area - 1)
        widths += [
            abs(a - b) for a, b in zip(measured.ventricle_widths_mm, right.ventricle_widths_mm)
        ]
        both = measured.transcerebellar_diameter_mm, right.transcerebellar_diameter_mm
        if both[0] is not None and both[1] is not None:
            diameters.append(abs(both[0] - both[1]))
    return {
        "dice": dice,
        "ventricle_area_error_percent": 100 * float(np.median(np.abs(areas))),
        "ventricle_area_bias_percent": 100 * float(np.median(areas)),
        **_errors("atrium_width_error_mm", widths),
        **_errors("transcerebellar_diameter_error_mm", diameters),
    }


def _errors(name: str, errors: Sequence[float]) -> dict[str, float]:
    """Median and 90th percentile of errors, nothing of none."""
    if not errors:
        return {}
    return {name: float(np.median(errors)), f"{name}_p90": float(np.percentile(errors, 90))}


def _brain(tissues: np.ndarray, size_mm: float) -> tuple[Ellipse, float]:
    """The brain's ellipse in mm, and the edge of a pixel, of a slice in the frame."""
    assert FRAME.long_axis_pixels is not None
    pixel = size_mm / FRAME.long_axis_pixels
    return Ellipse.from_mask(tissues > 0, (pixel, pixel)), pixel
