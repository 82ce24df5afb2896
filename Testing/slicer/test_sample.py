"""The sample images in Slicer's Sample Data module."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import slicer_host

slicer_host.require_scene()

import slicer  # noqa: E402
from PIL import Image  # noqa: E402
from slicer_host import sample_data  # noqa: E402
from USToMRITests import volumes  # noqa: E402

from USToMRILib import Volume  # noqa: E402
from USToMRILib.fetal.head import find_head  # noqa: E402

slicer_host.start()
slicer_host.add_module_folder(Path(__file__).parents[2] / "USToMRI")

from USToMRIModule import Samples  # noqa: E402

SAMPLE = Path(__file__).parents[2] / "Resources" / "Sample" / "fetal_head.png"
PIXELS = (np.arange(20).reshape(4, 5) * 12).astype(np.uint8)


@pytest.fixture(autouse=True)
def scene() -> Any:
    """Give every test an empty scene."""
    yield slicer_host.new_scene()
    slicer_host.close_scene()


@pytest.fixture(name="told")
def fixture_told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Register the samples with an empty cache; return the messages that the user will see."""
    told: list[str] = []
    monkeypatch.setitem(sys.modules, "SampleData", sample_data)
    monkeypatch.setattr(slicer.util, "errorDisplay", told.append)
    monkeypatch.setattr(slicer.util, "setSliceViewerLayers", lambda **options: None)
    read_volume = slicer.util.loadVolume
    monkeypatch.setattr(
        slicer.util,
        "loadVolume",
        lambda path, properties: (
            load_picture(path, properties)
            if path.endswith(".png")
            else read_volume(path, properties)
        ),
    )
    sample_data.sources.clear()
    Samples.registerSamples()
    for path in cached():
        path.unlink()
    return told


def cached() -> list[Path]:
    """Return the files in Slicer's cache."""
    folder = Path(slicer.mrmlScene.GetCacheManager().GetRemoteCacheDirectory())
    return [path for path in folder.rglob("*") if path.is_file()]


def load_picture(path: str, properties: dict[str, Any]) -> Any:
    """Load a picture as Slicer does; the wheel has no reader for it."""
    assert properties["singleFile"]  # else Slicer takes all pictures of the folder for one volume
    with Image.open(path) as picture:
        node = volumes.add_volume(properties["name"], np.asarray(picture.convert("L"))[None])
    node.AddDefaultStorageNode()
    node.GetStorageNode().SetFileName(path)
    return node


def published(name: str, path: Path) -> Any:
    """Return a sample's source as if a file were what its publisher published."""
    source = sample_data.sources[name]
    source.uris = [path.as_uri()]
    source.checksums = [f"MD5:{hashlib.md5(path.read_bytes()).hexdigest()}"]
    return source


def hc18_zip(folder: Path) -> Path:
    """Write a zip file in the layout that HC18 is published in."""
    picture, path = folder / "picture.png", folder / "training_set.zip"
    Image.fromarray(PIXELS).save(picture)
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("701_HC.png", "702_HC.png", "702_HC_Annotation.png"):
            archive.write(picture, f"training_set/{name}")
    return path


def test_every_sample_has_the_checksum_of_its_source(told: list[str]) -> None:
    """Nothing is downloaded when they are registered; the sample of the repository is its own."""
    assert list(sample_data.sources) == ["FetalHead", "HC18FetalHead", "RESECTCase4"]
    for source in sample_data.sources.values():
        assert source.uris[0].startswith("https://")
        slicer.util.extractAlgoAndDigest(source.checksums[0])  # raises where it is none
    assert cached() == []
    ours = sample_data.sources["FetalHead"]
    assert ours.uris[0].endswith("/main/Resources/Sample/fetal_head.png")
    digest = hashlib.sha256(SAMPLE.read_bytes()).hexdigest()
    assert ours.checksums == [f"SHA256:{digest}"]


def test_the_head_of_the_repository_has_its_pixel_size(told: list[str]) -> None:
    """That of the file beside it."""
    source = published("FetalHead", SAMPLE)
    node = source.customDownloader(source)
    description = json.loads(SAMPLE.with_suffix(".json").read_text(encoding="utf-8"))
    assert node.GetSpacing()[:2] == (description["pixel_size_mm"],) * 2
    assert told == []


def test_a_head_is_taken_out_of_the_published_zip(told: list[str], tmp_path: Path) -> None:
    """With its pixel size, and without a file that a scene would be saved over."""
    source = published("HC18FetalHead", hc18_zip(tmp_path))
    node = source.customDownloader(source)
    assert node.GetName() == "HC18FetalHead"
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(node)[0], PIXELS)
    assert node.GetSpacing()[:2] == (0.193766080416,) * 2
    assert node.GetStorageNode() is None
    assert [path.name for path in cached()] == ["HC18_training_set.zip"]
    source.uris = ["file:///gone"]  # the second time nothing is downloaded
    assert source.customDownloader(source) is not None
    assert told == []


def test_a_volume_keeps_its_geometry(told: list[str], tmp_path: Path) -> None:
    """The volume of RESECT is loaded as it is."""
    from USToMRILib import Grid

    grid = Grid((5, 4, 3), (0.3, 0.3, 0.4), (1.0, 2.0, 3.0))
    path = tmp_path / "Case4-US-before.nii.gz"
    Volume(np.arange(60, dtype=np.float32).reshape(3, 4, 5), grid).write(path)
    source = published("RESECTCase4", path)
    node = source.customDownloader(source)
    np.testing.assert_allclose(node.GetSpacing(), grid.spacing, rtol=1e-6)
    assert told == []


@pytest.mark.parametrize("name", ["HC18FetalHead", "RESECTCase4"])
def test_another_file_is_refused(told: list[str], tmp_path: Path, name: str) -> None:
    """In one sentence; nothing of it is left in the cache or the scene."""
    path = hc18_zip(tmp_path)
    source = published(name, path)
    source.checksums = ["MD5:" + 32 * "0"]
    before = slicer.mrmlScene.GetNumberOfNodes()
    assert source.customDownloader(source) is None
    (message,) = told
    assert message == (
        f"{path.as_uri()} did not send the file that was published there; try again later."
    )
    assert cached() == []
    assert slicer.mrmlScene.GetNumberOfNodes() == before


def test_an_interrupted_download_leaves_nothing(told: list[str], tmp_path: Path) -> None:
    """And is told."""
    source = published("HC18FetalHead", hc18_zip(tmp_path))
    source.uris = [(tmp_path / "gone.zip").as_uri()]
    assert source.customDownloader(source) is None
    assert "Failed to download" in told[0]
    assert cached() == []


def test_progress_is_shown_where_the_module_is_open(
    told: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the log of the Sample Data module."""
    log: list[str] = []
    widget = SimpleNamespace(logMessage=log.append)
    monkeypatch.setattr(slicer.modules, "SampleDataWidget", widget, raising=False)
    source = published("HC18FetalHead", hc18_zip(tmp_path))
    source.customDownloader(source)
    assert log == ["Verifying checksum"]


def test_the_head_of_hc18_suits_the_networks() -> None:
    """It is of the test part, has the pixel size that is registered, and is found well."""
    data = os.environ.get("USTOMRI_DATA")
    if not data:
        pytest.skip("USTOMRI_DATA does not name a folder with hc18.")
    sample = Samples._SAMPLES["HC18FetalHead"]
    name = Path(sample.member).name
    splits = Path(__file__).parents[2] / "training" / "splits" / "hc18.json"
    assert name.partition("_")[0] in json.loads(splits.read_text())["test"]
    with (Path(data) / "hc18" / "pixel_size_and_HC.csv").open() as file:
        rows = {row["filename"]: row for row in csv.DictReader(file)}
    assert float(rows[name]["pixel size(mm)"]) == sample.pixelSize
    head = find_head(Volume.read(Path(data) / "hc18" / "images" / name, sample.pixelSize))
    assert head.warnings == ()
    circumference = float(rows[name]["head circumference (mm)"])
    assert head.circumference_mm == pytest.approx(circumference, rel=0.02)
