"""Head biometry: what a skull's outline says of a fetus's size, and its age by published charts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Callable, Optional

import numpy as np

from .ellipse import Ellipse

HADLOCK, INTERGROWTH = "Hadlock 1984", "INTERGROWTH-21st"
OUTER_TO_OUTER = "outer to outer edge of the skull"

# Standard normal deviate of the 97th centile.
_Z_97 = 1.880794

# Least circumference (mm) of Hadlock's table, and the two standard deviations (weeks) up to each of
# the others; the last is the greatest of the table.
_HADLOCK_LEAST_MM = 68.0
_HADLOCK_TWO_SD = ((144.0, 1.19), (219.0, 1.48), (280.0, 2.06), (325.0, 2.98), (360.0, 3.20))


@dataclass(frozen=True)
class GestationalAge:
    """The age that a chart gives for a head circumference, in weeks since the last menstruation.

    Attributes:
        chart: its short name.
        weeks: the age.
        low_weeks, high_weeks: the interval around it.
        interval: what the interval is.
        source: where the chart is published.
    """

    chart: str
    weeks: float
    low_weeks: float
    high_weeks: float
    interval: str
    source: str


@dataclass(frozen=True)
class Biometry:
    """Sizes of a head, from the ellipse along the outer edge of its skull.

    Attributes:
        head_circumference_mm: HC, length of the ellipse.
        biparietal_diameter_mm: BPD, across the midline.
        occipitofrontal_diameter_mm: OFD, along it.
        cephalic_index: BPD in percent of OFD.
        diameters: how both are measured, :data:`OUTER_TO_OUTER`. Where the BPD is measured from
            the outer to the inner edge it is smaller by the thickness of the skull.
        gestational_age: by every chart that covers this circumference.
    """

    head_circumference_mm: float
    biparietal_diameter_mm: float
    occipitofrontal_diameter_mm: float
    cephalic_index: float
    diameters: str
    gestational_age: tuple[GestationalAge, ...]

    @classmethod
    def of(cls, outline: Ellipse) -> Biometry:
        """The sizes of a head with this outline."""
        ofd, bpd = (2 * extent for extent in outline.extents)
        circumference = outline.circumference_mm
        return cls(
            circumference,
            bpd,
            ofd,
            100 * bpd / ofd,
            OUTER_TO_OUTER,
            gestational_ages(circumference),
        )

    @classmethod
    def of_record(cls, provenance: Mapping[str, Any]) -> Optional[Biometry]:
        """The sizes of the head in the record of a translated slice; None where it has none."""
        head = provenance.get("parameters", {}).get("head")
        if not isinstance(head, Mapping) or "semi_axes_mm" not in head:
            return None
        centre, axes, angle = (head[name] for name in ("centre_mm", "semi_axes_mm", "angle_rad"))
        # Older records have the midline along the long axis.
        return cls.of(Ellipse(tuple(centre), tuple(axes), angle, head.get("midline_rad", 0.0)))

    def as_dict(self) -> dict[str, Any]:
        """The same, ready for JSON; lengths to 0.1 mm, ages to 0.1 week."""
        return {
            **_rounded(asdict(self)),
            "gestational_age": [_rounded(asdict(age)) for age in self.gestational_age],
        }


def _rounded(values: dict[str, Any]) -> dict[str, Any]:
    return {k: round(v, 1) if isinstance(v, float) else v for k, v in values.items()}


def gestational_ages(circumference_mm: float) -> tuple[GestationalAge, ...]:
    """The age by each chart that covers a head circumference (mm); none where none does."""
    ages = (hadlock(circumference_mm), intergrowth(circumference_mm))
    return tuple(age for age in ages if age is not None)


def hadlock(circumference_mm: float) -> Optional[GestationalAge]:
    """Age by Hadlock et al. 1984, or None outside of its table, 68 to 360 mm (12.7 to 42.4 weeks).

    The single-parameter regression on the head circumference in cm. The paper itself was not at
    hand, nor Hologic's table of it ("GA by HC - Hadlock1984", SuperSonic MACH, Obstetrical
    References, PM.LAB.175-A, 2020): the equation, the table's range and the 2 SD of its age groups
    are those of a public transcription of that table. Between two groups the wider interval holds.
    """
    hc = circumference_mm / 10
    weeks = 8.96 + 0.540 * hc + 0.0003 * hc**3
    within = [two_sd for most, two_sd in _HADLOCK_TWO_SD if circumference_mm <= most]
    if not within or circumference_mm < _HADLOCK_LEAST_MM:
        return None
    return GestationalAge(
        HADLOCK,
        weeks,
        weeks - within[0],
        weeks + within[0],
        "2 standard deviations",
        "Hadlock et al., Radiology 152:497-501, 1984, doi:10.1148/radiology.152.2.6739822",
    )


def intergrowth(circumference_mm: float) -> Optional[GestationalAge]:
    """Age by INTERGROWTH-21st, or None outside of the 14 to 40 weeks of its standards.

    The age is that of the dating equation of Papageorghiou et al. 2016 (days, mm); the interval
    holds the ages at which this circumference is one from the 3rd to the 97th centile of the size
    standard of Papageorghiou et al. 2014, within 14 to 40 weeks.
    """
    hc = circumference_mm
    if not hc > 0:
        return None
    weeks = float(np.exp(0.05970 * np.log(hc) ** 2 + 6.409e-9 * hc**3 + 3.3258)) / 7
    if not 14 <= weeks <= 40:
        return None
    return GestationalAge(
        INTERGROWTH,
        weeks,
        _age_at(hc, lambda age: circumference_centile(age, _Z_97)),
        _age_at(hc, lambda age: circumference_centile(age, -_Z_97)),
        "ages at which this is a 3rd to 97th centile circumference",
        "Papageorghiou et al., Ultrasound Obstet Gynecol 48:719-726, 2016, doi:10.1002/uog.15894;"
        " Lancet 384:869-879, 2014, doi:10.1016/S0140-6736(14)61490-2",
    )


def circumference_centile(weeks: np.ndarray, z: float = 0.0) -> np.ndarray:
    """Head circumference (mm) at an age (14 .. 40 weeks), INTERGROWTH-21st (2014).

    Args:
        weeks: gestational age.
        z: standard normal deviate of the centile; 0: the median.
    """
    log = np.log(weeks)
    mean = -28.2849 + 1.69267 * weeks**2 - 0.397485 * weeks**2 * log
    deviation = (
        1.98735
        + 0.0136772 * weeks**3
        - 0.00726264 * weeks**3 * log
        + 0.000976253 * weeks**3 * log**2
    )
    return mean + z * deviation


def _age_at(circumference_mm: float, curve: Callable[[np.ndarray], np.ndarray]) -> float:
    """The age at which a rising curve reaches a circumference, 14 or 40 weeks where it does not."""
    weeks = np.linspace(14, 40, 26 * 70 + 1)
    return float(np.interp(circumference_mm, curve(weeks), weeks))
