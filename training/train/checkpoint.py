"""Checkpoints from which a run goes on as if it had never stopped."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write ``state`` so that ``path`` holds either the old checkpoint or the new, never half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    os.replace(partial, path)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint on the CPU; tensors and plain values only."""
    return torch.load(path, map_location="cpu", weights_only=True)


def step_generator(seed: int, step: int, rank: int = 0) -> torch.Generator:
    """The random numbers of one step, the same however often the run was stopped before it.

    Args:
        seed: of the run.
        step: from 0; -1 for what belongs to no step.
        rank: of the process, each of which draws its own batch.
    """
    # The CPU's generator looks at the lowest 32 bits only.
    return torch.Generator().manual_seed(seed * 1_000_003 + step + rank * 300_000_007)
