"""``ustomri evaluate``: the papers' metrics for folders of images."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..files import check_creatable
from .options import DONE, add_progress, cancel_on_signals, reporter, warn

if TYPE_CHECKING:
    from ..evaluation.results import Evaluation


def add_evaluate(commands: Any) -> None:
    """Add the subcommand."""
    command = commands.add_parser(
        "evaluate", help="the papers' metrics, tests and figures for folders of images"
    )
    folder = {"type": Path, "metavar": "DIR"}
    command.add_argument(
        "--reference", required=True, help="what images are compared with", **folder
    )
    command.add_argument(
        "--images",
        action="append",
        required=True,
        metavar="[NAME=]DIR",
        help="the images of one method; once for each method",
    )
    command.add_argument("--masks", help="the foreground; default: reference above 0", **folder)
    command.add_argument(
        "--rois", help="CASE_roi and CASE_background: Slicer ROIs (.mrk.json) or masks", **folder
    )
    command.add_argument(
        "--real", help="what FID and KID compare with; default: reference", **folder
    )
    command.add_argument("--metrics", metavar="LIST", help="with commas between; default: all")
    command.add_argument(
        "--pixel-size",
        type=float,
        metavar="MM",
        help="of images that do not state it; of pictures it matters for Slicer ROIs only",
    )
    command.add_argument(
        "--rescale", action="store_true", help="least and greatest value of every image to 0, 255"
    )
    command.add_argument("--lpips-weights", type=Path, metavar="FILE", help="torchvision's AlexNet")
    command.add_argument(
        "--inception-weights", type=Path, metavar="FILE", help="TorchScript, for FID and KID"
    )
    command.add_argument(
        "--split", default="", metavar="TEXT", help="which data these are, in words"
    )
    command.add_argument("--json", type=Path, metavar="OUT.json")
    command.add_argument("--report", type=Path, metavar="OUT.html")
    add_progress(command)
    command.set_defaults(run=_evaluate)


def _evaluate(options: argparse.Namespace) -> int:
    from ..evaluation.report import write_report, write_results
    from ..evaluation.sections import evaluation_record, evaluation_sections, summary

    outputs = [path for path in (options.json, options.report) if path]
    if not outputs:
        raise InputError("There is nowhere to write to; give --json OUT.json or --report OUT.html.")
    for path in outputs:
        check_creatable(path)
    evaluation = _measure(options)
    command = shlex.join(["ustomri", *sys.argv[1:]])
    sections = evaluation_sections(evaluation, evaluation_record(command, options.split))
    if options.json:
        write_results(options.json, sections)
    if options.report:
        write_report(options.report, "Evaluation", summary(evaluation), sections)
    warn(map(str, evaluation.problems))
    if evaluation.refused:
        number, of = len(evaluation.refused), len(evaluation.cases)
        warn([f"Of {number} of the {of} cases nothing could be measured."])
    return DONE


def _measure(options: argparse.Namespace) -> Evaluation:
    from ..evaluation.evaluate import evaluate
    from ..evaluation.pairing import Folders
    from ..image.folders import Reader

    names = [name.strip() for name in options.metrics.split(",")] if options.metrics else None
    return evaluate(
        Folders(
            options.reference, _methods(options.images), options.masks, options.rois, options.real
        ),
        names,
        reader=Reader(options.pixel_size, options.rescale),
        lpips_weights=options.lpips_weights,
        inception_weights=options.inception_weights,
        progress=reporter(options.progress),
        cancel=cancel_on_signals(),
    )


def _methods(images: list[str]) -> dict[str, Path]:
    """The folder of each method, by the name given or that of the folder."""
    methods: dict[str, Path] = {}
    for text in images:
        name, equals, folder = text.partition("=")
        path = Path(folder if equals and not Path(text).is_dir() else text)
        name = name if path == Path(folder) and equals else path.resolve().name
        if name in methods:
            raise InputError(
                f"Two folders of images are called {name!r}; name them: --images NAME=DIR."
            )
        methods[name] = path
    return methods
