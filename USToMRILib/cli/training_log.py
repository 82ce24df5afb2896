"""``ustomri training-log``: the loss curves and the table of a training of the 3D network."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..files import check_creatable
from .options import DONE


def add_training_log(commands: Any) -> None:
    """Add the subcommand."""
    command = commands.add_parser("training-log", help="loss curves of the 3D network's training")
    command.add_argument("log", type=Path, metavar="LOG.jsonl", help="of training.train.pix2pix3d")
    command.add_argument("--json", type=Path, metavar="FILE.json")
    command.add_argument("--report", type=Path, metavar="FILE.html", required=True)
    command.set_defaults(run=_training_log)


def _training_log(options: argparse.Namespace) -> int:
    from ..evaluation.report import write_report, write_results
    from ..evaluation.training_log import read_training_log, section

    for path in (options.json, options.report):
        if path:
            check_creatable(path)
    part = section(read_training_log(options.log))
    if options.json:
        write_results(options.json, [part])
    write_report(options.report, part["title"], f"From {options.log.name}.", [part])
    return DONE
