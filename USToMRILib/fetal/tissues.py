"""The tissues of a fetal brain: their numbers, names and colours, and what is measured of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import Any, Optional

import numpy as np

from ..image.masks import largest_part
from .ellipse import Ellipse

# A ventricle nearer to the midline than this part of the brain's length is no lateral one.
_MEDIAL = 0.05
# In the record, under "tissues_measured".
WIDTHS, WIDTH_ERROR = "lateral_ventricle_widths_mm", "lateral_ventricle_width_error_mm"
DIAMETER, DIAMETER_ERROR = "transcerebellar_diameter_mm", "transcerebellar_diameter_error_mm"
# Where a bundle's metrics state how far each of them is from the truth: kind of pairs, name.
_STATED = {
    WIDTHS: ("usual", "atrium_width_error_mm"),
    DIAMETER: ("transcerebellar", DIAMETER_ERROR),
}

# The least part of the brain's area that is called a ventricle.
_LEAST_AREA = 0.0005
# The least part that is measured as a cerebellum: in transcerebellar planes of the atlases it is
# 0.056 and more; what is seen of one in other planes is smaller, or a mistake.
_LEAST_CEREBELLUM = 0.05

# What part of the brain a tissue is in the planes that the networks know, from .. to: of the
# validation images of HC18 all lie well within, of other planes and of guesses many do not.
_USUAL: Mapping[str, tuple[float, float]] = {
    "deep grey matter": (0.03, 0.3),
    "ventricles and cavum": (0.02, 0.3),
    "cerebellum and brainstem": (0.0, 0.25),
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
        transcerebellar_diameter_mm: of the cerebellum across the midline, where the plane cuts
            both of its halves.
    """

    areas_mm2: Mapping[Tissue, float]
    ventricle_widths_mm: tuple[float, ...]
    transcerebellar_diameter_mm: Optional[float] = None

    @property
    def record(self) -> dict[str, Any]:
        """The same for the record, to 0.1."""
        diameter = self.transcerebellar_diameter_mm
        return {
            "areas_mm2": {t.title: round(area, 1) for t, area in self.areas_mm2.items()},
            WIDTHS: [round(width, 1) for width in self.ventricle_widths_mm],
            **({} if diameter is None else {DIAMETER: round(diameter, 1)}),
        }


@dataclass(frozen=True)
class SizeError:
    """How far a network's sizes were from the truth of simulated pairs, in mm.

    Attributes:
        median: half of them erred by less.
        percentile_90: nine of ten did.
    """

    median: float
    percentile_90: float

    def as_dict(self) -> dict[str, Any]:
        """The same for the record."""
        return {**asdict(self), "measured_on": "simulated pairs"}


def size_errors(metadata: Mapping[str, Any]) -> dict[str, SizeError]:
    """What a bundle states of its network, by :data:`WIDTHS` and :data:`DIAMETER`."""
    found = {}
    for size, (kind, name) in _STATED.items():
        measured = metadata.get("metrics", {}).get(kind, {})
        if {name, f"{name}_p90"} <= set(measured):
            found[size] = SizeError(measured[name], measured[f"{name}_p90"])
    return found


def measured_record(measures: TissueMeasures, errors: Mapping[str, SizeError]) -> dict[str, Any]:
    """What the record says of a slice's tissues: their sizes, each with its error."""
    record = measures.record
    for size, name in ((WIDTHS, WIDTH_ERROR), (DIAMETER, DIAMETER_ERROR)):
        if record.get(size) and size in errors:
            record[name] = errors[size].as_dict()
    return record


def describe_sizes(measured: Mapping[str, Any]) -> list[str]:
    """Lines about the sizes in a record's "tissues_measured"; none without them."""
    lines = []
    if widths := measured.get(WIDTHS):
        text = "Lateral ventricles at the atrium, SYNTHETIC: " + _in_mm(widths)
        lines.append(f"{text}{_within(measured.get(WIDTH_ERROR), 'each ')}")
    if diameter := measured.get(DIAMETER):
        text = f"Transcerebellar diameter, SYNTHETIC: {_in_mm([diameter])}"
        lines.append(f"{text}{_within(measured.get(DIAMETER_ERROR))}")
    return lines


def _in_mm(sizes: Iterable[float]) -> str:
    return ", ".join(f"{size:.1f}" for size in sizes) + " mm"


def _within(error: Mapping[str, Any] | None, each: str = "") -> str:
    if not error:
        return "; how far that is from the truth was not measured."
    return (
        f", {each}+/- {error['median']:.1f} mm (median error on {error['measured_on']}; 9 of 10 "
        f"within {error['percentile_90']:.1f} mm)."
    )


def measure_tissues(
    tissues: np.ndarray, spacing: tuple[float, float], brain: Ellipse
) -> TissueMeasures:
    """Measure a map of tissues.

    Args:
        tissues: [rows, columns] with the numbers of :class:`Tissue`.
        spacing: (x, y) in mm.
        brain: with its midline, in plane coordinates (mm).
    """
    pixel = spacing[0] * spacing[1]
    counts = np.bincount(tissues.ravel(), minlength=len(Tissue) + 1)
    areas = {tissue: float(counts[tissue]) * pixel for tissue in Tissue if counts[tissue]}
    return TissueMeasures(
        areas,
        _ventricle_widths(tissues, spacing, brain),
        _transcerebellar_diameter(tissues, spacing, brain),
    )


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
        "What the network sees is unusual for a transthalamic, transventricular or transcerebellar "
        f"plane ({', '.join(unusual)} of the brain): it may be another plane, and the picture a "
        "guess.",
    )


def _aside(shape: tuple[int, ...], spacing: tuple[float, float], brain: Ellipse) -> np.ndarray:
    """How far every pixel lies to one side of the midline, in mm."""
    y, x = np.indices(shape)
    offset = np.stack([x * spacing[0] - brain.centre[0], y * spacing[1] - brain.centre[1]], -1)
    return np.asarray((offset @ brain.head_axes)[..., 1])


def _transcerebellar_diameter(
    tissues: np.ndarray, spacing: tuple[float, float], brain: Ellipse
) -> Optional[float]:
    cerebellum = largest_part(tissues == Tissue.CEREBELLUM)
    if not cerebellum.any():
        return None
    aside = _aside(tissues.shape, spacing, brain)[cerebellum]
    large = cerebellum.sum() >= _LEAST_CEREBELLUM * (tissues > 0).sum()
    if not large or aside.min() > 0 or aside.max() < 0:
        return None
    return float(np.ptp(aside) + np.mean(spacing))


def _ventricle_widths(
    tissues: np.ndarray, spacing: tuple[float, float], brain: Ellipse
) -> tuple[float, ...]:
    from scipy.ndimage import distance_transform_edt

    aside = _aside(tissues.shape, spacing, brain)
    medial = _MEDIAL * 2 * brain.extents[0]
    ventricles = tissues == Tissue.VENTRICLES
    least = _LEAST_AREA * (tissues > 0).sum()
    # Measured in the whole ventricle: the strip along the midline must not look like a wall.
    depth = distance_transform_edt(np.pad(ventricles, 1), sampling=spacing[::-1])[1:-1, 1:-1]
    halves = (ventricles & (aside > medial), ventricles & (aside < -medial))
    widths = [2 * float(depth[half].max()) for half in halves if half.sum() > least]
    return tuple(sorted(widths, reverse=True))
