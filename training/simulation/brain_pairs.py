"""Simulated pairs of ultrasound and MRI, drawn as a training goes on and kept in a folder.

A training begins with few pairs and gets new ones while it runs. Each shard of the pool depends on
the seed and its own number alone, so that a run which is stopped, or another one, has the same.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from training.data.brain_slices import TRANSCEREBELLAR, BrainSlice, atlas_slices
from training.data.splits import read_split
from training.simulation.fetal_anatomy import Warp, warped
from training.simulation.fetal_ultrasound import simulate_brain

# Pairs of a shard, and planes of a volume that they are drawn from: standard and transcerebellar.
SHARD = 250
PLANES, CEREBELLA = 48, 14

# A training begins with so many shards and gets one more after so many steps, up to the last.
FIRST_SHARDS, STEPS_A_SHARD, MOST_SHARDS = 6, 150, 120


@dataclass(frozen=True)
class Pairs:
    """Arrays of N pairs: us and mri float16 [N, 128, 128], tissues uint8, size_mm float32 [N]."""

    us: np.ndarray
    mri: np.ndarray
    tissues: np.ndarray
    size_mm: np.ndarray

    def __len__(self) -> int:
        return len(self.size_mm)


class PairPool:
    """Pairs on demand.

    Args:
        slices: brains that the pairs are drawn from.
        folder: where shards are kept.
        seed: of everything that is drawn.
    """

    def __init__(self, slices: Sequence[BrainSlice], folder: Path, seed: int) -> None:
        self._slices, self._folder, self._seed = slices, folder, seed
        self._shards: list[Pairs] = []
        folder.mkdir(parents=True, exist_ok=True)

    def draw(self, step: int, count: int, rng: np.random.Generator) -> Pairs:
        """Pairs for a step of a training, from as many shards as there are by then."""
        shards = min(MOST_SHARDS, FIRST_SHARDS + step // STEPS_A_SHARD)
        while len(self._shards) < shards:
            self._shards.append(self._shard(len(self._shards)))
        places = rng.integers(shards * SHARD, size=count)
        rows = [(self._shards[p // SHARD], p % SHARD) for p in places]
        return Pairs(
            *(
                np.stack([getattr(shard, name)[i] for shard, i in rows])
                for name in ("us", "mri", "tissues", "size_mm")
            )
        )

    def _shard(self, number: int) -> Pairs:
        path = self._folder / f"{number:04}.npz"
        if not path.exists():
            made = draw_pairs(self._slices, SHARD, np.random.default_rng([self._seed, number]))
            partial = path.with_name(f"{number:04}.{os.getpid()}.partial.npz")
            np.savez(partial, us=made.us, mri=made.mri, tissues=made.tissues, size_mm=made.size_mm)
            partial.replace(path)
        with np.load(path) as kept:
            return Pairs(kept["us"], kept["mri"], kept["tissues"], kept["size_mm"])


def held_out_pairs(data: Path, count: int) -> dict[str, Pairs]:
    """Pairs of volumes that no training sees, to measure with.

    Returns:
        Pairs of the atlases' test part by kind: "usual", warped as in training; "widened", their
        ventricles pushed out to about twice their width; "transcerebellar", in that plane; and
        "spina bifida", of that atlas.
    """
    root, rng = data / "fetal_mri", np.random.default_rng(18)
    subjects = read_split("fetal_mri")["test"]
    usual = list(atlas_slices(root, subjects, PLANES, rng))
    affected = [folder.name for folder in sorted(root.glob("SB_*")) if folder.is_dir()]
    open_spines = list(atlas_slices(root, affected, PLANES // 4, rng))
    kinds = {
        "usual": draw_pairs(usual, count, rng),
        "widened": draw_pairs(usual, count, rng, widened=True),
        "spina bifida": draw_pairs(open_spines, count, rng),
    }
    cerebella = list(atlas_slices(root, subjects, CEREBELLA, rng, TRANSCEREBELLAR))
    return kinds | {"transcerebellar": draw_pairs(cerebella, count, rng)}


def draw_pairs(
    slices: Sequence[BrainSlice],
    count: int,
    rng: np.random.Generator,
    widened: bool = False,
) -> Pairs:
    """Draw pairs: a slice, its anatomy warped, its ultrasound simulated.

    Args:
        slices: to draw from.
        count: of the pairs.
        rng: draws everything.
        widened: whether the ventricles are all pushed out by about their own width.
    """
    us, mri, tissues, sizes = [], [], [], []
    for place in rng.choice(len(slices), count):
        warp = Warp.draw(rng, slices[place].cephalic_index)
        if widened:
            warp = replace(warp, ventricle_pixels=float(rng.uniform(3, 5)))
        brain = warped(slices[place], warp, rng)
        us.append(simulate_brain(brain, rng).astype(np.float16))
        mri.append(brain.mri.astype(np.float16))
        tissues.append(brain.tissues)
        sizes.append(brain.size_mm)
    return Pairs(np.stack(us), np.stack(mri), np.stack(tissues), np.array(sizes, np.float32))


def read_brains(data: Path, part: str, cache: Path) -> list[BrainSlice]:
    """Random planes of the atlases' volumes of one part, kept in ``cache``."""
    path = cache / f"brains_{part}.npz"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        subjects = read_split("fetal_mri")[part]
        root, rng = data / "fetal_mri", np.random.default_rng(0)
        drawn = list(atlas_slices(root, subjects, PLANES, rng))
        drawn += atlas_slices(root, subjects, CEREBELLA, rng, TRANSCEREBELLAR)
        partial = path.with_name(f"brains_{part}.{os.getpid()}.partial.npz")
        np.savez(
            partial,
            subject=np.array([b.subject for b in drawn]),
            mri=np.stack([b.mri for b in drawn]).astype(np.float16),
            tissues=np.stack([b.tissues for b in drawn]),
            size_mm=np.array([b.size_mm for b in drawn], np.float32),
        )
        partial.replace(path)
    with np.load(path) as kept:
        rows = zip(
            kept["subject"], kept["mri"].astype(np.float32), kept["tissues"], kept["size_mm"]
        )
        return [BrainSlice(str(s), m, t, float(size)) for s, m, t, size in rows]
