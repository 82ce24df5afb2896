"""The examples that the tutorial gives for Slicer's Python console, run as they stand."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slicer_host

slicer_host.require_panel()

import slicer  # noqa: E402
from slicer_host.slicer_python import path_with_python  # noqa: E402
from slicer_host.waiting import wait_until  # noqa: E402
from USToMRITests import volumes  # noqa: E402

from USToMRILib import Volume  # noqa: E402

slicer_host.start(panel=True)

ROOT = Path(__file__).parents[2]


@pytest.fixture(name="console")
def fixture_console(
    head_slice: Volume, tiny_models: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> dict[str, Any]:
    """Give the names of a console: a scene with a head, an ROI and a curve around the head."""
    slicer_host.new_scene()
    monkeypatch.setenv("PATH", path_with_python(tmp_path))
    module = slicer_host.load_module(ROOT / "USToMRI" / "USToMRI.py")
    node = volumes.add_volume("head", head_slice.array, "aligned")
    node.SetSpacing(*head_slice.grid.spacing)
    from USToMRIModule.Translate import HeadCurve
    from USToMRIModule.Worker import WorkerClient

    from USToMRILib.fetal.ellipse import Ellipse

    found = Ellipse((52.0, 43.0), (38.0, 30.0), 0.35)
    curve = HeadCurve.showEllipse(vars(found), node, 0.0)
    curve.SetName("Head")
    roi = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "R")
    roi.SetCenterWorld(*volumes.world_position(node, (150, 140, 0)))
    roi.SetSize(95, 85, 10)
    logic = module.USToMRILogic(command=[sys.executable, "-m", "USToMRILib"])
    asked: list[str] = []
    monkeypatch.setattr(
        slicer.util, "getModuleLogic", lambda name: asked.append(name) or logic, raising=True
    )
    yield {"slicer": slicer, "print": lambda *words: asked.append(" ".join(map(str, words)))}
    WorkerClient.stopWorkers()
    slicer_host.close_scene()
    assert set(asked) == {"USToMRI", "head SYNTHETIC MRI (DDIB)"}


def test_examples_of_the_tutorial(console: dict[str, Any]) -> None:
    """Blocking, in the background, and of a region; each is three lines."""
    text = (ROOT / "docs" / "slicer.md").read_text(encoding="utf-8")
    part = text.partition("## From the Python console")[2].partition("\n## ")[0]
    examples = re.findall(r"```python\n(.*?)```", part, re.DOTALL)
    examples = [example for example in examples if "measureContrast" not in example]
    assert len(examples) == 3
    for example in examples:
        assert len([line for line in example.splitlines() if line]) == 3
        exec(example, console)
        if "job" in console:
            job = console.pop("job")
            wait_until(lambda job=job: not job.running)
    names = {node.GetName() for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")}
    assert {"head SYNTHETIC MRI (PIX2PIX2D)", "head SYNTHETIC MRI (DDIB)"} < names
    output = console["outputNode"]
    assert np.prod(output.GetImageData().GetDimensions()) < 300 * 320
    assert slicer.util.arrayFromVolume(output).max() > 0
