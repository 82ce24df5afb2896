"""Patches of volume pairs, as the 3D pix2pix is trained and validated on them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from training.data.pairs import Pair
from USToMRILib.image.intensity import rescale
from USToMRILib.pix2pix.echo import ultrasound_range


@dataclass(frozen=True)
class Batch:
    """Patches [B, 1, D, H, W]: ultrasound and MRI float32 in [-1, 1], and where they count."""

    ultrasound: torch.Tensor
    mri: torch.Tensor
    cone: torch.Tensor


class PatchSampler:
    """Draws patches from pairs: random slices, mirrored, shifted in plane, other gain and gamma.

    Args:
        pairs: volumes at least as large as the patch along k, and of its size along j and i.
        patch: D, H, W.
    """

    def __init__(self, pairs: Sequence[Pair], patch: tuple[int, int, int]) -> None:
        self.pairs, self.patch = pairs, patch
        self.ranges = [ultrasound_range(pair.ultrasound) for pair in pairs]
        self.starts = [self._starts(pair.cone) for pair in pairs]

    def _starts(self, cone: np.ndarray) -> np.ndarray:
        """Return the first slices of patches of which the cone fills a tenth, or of the fullest."""
        filled = np.convolve(cone.mean(axis=(1, 2)), np.ones(self.patch[0]), "valid")
        return np.flatnonzero(filled >= min(0.1 * self.patch[0], filled.max()))

    def draw(self, count: int, seed: int) -> Batch:
        """Return random patches; the same seed gives the same ones."""
        rng = np.random.default_rng(seed)
        return _stack([self._augmented(rng) for _ in range(count)])

    def fixed(self, per_pair: int) -> list[Batch]:
        """Return patches as they are, one a batch, spread over the slices of every pair."""
        batches = []
        for index, starts in enumerate(self.starts):
            at = np.linspace(0, len(starts) - 1, per_pair + 2)[1:-1].round().astype(int)
            batches += [_stack([self._cut(index, int(start))]) for start in starts[at]]
        return batches

    def _cut(self, index: int, start: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return ultrasound, MRI and cone of one patch, [D, H, W]."""
        pair, slices = self.pairs[index], slice(start, start + self.patch[0])
        cone = pair.cone[slices]
        ultrasound = rescale(pair.ultrasound[slices], *self.ranges[index])
        mri = pair.mri[slices].astype(np.float32) / 127.5 - 1
        return ultrasound, np.where(cone, mri, np.float32(-1)), cone

    def _augmented(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return one random patch, [D, H, W] each."""
        index = int(rng.integers(len(self.pairs)))
        ultrasound, mri, cone = self._cut(index, int(rng.choice(self.starts[index])))
        gain, gamma = rng.uniform(0.85, 1.15), math.exp(rng.uniform(-0.25, 0.25))
        ultrasound = np.clip((ultrasound + 1) / 2 * gain, 0, 1) ** gamma * 2 - 1
        flips = tuple(axis for axis in (0, 2) if rng.random() < 0.5)
        shift = rng.integers(-self.patch[1] // 5, self.patch[1] // 5 + 1, 2)
        ultrasound, mri, cone = (np.flip(image, flips) for image in (ultrasound, mri, cone))
        return _shifted(ultrasound, shift, -1), _shifted(mri, shift, -1), _shifted(cone, shift, 0)


def _shifted(image: np.ndarray, shift: np.ndarray, empty: float) -> np.ndarray:
    """Move [D, H, W] by (rows, columns) and fill what is uncovered with `empty`."""
    moved = np.full_like(image, empty)
    into, out_of = [slice(None)], [slice(None)]
    for size, by in zip(image.shape[1:], shift.tolist()):
        into.append(slice(max(by, 0), size + min(by, 0)))
        out_of.append(slice(max(-by, 0), size + min(-by, 0)))
    moved[tuple(into)] = image[tuple(out_of)]
    return moved


def _stack(patches: list[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> Batch:
    """Make a batch of patches [D, H, W]."""
    ultrasound, mri, cone = (torch.from_numpy(np.stack(part))[:, None] for part in zip(*patches))
    return Batch(ultrasound.float(), mri, cone)
