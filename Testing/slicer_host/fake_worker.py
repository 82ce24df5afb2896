"""Stands in for the library's command line: the output is the input, the manner is chosen.

    fake_worker.py MANNER translate INPUT OUTPUT [options]

MANNER is ``good``, ``slow`` (with a child process, until it is ended), ``unusable`` (exit status
2), ``broken`` (1), ``crash`` or ``silent`` (exit status 0 without an output).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import SimpleITK as sitk


def main() -> int:
    """Run the chosen manner and return the exit status."""
    parser = argparse.ArgumentParser()
    for name in ("manner", "command", "input", "output"):
        parser.add_argument(name)
    for name in ("method", "device", "steps", "seed", "provenance", "progress"):
        parser.add_argument(f"--{name}")
    options = parser.parse_args()
    report({"phase": "translate", "step": 1, "of": 4, "eta_s": 2.6})
    if options.manner == "slow":
        sleep_with_child(Path(options.provenance).parent)
    if options.manner == "crash":
        os.kill(os.getpid(), 9)
    if options.manner == "unusable":
        print("ustomri: No head was found; draw it.", file=sys.stderr)
        return 2
    if options.manner == "broken":
        print("Traceback: something broke", file=sys.stderr)
        return 1
    if options.manner == "good":
        translate(options)
    return 0


def report(event: dict[str, Any]) -> None:
    """Write a line of progress."""
    print(json.dumps(event), file=sys.stderr, flush=True)


def translate(options: argparse.Namespace) -> None:
    """Copy the input to the output, and write down the options."""
    image = sitk.ReadImage(options.input)
    sitk.WriteImage(sitk.Cast(image, sitk.sitkFloat32), options.output)
    provenance = {**vars(options), "warnings": ["The GPU was full; the CPU did it."]}
    Path(options.provenance).write_text(json.dumps(provenance), encoding="utf-8")
    report({"phase": "translate", "step": 4, "of": 4, "eta_s": None})


def sleep_with_child(folder: Path) -> None:
    """Start a child as a launcher does, write down both process ids, and wait for the end."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    Path(os.environ["USTOMRI_FAKE_PIDS"]).write_text(f"{os.getpid()} {child.pid} {folder}")
    report({"phase": "translate", "step": 2, "of": 4, "eta_s": 60})
    time.sleep(60)


if __name__ == "__main__":
    sys.exit(main())
