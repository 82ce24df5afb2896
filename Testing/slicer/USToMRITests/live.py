"""Live mode: a pseudo-MRI follows what a volume shows."""

from __future__ import annotations

import time
from typing import Any, Callable

import numpy as np
import slicer
from USToMRIModule.Scene.Sequences import sequenceOf

from .scene_case import SceneCase, halved, logic_with
from .sequences import add_sequence, show

# How long Qt may take to get round to a timer.
_PATIENCE_S = 30.0


class LiveTest(SceneCase):
    """A sequence that is played."""

    def test_a_played_sequence_is_followed_and_recorded(self) -> None:
        """Every time point that is shown has its pseudo-MRI; the recording has both."""
        browser, node = add_sequence()
        job = logic_with(halved).liveJob(node)
        self.addCleanup(job.cancel)
        job.start()
        job.record(True)
        for index, value in enumerate((0.0, 5.0, 10.0)):
            show(browser, index)
            self.wait(lambda value=value: shows(job.outputNode, value))  # type: ignore[misc]
            self.assertEqual(job.outputNode.GetAttribute("USToMRI.synthetic"), "true")
        job.cancel()
        self.assertFalse(job.running)
        show(browser, 0)
        slicer.app.processEvents()
        self.assertTrue(shows(job.outputNode, 10.0))  # the last picture stays
        (recorded,) = [
            each
            for each in slicer.util.getNodesByClass("vtkMRMLSequenceBrowserNode")
            if each is not browser
        ]
        sequences = [sequenceOf(each) for each in volumes_of(recorded)]
        counts = {each.node.GetNumberOfDataNodes() for each in sequences if each}
        self.assertEqual(len(sequences), 2)
        self.assertEqual(len(counts), 1)
        self.assertGreaterEqual(min(counts), 3)

    def wait(self, condition: Callable[[], bool]) -> None:
        """Let Qt work until a condition holds."""
        end = time.monotonic() + _PATIENCE_S
        while not condition():
            self.assertLess(time.monotonic(), end, "It did not happen in time.")
            slicer.app.processEvents()
            time.sleep(0.005)


def shows(node: Any, value: float) -> bool:
    """Return whether all voxels of a volume, if there is one, have a value."""
    return node is not None and bool(np.all(slicer.util.arrayFromVolume(node) == value))


def volumes_of(browser: Any) -> list[Any]:
    """Return the volumes that show what a browser browses."""
    update = slicer.app.applicationLogic().GetModuleLogic("Sequences").UpdateProxyNodesFromSequences
    update(browser)
    nodes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    return [node for node in nodes if browser.IsProxyNodeID(node.GetID())]
