"""What the tests have in common: an empty scene, a folder, a stand-in for the networks."""

from __future__ import annotations

import tempfile
import unittest
from pathlib import Path
from typing import Any

import numpy as np
import slicer
from USToMRIModule.Scene.VolumeNodes import Result

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


def halved(volume: Any, method: str, **options: Any) -> Result:
    """Stand in for the networks with something whose outcome is known."""
    provenance = {
        "method": method,
        "options": options,
        "notice": NOTICE,
        "warnings": ["Be careful."],
    }
    return Result(volume.with_array(volume.array.astype(np.float32) / 2), provenance)
