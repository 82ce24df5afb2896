"""Stands in for the library's command line: the output is the input, the manner is chosen.

    fake_worker.py MANNER worker

MANNER is ``good``, ``slow`` (with a child process, until it is ended), ``unusable``,
``broken``, ``memory``, ``crash``, ``silent`` (done without an output) or
``stubborn`` (good, but never ends a task with 13 steps).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import SimpleITK as sitk

ERRORS = {
    "unusable": ("No head was found; draw it.", "input"),
    "broken": ("ZeroDivisionError: division by zero", "failure"),
    "memory": ("MemoryError: ", "memory"),
}
DEVICES = [
    {"name": "cuda", "label": "Big GPU", "free_bytes": 78_000_000_000},
    {"name": "cpu", "label": "small", "free_bytes": None},
]
BIOMETRY = {
    "head_circumference_mm": 170.0,
    "biparietal_diameter_mm": 47.0,
    "occipitofrontal_diameter_mm": 61.0,
    "cephalic_index": 77.0,
    "diameters": "outer to outer edge of the skull",
    "gestational_age": [
        {
            "chart": "Hadlock 1984",
            "weeks": 19.6,
            "low_weeks": 18.1,
            "high_weeks": 21.1,
            "interval": "2 standard deviations",
            "source": "Radiology",
        }
    ],
}
ELLIPSE = {"centre": [1.0, 1.2], "semi_axes": [0.9, 0.6], "angle": 0.3, "midline": 0.0}


def main() -> None:
    """Answer every request in the chosen manner."""
    manner = sys.argv[1]
    for line in sys.stdin:
        request = json.loads(line)
        if "run" in request:
            reply = answer(manner, request["id"], request["run"], request["with"])
            print(json.dumps({"id": request["id"], **reply}), flush=True)


def answer(manner: str, number: int, task: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Do one task."""
    if task == "devices":
        return {"done": {"devices": DEVICES}}
    if task == "head":
        found = {"circumference_mm": 4.7, "ellipse": ELLIPSE, "biometry": BIOMETRY}
        return {"done": {**found, "warnings": []}}
    if task == "live":
        return live(manner, arguments)
    report(number, 1, 2.6)
    if manner == "slow":
        sleep_with_child(number, Path(arguments["input"]).parent)
    if manner == "crash":
        os.kill(os.getpid(), 9)
    if manner in ERRORS:
        message, kind = ERRORS[manner]
        # The library tells which of its files cannot be used.
        named = f"{arguments['input']}: {message}" if kind == "input" else message
        return {"error": named, "kind": kind}
    if manner == "stubborn" and arguments["options"].get("steps") == 13:
        time.sleep(60)
    if manner in ("good", "stubborn"):
        image = sitk.ReadImage(arguments["input"])
        made = sitk.Cast(image, sitk.sitkFloat32)
        sitk.WriteImage(made, arguments["output"])
        if "residual" in arguments["maps"]:
            sitk.WriteImage(made + 1, arguments["maps"]["residual"])
        if "tissues" in arguments["maps"]:
            sitk.WriteImage(image > 0, arguments["maps"]["tissues"])
        report(number, 4, None)
    return {"done": {"provenance": provenance(arguments)}}


def live(manner: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Answer with the frame itself, or find no head where it is dark."""
    if manner == "slow":
        time.sleep(60)
    if manner == "crash":
        os.kill(os.getpid(), 9)
    image = sitk.Cast(sitk.ReadImage(arguments["input"]), sitk.sitkFloat32)
    if sitk.GetArrayViewFromImage(image).max() < 0.01:
        return {"error": f"{arguments['input']}: No fetal head was found.", "kind": "input"}
    sitk.WriteImage(image, arguments["output"])
    if "tissues" in arguments:
        sitk.WriteImage(image > image_middle(image), arguments["tissues"])
    return {"done": {"provenance": {"method": arguments["method"], "warnings": []}}}


def image_middle(image: Any) -> float:
    """Return the mean grey value."""
    return float(sitk.GetArrayViewFromImage(image).mean())


def provenance(arguments: dict[str, Any]) -> dict[str, Any]:
    """Write down what was asked for, and which process it was."""
    asked = {name: arguments[name] for name in ("method", "device", "head")}
    warnings = ["The GPU was full; the CPU did it."]
    return {**asked, **arguments["options"], "process": os.getpid(), "warnings": warnings}


def report(number: int, step: int, eta_s: float | None) -> None:
    """Write a line of progress."""
    event = {"phase": "decode", "step": step, "of": 4, "eta_s": eta_s}
    print(json.dumps({"id": number, "progress": event}), flush=True)


def sleep_with_child(number: int, folder: Path) -> None:
    """Start a child as a launcher does, write down both process ids, and wait for the end."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    Path(os.environ["USTOMRI_FAKE_PIDS"]).write_text(f"{os.getpid()} {child.pid} {folder}")
    report(number, 2, 60)
    time.sleep(60)


if __name__ == "__main__":
    main()
