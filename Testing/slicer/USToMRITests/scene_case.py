"""What the tests have in common: an empty scene, a folder, a stand-in for the networks."""

from __future__ import annotations

import tempfile
import unittest
from pathlib import Path
from typing import Any, Callable

import numpy as np
import slicer
from USToMRIModule.Logic import USToMRILogic
from USToMRIModule.Scene.VolumeNodes import Result
from USToMRIModule.Worker.WorkerClient import Handlers

from USToMRILib import ImageSequence, Volume
from USToMRILib.files import sample_path

from . import volumes

RNG = np.random.default_rng(11)

# Survives headers and records: letters beyond ASCII, quotes.
NOTICE = 'Künstlich: "not a scan"'

# A quarter turn and a shift, of a transform node.
TABLE = np.array([[0, -1, 0, 10], [1, 0, 0, -20], [0, 0, 1, 5], [0, 0, 0, 1]], float)


class SceneCase(unittest.TestCase):
    """Starts every test from an empty scene."""

    def setUp(self) -> None:
        """Empty the scene."""
        self.empty_scene()

    def tearDown(self) -> None:
        """Leave nothing behind."""
        self.empty_scene()

    def empty_scene(self) -> None:
        """Close the scene, as before another one is opened."""
        slicer.mrmlScene.Clear(0)

    def folder(self) -> Path:
        """Return an empty folder that goes when the test ends."""
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        return Path(temporary.name)


class FunctionWorker:
    """Stands in for the worker process: a function translates, in the files that it is given.

    What the function raises is the error that the worker tells.
    """

    def __init__(self, translate: Callable[..., Any]) -> None:
        """Take a function of a volume and the options, which returns a :class:`Result`."""
        self._translate = translate

    def send(self, task: str, arguments: dict[str, Any], handlers: Handlers) -> int:
        """Do a translation, or a live frame, at once."""
        options = {"method": arguments["method"], **arguments.get("options", {})}
        head, maps = arguments.get("head"), arguments.get("maps", {})
        if head is not None:
            options["head"] = head if head == "none" else Volume.read(head)
        options.update(dict.fromkeys(maps, True))
        try:
            images = _read(arguments)
            made = [self._translate(image, **options) for image in images]
        except Exception as error:
            handlers.onError(error)
            return 1
        _write([each.volume for each in made], arguments["output"])
        for name, path in maps.items():
            _write([each.maps[name] for each in made], path)
        for number, sample in enumerate(made[0].samples, start=1):
            _write([sample], str(sample_path(Path(arguments["output"]), number)))
        handlers.onDone({"provenance": made[0].provenance})
        return 1

    def cancel(self, number: int) -> None:
        """Do nothing: it has ended."""

    def wait(self) -> None:
        """Do nothing: there is nothing to wait for."""


def _read(arguments: dict[str, Any]) -> list[Volume]:
    """Return what is to be translated: an image, or all of a sequence."""
    path = arguments["input"]
    return [*ImageSequence.read(path)] if "frame" in arguments else [Volume.read(path)]


def _write(volumes: list[Volume], path: str) -> None:
    made = [volume.with_array(volume.array.astype(np.float32)) for volume in volumes]
    written = made[0] if len(made) == 1 else ImageSequence.of(made)
    written.write(path, compress=False)


def logic_with(translate: Callable[..., Any]) -> USToMRILogic:
    """Return a logic for which a function translates."""
    return USToMRILogic(worker=FunctionWorker(translate))


def halved(volume: Any, method: str, **options: Any) -> Result:
    """Stand in for the networks with something whose outcome is known."""
    provenance = {
        "method": method,
        "options": options,
        "notice": NOTICE,
        "warnings": ["Be careful."],
    }
    return Result(volume.with_array(volume.array.astype(np.float32) / 2), provenance)


def add_ultrasound(*shape: int) -> Any:
    """Add an ultrasound of a shape (k, j, i)."""
    return volumes.add_volume("US", RNG.random(shape).astype(np.float32))
