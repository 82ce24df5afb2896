"""The sample image in Slicer's Sample Data module."""

from __future__ import annotations

import hashlib
import json
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slicer_host

slicer_host.require_scene()

import slicer  # noqa: E402
from USToMRITests import volumes  # noqa: E402

slicer_host.start()
slicer_host.add_module_folder(Path(__file__).parent.parent / "USToMRI")

from USToMRIModule.Samples import registerSamples  # noqa: E402


@pytest.fixture(autouse=True)
def scene() -> Any:
    """Give every test an empty scene."""
    yield slicer_host.new_scene()
    slicer_host.close_scene()


def test_sample_is_the_repositorys_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Registered with its checksum; once loaded it has the pixel size of the file beside it."""
    sample = Path(__file__).parent.parent / "Resources" / "Sample" / "generated_fetal_head.png"
    registered: dict[str, Any] = {}
    logic: Any = types.SimpleNamespace(downloadSourceIntoCache=lambda source: [str(sample)])
    module: Any = types.ModuleType("SampleData")
    module.SampleDataLogic = lambda: logic
    module.SampleDataLogic.registerCustomSampleDataSource = registered.update
    monkeypatch.setitem(sys.modules, "SampleData", module)
    node = volumes.add_volume("US", np.ones((1, 4, 5), np.float32))
    monkeypatch.setattr(slicer.util, "loadVolume", lambda path, properties: node)
    monkeypatch.setattr(slicer.util, "setSliceViewerLayers", lambda **options: None)
    registerSamples()
    assert registered["uris"].endswith("/main/Resources/Sample/generated_fetal_head.png")
    digest = hashlib.sha256(sample.read_bytes()).hexdigest()
    assert registered["checksums"] == f"SHA256:{digest}"
    source = types.SimpleNamespace(nodeNames=[registered["nodeNames"]])
    assert registered["customDownloader"](source) is node
    description = json.loads(sample.with_suffix(".json").read_text(encoding="utf-8"))
    assert node.GetSpacing()[0] == description["pixel_size_mm"]
