"""``ustomri reader-study``: make the page of a Medical Opinion Test, and sum up its answers."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..files import check_creatable
from .options import DONE, warn, write_json


def add_reader_study(commands: Any) -> None:
    """Add the subcommand."""
    command = commands.add_parser("reader-study", help="medical opinion test: make it, sum it up")
    actions = command.add_subparsers(dest="action", required=True, metavar="ACTION")
    _add_make(actions)
    _add_summary(actions)


def _add_make(actions: Any) -> None:
    command = actions.add_parser("make", help="one offline HTML page from a folder of pairs")
    command.add_argument(
        "pairs", type=Path, metavar="PAIRS_DIR", help="holds the folders ultrasound and pseudo_mri"
    )
    command.add_argument("output", type=Path, metavar="OUT.html")
    command.add_argument(
        "--blinded", action="store_true", help="no labels, and the sides swapped at random"
    )
    command.add_argument("--seed", type=int, default=0, help="of the order and the sides")
    command.add_argument("--title", default="Medical opinion test")
    command.set_defaults(run=_make)


def _add_summary(actions: Any) -> None:
    command = actions.add_parser("summary", help="percentages and agreement of the readers")
    command.add_argument("answers", type=Path, nargs="+", metavar="CSV", help="one of each reader")
    command.add_argument("--json", type=Path, metavar="FILE.json", help="default: stdout")
    command.add_argument("--report", type=Path, metavar="FILE.html", help="with the papers' figure")
    command.add_argument("--seed", type=int, default=0, help="of the bootstrap")
    command.set_defaults(run=_summary)


def _make(options: argparse.Namespace) -> int:
    from ..reader_study.pairs import read_pairs
    from ..reader_study.study import write_study

    check_creatable(options.output)
    pairs, problems = read_pairs(options.pairs)
    write_study(
        options.output, pairs, blinded=options.blinded, seed=options.seed, title=options.title
    )
    warn(problems)
    return DONE


def _summary(options: argparse.Namespace) -> int:
    from ..evaluation.reader_study_summary import read_answers, section, summarise
    from ..evaluation.report import write_report

    for path in (options.json, options.report):
        if path:
            check_creatable(path)
    answers, problems = read_answers(options.answers)
    summary = summarise(answers, seed=options.seed)
    summary["problems"] = problems
    write_json(summary, options.json)
    if options.report:
        readers = ", ".join(summary["readers"])
        lead = f"{summary['cases']} pairs of ultrasound and pseudo-MRI, judged by {readers}."
        write_report(options.report, "Medical opinion test", lead, [section(summary)])
    warn(problems)
    return DONE
