"""``ustomri outlines``: the same prompt on ultrasound and pseudo-MRI, and what comes of it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..compute.device import choose_device
from ..errors import InputError
from ..files import check_creatable
from .options import DONE, add_device, warn, write_json


def add_outlines(commands: Any) -> None:
    """Add the subcommand."""
    command = commands.add_parser(
        "outlines", help="how smooth a structure's outline is in ultrasound and pseudo-MRI"
    )
    command.add_argument(
        "pairs", type=Path, metavar="PAIRS_DIR", help="holds the folders ultrasound and pseudo_mri"
    )
    command.add_argument(
        "prompts",
        type=Path,
        metavar="PROMPTS.csv",
        help="case,structure,left,top,right,bottom[,x,y] in pixels of the ultrasound",
    )
    command.add_argument(
        "--sam",
        type=Path,
        metavar="WEIGHTS",
        help="of Segment Anything (sam_vit_b_01ec64.pth ...); default: a random walker",
    )
    add_device(command)
    command.add_argument("--json", type=Path, metavar="FILE.json", help="default: stdout")
    command.add_argument("--report", type=Path, metavar="FILE.html", help="with the picture")
    command.set_defaults(run=_outlines)


def _outlines(options: argparse.Namespace) -> int:
    from ..evaluation.outline_report import section
    from ..evaluation.outlines import as_json, outline_tasks, read_tasks
    from ..evaluation.packages import check_packages
    from ..evaluation.report import write_report
    from ..evaluation.segmenters import random_walker, segment_anything
    from ..reader_study.pairs import read_pairs

    for path in (options.json, options.report):
        if path:
            check_creatable(path)
    if options.report:
        check_packages()
    tasks, problems = read_tasks(options.prompts)
    pairs, unpaired = read_pairs(options.pairs)
    segmenter = (
        segment_anything(options.sam, choose_device(options.device))
        if options.sam
        else random_walker()
    )
    outlined, failed = outline_tasks(pairs, tasks, segmenter)
    problems += unpaired + failed
    if not outlined:
        raise InputError(f"Nothing could be outlined. {' '.join(problems)}")
    write_json({**as_json(outlined, segmenter), "problems": problems}, options.json)
    if options.report:
        lead = f"{len(outlined)} prompts, outlined by: {segmenter.name}."
        parts = [section(outlined, segmenter, problems)]
        write_report(options.report, "Outlines in ultrasound and pseudo-MRI", lead, parts)
    warn(problems)
    return DONE
