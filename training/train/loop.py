"""The loop that all trainings of slices share: steps, checkpoints, log, validation, pictures."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from training.data.fetal_slices import contact_sheet
from training.runinfo import append_record
from training.train.checkpoint import load_checkpoint, save_checkpoint
from training.train.runlog import RunLog

CHECKPOINT = "checkpoint.pt"


class Trainer(Protocol):
    """What :func:`run` drives."""

    step: int

    def train_step(self) -> dict[str, float]:
        """One optimiser step; its losses."""

    def validate(self) -> dict[str, float]:
        """Figures of the averaged network on data that training does not see."""

    def pictures(self) -> np.ndarray:
        """What to look at, [N, 128, 128] in [-1, 1], eight a row."""

    def state(self) -> dict[str, Any]:
        """Everything that the rest of the run depends on."""

    def load(self, state: dict[str, Any]) -> None:
        """Go on from :meth:`state`."""


def rate(step: int, steps: int, warmup: int, cooldown: int) -> float:
    """Learning rate over its maximum: up, level, and down to 1 % over the last steps.

    A run that is level can be ended whenever there is no more time, and gone on with from before
    its last steps (Haegele et al. 2024, arXiv:2405.18392), which a cosine cannot.
    """
    if step < warmup:
        return (step + 1) / warmup
    left = (steps - step) / max(cooldown, 1)
    return max(0.01, 1 - max(0.0, 1 - left) ** 0.5) if left < 1 else 1.0


def run(
    trainer: Trainer,
    work: Path,
    steps: int,
    cooldown: int,
    record: dict[str, Any],
    every: int = 1000,
    minutes: float = 5.0,
) -> None:
    """Train to the last step, from the newest checkpoint in ``work`` if there is one.

    Args:
        trainer: of the run.
        work: its folder; gets ``checkpoint.pt``, ``level.pt`` (the newest before the learning rate
            goes down), ``run.json``, ``log.jsonl`` and sheets of pictures.
        steps: the last one.
        cooldown: over how many of them the rate goes down.
        record: of the command, see :func:`training.runinfo.run_record`.
        every: steps between validations.
        minutes: between checkpoints.
    """
    if (work / CHECKPOINT).exists():
        trainer.load(load_checkpoint(work / CHECKPOINT))
    append_record(work / "run.json", record, trainer.step)
    saved, losses = time.monotonic(), []
    with RunLog(work, trainer.step) as log:
        while trainer.step < steps:
            losses.append(trainer.train_step())
            if trainer.step % 50 == 0:
                log.write(
                    trainer.step, {k: float(np.mean([x[k] for x in losses])) for k in losses[0]}
                )
                losses.clear()
            due = trainer.step % every == 0 or trainer.step == steps
            if due:
                log.write(trainer.step, trainer.validate())
                contact_sheet(trainer.pictures(), work / f"sheet_{trainer.step:06}.png")
            if due or time.monotonic() - saved > 60 * minutes:
                save_checkpoint(work / CHECKPOINT, trainer.state())
                if trainer.step <= steps - cooldown:
                    save_checkpoint(work / "level.pt", trainer.state())
                saved = time.monotonic()
