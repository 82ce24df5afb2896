"""Translates many images inside Slicer, without its window::

    Slicer --no-splash --no-main-window --python-script USToMRI/batch.py -- INPUT OUTPUT [options]

INPUT, OUTPUT, the options, the summary and the exit status are those of ``ustomri batch``. Besides
image files, every file that Slicer reads is a case: scenes (``.mrb``, ``.mrml``; each volume in
them), sequences (one frame, with ``--frame``), and what its extensions add. ``dicom:UID``, as INPUT
or in a CSV file, is a study, a series or an instance of Slicer's DICOM database. ``--mrb`` saves a
scene with ultrasound and pseudo-MRI beside every result. The log goes to the standard output, and
Slicer ends by itself.

Slicer's own process reads the images and computes nothing; the module's worker process translates.
One process works on the cases, because images are read into its scene. Start the command again on
the same folders to have two.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import slicer
from slicer.ScriptedLoadableModule import ScriptedLoadableModule


def _findLibrary() -> None:
    """Put this folder on the path, and a source checkout's root, which holds USToMRILib."""
    here = Path(__file__).resolve().parent
    for folder in (str(here), str(here.parent)):
        if folder not in sys.path:
            sys.path.append(folder)


class batch(ScriptedLoadableModule):  # noqa: N801 - Slicer wants the file's name
    """Slicer takes every Python file beside a module for a module: this one shows nothing."""

    def __init__(self, parent: Any) -> None:
        """Describe the module to Slicer; called at its start, so nothing else happens here."""
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = "USToMRI batch"
        parent.categories = [""]
        parent.dependencies = []
        parent.contributors = ["The USToMRI contributors"]
        parent.helpText = __doc__
        parent.acknowledgementText = ""
        parent.hidden = True
        getattr(slicer, "selfTests", {}).pop(self.moduleName, None)  # it has none


def main(arguments: Sequence[str]) -> int:
    """Run the command and return its exit status.

    :param arguments: as on the command line, without the script's name.
    """
    _findLibrary()
    # Slicer keeps the "--" that parts its own arguments from the script's.
    words = [word for n, word in enumerate(arguments) if n or word != "--"]
    with contextlib.redirect_stderr(sys.stdout):
        return _run(words)


def _run(words: Sequence[str]) -> int:
    from USToMRILib import InputError
    from USToMRILib.cli.options import CANCELLED, UNUSABLE

    try:
        options = _options(words)
        _checkDependencies()
        return _translate(options)
    except InputError as error:
        print(f"ustomri: {error}", flush=True)
        return UNUSABLE
    except SystemExit as stop:  # argparse has said why
        return stop.code if isinstance(stop.code, int) else UNUSABLE
    except KeyboardInterrupt:  # the second Ctrl-C; the first one ends a run cleanly
        print("ustomri: cancelled; what is complete stays, go on with --resume.", flush=True)
        return CANCELLED
    except Exception:
        import traceback

        traceback.print_exc()
        return 1


def _options(words: Sequence[str]) -> argparse.Namespace:
    from USToMRILib import InputError
    from USToMRILib.cli.batch import add_batch_options

    parser = argparse.ArgumentParser("batch.py", description=__doc__.partition("::")[0])
    add_batch_options(parser)
    parser.add_argument(
        "--mrb", action="store_true", help="save a scene with both images beside every result"
    )
    options = parser.parse_args(words)
    if options.jobs != 1:
        raise InputError(
            "Inside Slicer one process works on the cases; leave out --jobs, and start the "
            "command again on the same folders for each further one."
        )
    return options


def _checkDependencies() -> None:
    from USToMRILib import InputError

    if not importlib.util.find_spec("torch"):
        raise InputError(
            "This Slicer has no PyTorch; press Translate once in the module 'Ultrasound to MRI', "
            "which installs it."
        )


def _translate(options: argparse.Namespace) -> int:
    from USToMRIModule.Batch.SceneSource import SceneSource
    from USToMRIModule.Worker.WorkerClient import defaultCommand, sharedWorker, stopWorkers

    from USToMRILib.batch.run import in_this_process
    from USToMRILib.cli.batch import run_options

    source = SceneSource(sharedWorker(defaultCommand()), saveScenes=options.mrb)
    try:
        return run_options(options, source, in_this_process(source))
    finally:
        stopWorkers()


if __name__ == "__main__":
    status = 1
    try:
        status = main(sys.argv[1:])
    finally:  # whatever happened: without a window, nobody could end Slicer
        slicer.util.exit(status)
