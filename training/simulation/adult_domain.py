"""How widely simulated scans of adult heads vary: probes, machines, echoes of tissues, sweeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from training.simulation.adult_anatomy import Range, Tissue
from training.simulation.freehand import FreehandSweep
from training.simulation.ultrasound import Scan, ScanRanges


@dataclass(frozen=True)
class Domain:
    """The scans of which one is drawn.

    Attributes:
        name: of the domain.
        probes: ranges of a scan's parameters; one of them is taken, each as often.
        white_grey: range of how bright white matter is on the display, of 1; where None, as the
            probes' `white_db` makes it.
        wider_db: how far beyond their ranges the echoes of tissues are drawn, to either side.
        by_hand: how often a sweep is made by hand.
    """

    name: str
    probes: tuple[ScanRanges, ...]
    white_grey: Range | None = None
    wider_db: float = 0.0
    by_hand: float = 0.0

    def draw_scan(
        self,
        face: tuple[float, float, float],
        rng: np.random.Generator,
        domain_rng: np.random.Generator,
    ) -> tuple[Scan, FreehandSweep | None]:
        """Draw a scan whose face is centred on voxel (k, j, i), and how it is swept by hand.

        Args:
            face: voxel.
            rng: draws the scan's parameters.
            domain_rng: draws the rest, so that two domains share what they have in common.
        """
        scan = self.probes[domain_rng.integers(len(self.probes))].draw(face, rng)
        if self.white_grey:
            grey = domain_rng.uniform(*self.white_grey)
            scan = replace(scan, white_db=scan.dynamic_range_db * (1 - grey))
        is_by_hand = domain_rng.random() < self.by_hand
        return scan, FreehandSweep.draw(scan, domain_rng) if is_by_hand else None

    def draw_echoes(
        self, tissues: Mapping[str, Tissue], rng: np.random.Generator
    ) -> Mapping[str, Tissue]:
        """Draw how tissues echo: each one's range moved, and its patchiness changed."""
        if not self.wider_db:
            return tissues
        drawn = {}
        for name, tissue in tissues.items():
            low, high = tissue.backscatter_db
            by = rng.uniform(-self.wider_db, self.wider_db)
            patchiness = tissue.patchiness_db * rng.uniform(0.5, 2)
            drawn[name] = replace(
                tissue, backscatter_db=(low + by, high + by), patchiness_db=patchiness
            )
        return drawn


# Dynamic range and specular echo as machines and surgeons set them. In the three slices of ReMIND
# that could be looked at the median of the cone is 0.08 to 0.23 of white and falx and sulci are
# white, thin lines (:mod:`training.simulation.adult_realism`).
_WHITE_GREY = (0.05, 0.5)
_ANY_MACHINE: dict[str, Any] = {
    "specular_db": (40.0, 64.0),
    "gain_error": (-0.25, 0.25),
    "noise_db": (-95.0, -65.0),
    "dynamic_range_db": (42.0, 70.0),
}
_CONVEX = replace(ScanRanges(), depth_mm=(50.0, 115.0), **_ANY_MACHINE)
_LINEAR = replace(ScanRanges.linear(), **_ANY_MACHINE)

NARROW = Domain("narrow", (ScanRanges(),))
"""Convex probes at the settings of one machine, swept by a motor; the bundled weights' domain."""

WIDE = Domain("wide", (_CONVEX, _CONVEX, _CONVEX, _LINEAR), _WHITE_GREY, wider_db=4.0, by_hand=0.8)
"""Convex and linear probes, any machine, tissues that echo otherwise, mostly swept by hand."""
