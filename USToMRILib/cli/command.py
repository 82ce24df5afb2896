"""The command line ``ustomri``.

Exit status: 0 done, 2 unusable arguments or input (one line on stderr), 1 a failure of ours, 130
cancelled.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

from ..compute.bundle import list_bundles, models_dir, read_metadata, verify_bundle
from ..compute.torch_environment import prepare_torch
from ..errors import Cancelled, InputError
from ..image.cnr import contrast_to_noise
from ..image.regions import read_region
from ..image.volume import Volume
from ..version import __version__
from .batch import add_batch
from .devices import add_devices
from .evaluate import add_evaluate
from .head import add_head
from .live import add_live
from .methods import add_methods
from .options import CANCELLED, DONE, UNUSABLE, add_input
from .outlines import add_outlines
from .reader_study import add_reader_study
from .translate import add_translate
from .worker import add_worker


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}; see {self.prog} --help.")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    prepare_torch()
    if isinstance(sys.stdout, io.TextIOWrapper):  # a log in an old encoding holds no name of a case
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        options = parser().parse_args(arguments)
        return options.run(options)
    except InputError as error:
        print(f"ustomri: {error}", file=sys.stderr)
        return UNUSABLE
    except ModuleNotFoundError as error:
        if error.name != "USToMRILib.evaluation":
            raise
        print(
            "ustomri: evaluation is not part of the library inside Slicer; install USToMRI with "
            "pip to use it.",
            file=sys.stderr,
        )
        return UNUSABLE
    except (Cancelled, KeyboardInterrupt):
        print("ustomri: cancelled; nothing was written.", file=sys.stderr)
        return CANCELLED


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line; it raises InputError for unusable arguments."""
    parser = _Parser("ustomri", description="Brain ultrasound to pseudo-MRI.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    add_translate(commands)
    add_batch(commands)
    add_head(commands)
    add_live(commands)
    add_methods(commands)
    add_devices(commands)
    add_worker(commands)
    _add_cnr(commands)
    _add_models(commands)
    add_reader_study(commands)
    add_outlines(commands)
    add_evaluate(commands)
    return parser


def _add_cnr(commands: Any) -> None:
    command = commands.add_parser("cnr", help="contrast-to-noise ratio, JSON on stdout")
    add_input(command)
    for name in ("--roi", "--background"):
        command.add_argument(
            name, type=Path, required=True, metavar="FILE", help="Slicer ROI .mrk.json, or a mask"
        )
    command.set_defaults(run=_cnr)


def _add_models(commands: Any) -> None:
    command = commands.add_parser("models", help="list or verify the model bundles")
    command.add_argument("action", choices=("list", "verify"))
    command.set_defaults(run=_models)


def _cnr(options: argparse.Namespace) -> int:
    volume = Volume.read(options.input, options.pixel_size, options.frame, options.region)
    regions = (read_region(path, volume.grid) for path in (options.roi, options.background))
    print(json.dumps(asdict(contrast_to_noise(volume.array, *regions))))
    return DONE


def _models(options: argparse.Namespace) -> int:
    names = list_bundles()
    if not names:
        raise InputError(
            f"{models_dir()} holds no model bundles; install the complete extension or point "
            "USTOMRI_MODELS to a folder that holds them."
        )
    for name in names:
        metadata = read_metadata(name)
        state = f"verified {verify_bundle(name)}" if options.action == "verify" else ""
        print(f"{name} {metadata['version']}: {metadata['task']} {state}".rstrip())
    return DONE
