"""What the command of every training has: its options, and how it goes on."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, Optional

import torch

from training.data.location import add_data_option
from training.runinfo import append_record, run_record
from training.train.checkpoint import load_checkpoint
from training.train.loop import CHECKPOINT
from training.train.parallel import ALONE, Ranks
from training.train.trainer import Trainer


def training_parser(
    description: Optional[str], work: Optional[Path], steps: int, data_needed: bool = True
) -> argparse.ArgumentParser:
    """Options that all have: ``--data``, ``--work``, ``--steps``, ``--seed``, ``--threads``.

    Args:
        description: of the training.
        work: folder of the run, unless one is given; None where the domain decides.
        steps: of the run, unless they are given.
        data_needed: whether nothing can be done without ``--data``.
    """
    parser = argparse.ArgumentParser(description=description, fromfile_prefix_chars="@")
    add_data_option(parser, data_needed)
    usual = work or "one in runs/ that is named after the domain"
    parser.add_argument(
        "--work", type=Path, default=work, help=f"folder of the run; default: {usual}"
    )
    parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, help="CPU threads; all where not given")
    return parser


def prepare(options: argparse.Namespace) -> None:
    """Make the folder of the run, and use as many threads as were asked for."""
    options.work.mkdir(parents=True, exist_ok=True)
    if options.threads:
        torch.set_num_threads(options.threads)


def go_on(
    trainer: Trainer, work: Path, ranks: Ranks = ALONE, record: Optional[dict[str, Any]] = None
) -> None:
    """Go on from the newest checkpoint in ``work``, if there is one, and note by which command.

    Args:
        trainer: of the run.
        work: folder of the run.
        ranks: the processes that train together; the first one notes it.
        record: what to note besides.
    """
    if (work / CHECKPOINT).exists():
        trainer.load(load_checkpoint(work / CHECKPOINT))
    if ranks.first:
        whole = {**run_record(trainer.config.seed, ranks.count), **(record or {})}
        append_record(work / "run.json", whole, trainer.step)
