"""A sweep by hand: uneven frames that tracking misplaces, holes between them, and lost contact."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from training.simulation.ultrasound import Beams, Scan

Range = tuple[float, float]

# How much of the field of view, to either side, has no contact with the brain: a craniotomy is
# often narrower than the probe, and two of the three slices of ReMIND that could be looked at echo
# in little more than a third of their cone. Of all sides this share has full contact.
_NO_CONTACT: Range = (0.05, 0.4)
_FULL_CONTACT = 0.35
_SHADOW_DB: Range = (25.0, 70.0)
_MOST_BUBBLES, _BUBBLE_DB = 2, (6.0, 25.0)
# Width of that edge and of bubbles, over half the field of view.
_EDGE: Range = (0.03, 0.2)
_BUBBLE: Range = (0.03, 0.12)

# Distance of frames at the cone's middle, uneven by the sigma of a log-normal; over how far a
# reconstruction fills a voxel from the nearest frame (PLUS and Slicer IGSIO fill holes of a few
# voxels); how far tracking puts a frame beside its place, smoothly over this many frames.
_STEP_MM: Range = (0.5, 2.0)
_UNEVEN = 0.5
_LEAP_SHARE, _LEAP_MM = 0.02, (3.0, 7.0)
_FILLED_MM: Range = (1.0, 2.5)
_MISPLACED_MM, _MISPLACED_OVER = (0.0, 0.8), 5


@dataclass(frozen=True)
class FreehandSweep:
    """How a sweep by hand differs from a motor's.

    Attributes:
        tilts: of its frames in rad, ascending, float32 [frames].
        misplaced_mm: how far each lies beside its place, float32 [frames, 2]: deeper, lateral.
        filled_mm: a voxel farther than this from every frame stays empty.
        contact_db: as :class:`training.simulation.ultrasound.Sweep` has it.
    """

    tilts: np.ndarray
    misplaced_mm: np.ndarray
    filled_mm: float
    contact_db: np.ndarray

    @classmethod
    def draw(cls, scan: Scan, rng: np.random.Generator) -> FreehandSweep:
        """Draw how a scan is swept by hand."""
        half = math.radians(scan.half_sweep_deg)
        middle_mm = scan.radius_mm + scan.depth_mm / 2
        number = math.ceil(4 * half * middle_mm / _STEP_MM[0])
        steps = rng.uniform(*_STEP_MM) * np.exp(rng.normal(0, _UNEVEN, number))
        steps += (rng.random(number) < _LEAP_SHARE) * rng.uniform(*_LEAP_MM, number)
        tilts = np.cumsum(steps) / middle_mm - half
        tilts = tilts[: max(1, int(np.searchsorted(tilts, half)))].astype(np.float32)
        walk = rng.normal(size=(len(tilts) + _MISPLACED_OVER - 1, 2))
        window = np.ones(_MISPLACED_OVER) / math.sqrt(_MISPLACED_OVER)
        smooth = np.stack([np.convolve(part, window, "valid") for part in walk.T], axis=1)
        return cls(
            tilts,
            (rng.uniform(*_MISPLACED_MM) * smooth).astype(np.float32),
            float(rng.uniform(*_FILLED_MM)),
            _lost_contact(scan, Beams.of(scan), rng),
        )

    def seen_from(
        self, r: np.ndarray, phi: np.ndarray, theta: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """As :meth:`training.simulation.ultrasound.Sweep.seen_from`."""
        after = np.clip(np.searchsorted(self.tilts, phi), 1, max(1, len(self.tilts) - 1))
        last = len(self.tilts) - 1
        earlier, later = after - 1, np.minimum(after, last)
        nearer = np.abs(phi - self.tilts[later]) < np.abs(phi - self.tilts[earlier])
        frame = np.where(nearer, later, earlier)
        tilts, moved = self.tilts[frame], self.misplaced_mm[frame]
        near = np.abs(phi - tilts) * r <= self.filled_mm
        return r + moved[:, 0], tilts, theta + moved[:, 1] / r, near


def _lost_contact(scan: Scan, beams: Beams, rng: np.random.Generator) -> np.ndarray:
    """Draw the loss in dB [phi, theta]: of either side of the probe, and below small bubbles."""
    half, half_sweep = math.radians(scan.half_angle_deg), math.radians(scan.half_sweep_deg)
    phi, theta = beams.phi[:, None], beams.theta[None, :]
    # The edge of contact moves a little along the sweep.
    wander = 0.1 * half * np.sin(rng.uniform(0.5, 3) * phi / half_sweep + rng.uniform(0, 6))
    lost = np.zeros((len(beams.phi), len(beams.theta)), np.float32)
    for side in (-1, 1):
        if rng.random() < _FULL_CONTACT:
            continue
        edge = half * (1 - 2 * rng.uniform(*_NO_CONTACT)) + wander
        width = half * rng.uniform(*_EDGE)
        lost += rng.uniform(*_SHADOW_DB) * np.clip((side * theta - edge) / width, 0, 1)
    for _ in range(rng.integers(_MOST_BUBBLES + 1)):
        across = (theta / half - rng.uniform(-1, 1)) / rng.uniform(*_BUBBLE)
        along = (phi / half_sweep - rng.uniform(-1, 1)) / rng.uniform(*_BUBBLE)
        lost += rng.uniform(*_BUBBLE_DB) * np.exp(-0.5 * (across**2 + along**2))
    return lost.astype(np.float32)
