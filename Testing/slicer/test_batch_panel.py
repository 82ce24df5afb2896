"""The Batch section: a folder in, a summary out."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import slicer_host

from Testing.batch_images import add_image

slicer_host.require_panel()

import slicer  # noqa: E402
from slicer_host.panel import (  # noqa: E402
    MODULE,
    alive,
    choose_method,
    fixture_module,  # noqa: F401
    fixture_panel,  # noqa: F401
)
from slicer_host.waiting import wait_until  # noqa: E402

slicer_host.start(panel=True)
slicer_host.add_module_folder(MODULE.parent)

import qt  # noqa: E402
from USToMRIModule.Worker.ProcessTree import descendants  # noqa: E402


@pytest.fixture(name="batch")
def fixture_batch(panel: Any, module: Any, tiny_models: Path, tmp_path: Path) -> Any:
    """Give the section with the real command line and a folder of two images."""
    section = panel.sections[4]
    section.logic = module.USToMRILogic(command=[sys.executable, "-m", "USToMRILib"])
    for seed in (1, 2):
        add_image(tmp_path / "in" / f"{seed}.nrrd", seed, 200)
    choose_method(panel.sections[0], "ddib")
    panel.sections[0].options.fields["steps"].value = 2
    return section


def test_a_folder_is_translated(
    batch: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the choices of the panel, a step of progress an image, and the summary opened."""
    opened: list[str] = []
    monkeypatch.setattr(qt, "QUrl", SimpleNamespace(fromLocalFile=str))
    monkeypatch.setattr(qt, "QDesktopServices", SimpleNamespace(openUrl=opened.append))
    seen: list[int] = []
    batch.ui.batchProgressBar.connect("valueChanged(int)", seen.append)
    batch.start(tmp_path / "in", tmp_path / "out")
    assert batch.ui.batchCancelButton.enabled
    wait_until(lambda: batch.ui.batchButton.enabled)
    assert opened == [str(tmp_path / "out" / "summary.html")], batch.ui.batchStatusLabel.text
    assert len(list((tmp_path / "out").glob("*_SYNTHETIC_MRI_ddib.nrrd"))) == 2
    assert {1, 2} <= set(seen)


def test_an_empty_folder_is_a_sentence(batch: Any, tmp_path: Path) -> None:
    """That of the command line."""
    (tmp_path / "empty").mkdir()
    batch.start(tmp_path / "empty", tmp_path / "out")
    wait_until(lambda: batch.ui.batchButton.enabled)
    assert str(tmp_path / "empty") in batch.ui.batchStatusLabel.text


def test_the_pixel_size_of_pictures_is_asked_for(batch: Any, module: Any, tmp_path: Path) -> None:
    """In the section itself: no image need be open that lacks it."""
    asked = tmp_path / "asked.json"
    program = f"import json, sys; json.dump(sys.argv, open({str(asked)!r}, 'w'))"
    batch.logic = module.USToMRILogic(command=[sys.executable, "-c", program])

    def words() -> list[str]:
        batch.start(tmp_path / "in", tmp_path / "out")
        wait_until(lambda: batch.ui.batchButton.enabled)
        found: list[str] = json.loads(asked.read_text())
        return found

    assert "--pixel-size" not in words()
    batch.ui.batchPixelSizeSpinBox.value = 0.2
    assert words()[words().index("--pixel-size") + 1] == "0.2"


def test_a_program_that_is_missing_is_a_sentence(batch: Any, module: Any, tmp_path: Path) -> None:
    """And the button is ready again."""
    batch.logic = module.USToMRILogic(command=["no-such-program"])
    batch.start(tmp_path / "in", tmp_path / "out")
    wait_until(lambda: batch.ui.batchButton.enabled)
    assert "could not be started" in batch.ui.batchStatusLabel.text


def test_the_dicom_database_is_translated(
    batch: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its ultrasound, by the names of the instances; where there is none, that is said."""
    monkeypatch.setattr(qt, "QUrl", SimpleNamespace(fromLocalFile=str))
    monkeypatch.setattr(qt, "QDesktopServices", SimpleNamespace(openUrl=lambda page: None))
    output = tmp_path / "out"
    output.mkdir()
    batch.startDatabase(output)
    assert "holds no ultrasound" in batch.ui.batchStatusLabel.text
    files = {str(tmp_path / "in" / "1.nrrd"): "US", str(tmp_path / "in" / "2.nrrd"): "MR"}
    database = SimpleNamespace(
        isOpen=True,
        patients=lambda: ["p"],
        studiesForPatient=lambda patient: ["s"],
        seriesForStudy=lambda study: list(files),
        filesForSeries=lambda series: [series],
        fileValue=lambda file, tag: {"0008,0060": files[file]}[tag],
        instanceForFile=lambda file: "1.2." + Path(file).stem,
    )
    monkeypatch.setattr(slicer, "dicomDatabase", database, raising=False)
    batch.startDatabase(output)
    assert not batch.ui.databaseButton.enabled
    wait_until(lambda: batch.ui.databaseButton.enabled)
    made = [path.name for path in output.glob("*_SYNTHETIC_MRI_ddib.nrrd")]
    assert made == ["1.2.1_SYNTHETIC_MRI_ddib.nrrd"], batch.ui.batchStatusLabel.text


def test_cancel_ends_the_process(batch: Any, tmp_path: Path) -> None:
    """And the button is ready again."""
    before = set(descendants(os.getpid()))
    batch.start(tmp_path / "in", tmp_path / "out")
    wait_until(lambda: set(descendants(os.getpid())) - before)
    started = set(descendants(os.getpid())) - before
    batch.ui.batchCancelButton.click()
    assert batch.ui.batchButton.enabled
    assert "Cancelled" in batch.ui.batchStatusLabel.text
    assert not any(map(alive, started))
