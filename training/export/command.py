"""What the command that makes a bundle of a training run begins and ends with."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch

from training.data.location import add_data_option
from training.train.checkpoint import load_checkpoint
from training.train.loop import CHECKPOINT


def export_parser(description: str | None, run: str, note: bool = True) -> argparse.ArgumentParser:
    """Options that all have: ``--data``, ``--work``, ``--models``, ``--threads``.

    Args:
        description: of the command.
        run: folder of the run unless one is given; the value of another option in braces.
        note: whether the card has room for a ``--note``.
    """
    parser = argparse.ArgumentParser(description=description, fromfile_prefix_chars="@")
    add_data_option(parser)
    parser.add_argument("--work", type=Path, help=f"folder of the run; default: {run}")
    parser.add_argument("--models", type=Path, help="default: the library's folder of bundles")
    parser.add_argument("--threads", type=int, help="CPU threads; all where not given")
    if note:
        parser.add_argument(
            "--note", default="", help="what the card should add about this training"
        )
    parser.set_defaults(run=run)
    return parser


def begin(parser: argparse.ArgumentParser) -> tuple[argparse.Namespace, dict[str, Any]]:
    """Read the options, set the threads, and return the options and the run's checkpoint.

    Ends the program with a sentence where there is no such run.
    """
    options = parser.parse_args()
    options.work = options.work or Path(options.run.format(**vars(options)))
    if options.threads:
        torch.set_num_threads(options.threads)
    checkpoint = options.work / CHECKPOINT
    if not checkpoint.exists():
        parser.error(f"{checkpoint} does not exist; give the folder of a run with --work")
    return options, load_checkpoint(checkpoint)


def show(folder: Path, metrics: dict[str, Any]) -> None:
    """Say where the bundle is and what was measured."""
    print(f"{folder}\n{json.dumps(metrics, indent=2)}")
