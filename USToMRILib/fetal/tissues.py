"""The tissues of a fetal brain: their numbers, names and colours, and what is measured of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import Any, Optional

import numpy as np

from .ellipse import Ellipse

# A ventricle nearer to the midline than this part of the brain's length is no lateral one.
_MEDIAL = 0.05
# In the record, under "tissues_measured".
WIDTHS, WIDTH_ERROR = "lateral_ventricle_widths_mm", "lateral_ventricle_width_error_mm"

# The least part of the brain's area that is called a ventricle.
_LEAST_AREA = 0.0005

# What part of the brain a tissue is in the planes that the networks know, from .. to: of the
# validation images of HC18 all lie well within, of other planes and of guesses many do not.
_USUAL: Mapping[str, tuple[float, float]] = {
    "deep grey matter": (0.03, 0.3),
    "ventricles and cavum": (0.02, 0.3),
    "cerebellum and brainstem": (0.0, 0.1),
}


class Tissue(IntEnum):
    """The tissues, by the numbers of the parcellation of Fidon et al. 2021; 0 is no brain."""

    WHITE_MATTER = 1
    VENTRICLES = 2
    CEREBELLUM = 3
    EXTERNAL_CSF = 4
    CORTEX = 5
    DEEP_GREY_MATTER = 6
    BRAINSTEM = 7
    CALLOSUM = 8

    @property
    def title(self) -> str:
        """Its name for people."""
        return _TITLES[self]

    @property
    def colour(self) -> tuple[int, int, int]:
        """Red, green, blue of 0..255, those of Slicer's anatomy colours where it has the tissue."""
        return _COLOURS[self]


_TITLES: Mapping[Tissue, str] = {
    Tissue.WHITE_MATTER: "white matter",
    Tissue.VENTRICLES: "ventricles and cavum",
    Tissue.CEREBELLUM: "cerebellum",
    Tissue.EXTERNAL_CSF: "external cerebrospinal fluid",
    Tissue.CORTEX: "cortical grey matter",
    Tissue.DEEP_GREY_MATTER: "deep grey matter",
    Tissue.BRAINSTEM: "brainstem",
    Tissue.CALLOSUM: "corpus callosum",
}
_COLOURS: Mapping[Tissue, tuple[int, int, int]] = {
    Tissue.WHITE_MATTER: (250, 250, 225),
    Tissue.VENTRICLES: (88, 106, 215),
    Tissue.CEREBELLUM: (194, 195, 164),
    Tissue.EXTERNAL_CSF: (85, 188, 255),
    Tissue.CORTEX: (200, 200, 215),
    Tissue.DEEP_GREY_MATTER: (220, 160, 30),
    Tissue.BRAINSTEM: (148, 120, 72),
    Tissue.CALLOSUM: (68, 172, 100),
}


@dataclass(frozen=True)
class TissueMeasures:
    """What a map of tissues shows of one slice.

    Attributes:
        areas_mm2: of every tissue that is there.
        ventricle_widths_mm: of the lateral ventricles, the wider one first: the diameter of the
            largest circle that fits into each, which lies in its atrium.
    """

    areas_mm2: Mapping[Tissue, float]
    ventricle_widths_mm: tuple[float, ...]


@dataclass(frozen=True)
class WidthError:
    """How far a network's ventricle widths were from the truth of simulated pairs, in mm.

    Attributes:
        median: half of the ventricles erred by less.
        percentile_90: nine of ten did.
    """

    median: float
    percentile_90: float

    @classmethod
    def of_metadata(cls, metadata: Mapping[str, Any]) -> Optional[WidthError]:
        """What a bundle states of its network; None where it states nothing."""
        measured = metadata.get("metrics", {}).get("usual", {})
        names = ("atrium_width_error_mm", "atrium_width_error_mm_p90")
        return cls(*(measured[name] for name in names)) if set(names) <= set(measured) else None

    def as_dict(self) -> dict[str, Any]:
        """The same for the record."""
        return {**asdict(self), "measured_on": "simulated pairs"}


def describe_widths(measured: Mapping[str, Any]) -> str:
    """A line about the ventricles of a record's "tissues_measured"; nothing without them."""
    widths = measured.get(WIDTHS)
    if not widths:
        return ""
    line = "Lateral ventricles at the atrium, SYNTHETIC: " + ", ".join(f"{w:.1f}" for w in widths)
    error = measured.get(WIDTH_ERROR)
    if not error:
        return f"{line} mm; how far that is from the truth was not measured."
    return (
        f"{line} mm, each +/- {error['median']:.1f} mm (median error on {error['measured_on']}; 9 "
        f"of 10 within {error['percentile_90']:.1f} mm)."
    )


def measure_tissues(
    tissues: np.ndarray, spacing: tuple[float, float], brain: Ellipse
) -> TissueMeasures:
    """Measure a map of tissues.

    Args:
        tissues: [rows, columns] with the numbers of :class:`Tissue`.
        spacing: (x, y) in mm.
        brain: whose long axis is the midline, in plane coordinates (mm).
    """
    pixel = spacing[0] * spacing[1]
    counts = np.bincount(tissues.ravel(), minlength=len(Tissue) + 1)
    areas = {tissue: float(counts[tissue]) * pixel for tissue in Tissue if counts[tissue]}
    return TissueMeasures(areas, _ventricle_widths(tissues, spacing, brain))


def doubts_of_plane(tissues: np.ndarray) -> tuple[str, ...]:
    """A sentence if a slice's tissues are unusual for the planes that the networks know.

    Args:
        tissues: [rows, columns] with the numbers of :class:`Tissue`.
    """
    counts = np.bincount(tissues.ravel(), minlength=len(Tissue) + 1)
    brain = max(int(counts[1:].sum()), 1)
    parts = {
        "deep grey matter": counts[Tissue.DEEP_GREY_MATTER] / brain,
        "ventricles and cavum": counts[Tissue.VENTRICLES] / brain,
        "cerebellum and brainstem": (counts[Tissue.CEREBELLUM] + counts[Tissue.BRAINSTEM]) / brain,
    }
    unusual = [
        f"{parts[name]:.0%} {name}"
        for name, (low, high) in _USUAL.items()
        if not low <= parts[name] <= high
    ]
    if not unusual:
        return ()
    return (
        "What the network sees is unusual for a transthalamic or transventricular plane "
        f"({', '.join(unusual)} of the brain): it may be another plane, and the picture a guess.",
    )


def _ventricle_widths(
    tissues: np.ndarray, spacing: tuple[float, float], brain: Ellipse
) -> tuple[float, ...]:
    from scipy.ndimage import distance_transform_edt

    y, x = np.indices(tissues.shape)
    offset = np.stack([x * spacing[0] - brain.centre[0], y * spacing[1] - brain.centre[1]], -1)
    aside = (offset @ brain.head_axes)[..., 1]
    medial = _MEDIAL * 2 * brain.extents[0]
    ventricles = tissues == Tissue.VENTRICLES
    least = _LEAST_AREA * (tissues > 0).sum()
    # Measured in the whole ventricle: the strip along the midline must not look like a wall.
    depth = distance_transform_edt(np.pad(ventricles, 1), sampling=spacing[::-1])[1:-1, 1:-1]
    halves = (ventricles & (aside > medial), ventricles & (aside < -medial))
    widths = [2 * float(depth[half].max()) for half in halves if half.sum() > least]
    return tuple(sorted(widths, reverse=True))
