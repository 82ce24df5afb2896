"""The loop of every training: steps, log, checks, checkpoints."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from training.train.checkpoint import save_checkpoint
from training.train.parallel import ALONE, Ranks
from training.train.runlog import RunLog, progress_bar
from training.train.trainer import Trainer

CHECKPOINT = "checkpoint.pt"
# The newest checkpoint before the learning rate goes down, from which a run can go on for longer.
LEVEL_CHECKPOINT = "level.pt"


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
    steps: int,
    work: Path,
    check: Callable[[], dict[str, float]],
    *,
    ranks: Ranks = ALONE,
    log_every: int = 50,
    check_every: int | None = None,
    save_every: int | None = None,
    level_until: int = 0,
) -> None:
    """Train to the last step.

    Args:
        trainer: of the run, which may have taken steps before.
        steps: the last one.
        work: folder of the run; gets ``log.jsonl`` and ``checkpoint.pt``.
        check: figures of the network as it is by then; may draw pictures of it too.
        ranks: the processes that train together; the first one checks, logs and saves.
        log_every: steps between entries of the mean losses.
        check_every: steps between checks; a tenth of the run where None.
        save_every: steps between checkpoints beside those with each check.
        level_until: up to this step a checkpoint is ``level.pt`` too.
    """
    recent: list[dict[str, float]] = []
    check_every = check_every or max(1, steps // 10)
    with RunLog(work, trainer.step, ranks) as log:
        for _ in progress_bar(trainer.step, steps, ranks):
            recent.append(trainer.train_step())
            if not ranks.first:
                continue
            last, figures = trainer.step == steps, {}
            if trainer.step % log_every == 0 or last:
                figures = {name: float(np.mean([r[name] for r in recent])) for name in recent[0]}
                recent.clear()
            checked = trainer.step % check_every == 0 or last
            if checked:
                figures.update(check())
            if figures:
                log.write(trainer.step, figures)
            if checked or (save_every and trainer.step % save_every == 0):
                save_checkpoint(work / CHECKPOINT, trainer.state())
                if trainer.step <= level_until:
                    save_checkpoint(work / LEVEL_CHECKPOINT, trainer.state())
