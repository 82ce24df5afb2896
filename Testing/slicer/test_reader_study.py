"""The section that makes a reader study, with the scene's pairs and those of a folder."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slicer_host

slicer_host.require_panel()

import slicer  # noqa: E402
import vtk  # noqa: E402
from USToMRITests import volumes  # noqa: E402

from Testing.reader_study.study_pairs import write_pairs  # noqa: E402

slicer_host.start(panel=True)
slicer_host.add_module_folder(Path(__file__).parents[2] / "USToMRI")

import qt  # noqa: E402
from slicer_host.sections import Sections  # noqa: E402
from USToMRIModule.ReaderStudy.ReaderStudySection import ReaderStudySection  # noqa: E402
from USToMRIModule.ReaderStudy.ScenePairs import scenePairs  # noqa: E402
from USToMRIModule.Scene.HeldImage import volumeFromNode  # noqa: E402
from USToMRIModule.Scene.VolumeNodes import Result  # noqa: E402
from USToMRIModule.Synthetic.OutputNodes import OutputLocation, publish  # noqa: E402

from USToMRILib.provenance import make_provenance  # noqa: E402


class Dialogs:
    """Stands in for the user, who answers Qt's dialogs and sees what is opened."""

    def __init__(self, save: str = "", folder: str = "") -> None:
        self.save, self.folder, self.opened = save, folder, []

    def getSaveFileName(self, *asked: Any) -> str:  # noqa: N802
        return self.save

    def getExistingDirectory(self, *asked: Any) -> str:  # noqa: N802
        return self.folder

    def openUrl(self, url: Any) -> None:  # noqa: N802
        self.opened.append(url)

    def fromLocalFile(self, path: str) -> str:  # noqa: N802
        return f"file://{path}"


@pytest.fixture(name="user")
def fixture_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Dialogs:
    dialogs = Dialogs(save=str(tmp_path / "study.html"))
    for name in ("QFileDialog", "QDesktopServices", "QUrl"):
        monkeypatch.setattr(qt, name, dialogs, raising=False)
    return dialogs


@pytest.fixture(name="ui")
def fixture_ui() -> Any:
    """Give the section's widgets in an empty scene."""
    slicer_host.new_scene()
    sections = Sections(ReaderStudySection)
    yield sections.all[0].ui
    sections.close()
    slicer_host.close_scene()


def add_pair(name: str, seed: int) -> Any:
    """Add an ultrasound and a pseudo-MRI that is its negative; return the ultrasound's node."""
    array = np.random.default_rng(seed).integers(1, 250, (1, 30, 40)).astype(np.uint8)
    node = volumes.add_volume(name, array)
    volume = volumeFromNode(node)
    provenance = make_provenance(volume, "ddic", {}, {}, "cpu")
    negative = volume.with_array((255 - array).astype(np.float32))
    publish(Result(negative, provenance), OutputLocation(node))
    return node


def study_of(path: str) -> dict:
    text = Path(path).read_text(encoding="utf-8")
    return json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1])


def test_choices_are_saved_with_the_scene(ui: Any) -> None:
    """As parameters of the module."""
    ui.blindedCheckBox.checked = True
    ui.seedSpinBox.value = 7
    node = slicer.mrmlScene.GetSingletonNode("USToMRI", "vtkMRMLScriptedModuleNode")
    assert node.GetParameter("studyBlinded") == "True"
    assert node.GetParameter("studySeed") == "7"


def test_pairs_of_the_scene_become_a_page_that_is_opened(ui: Any, user: Dialogs) -> None:
    """A renamed ultrasound is found by its voxels."""
    add_pair("A", 1).SetName("renamed")
    add_pair("B", 2)
    ui.blindedCheckBox.checked = True
    ui.seedSpinBox.value = 7
    ui.sceneButton.click()
    study = study_of(user.save)
    assert (study["blinded"], study["seed"]) == (True, 7)
    names = {"A SYNTHETIC MRI (DDIC)", "B SYNTHETIC MRI (DDIC)"}
    assert {case["case"] for case in study["cases"]} == names
    assert user.opened == [f"file://{user.save}"]
    assert ui.studyStatusLabel.text == f"Made {user.save} of 2 pairs."


def test_each_pseudo_mri_stands_beside_its_own_ultrasound(ui: Any) -> None:
    for seed in range(4):
        add_pair(f"US{seed}", seed)
    pairs, problems = scenePairs()
    assert (len(pairs), problems) == (4, [])
    for pair in pairs:
        np.testing.assert_array_equal(pair.pseudo_mri.array, 255.0 - pair.ultrasound.array)


def test_volumes_that_are_no_image_do_not_spoil_the_study(ui: Any) -> None:
    """A diffusion series, vectors, a sheared and an empty volume, and a pseudo-MRI emptied."""
    add_pair("A", 1)
    for name, components in (("DWI", 7), ("vectors", 2)):
        node = volumes.add_volume(name, np.zeros((2, 3, 4), np.uint8))
        image = vtk.vtkImageData()
        image.SetDimensions(4, 3, 2)
        image.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, components)
        node.SetAndObserveImageData(image)
    sheared = volumes.add_volume("sheared", np.zeros((2, 3, 4), np.uint8))
    sheared.SetIJKToRASDirections(1, 0.5, 0, 0, 1, 0, 0, 0, 1)
    volumes.add_volume("empty", np.zeros((2, 3, 4), np.uint8)).SetAndObserveImageData(
        vtk.vtkImageData()
    )
    add_pair("B", 2)
    slicer.util.getNode("B SYNTHETIC MRI (DDIC)").SetAndObserveImageData(vtk.vtkImageData())
    pairs, problems = scenePairs()
    assert [pair.case for pair in pairs] == ["A SYNTHETIC MRI (DDIC)"]
    assert problems == ["B SYNTHETIC MRI (DDIC): it holds no image that can be shown."]


def test_what_has_no_ultrasound_is_named(ui: Any, user: Dialogs) -> None:
    slicer.mrmlScene.RemoveNode(add_pair("A", 1))
    ui.sceneButton.click()
    assert "no pseudo-MRI together with its ultrasound" in ui.studyStatusLabel.text
    assert "A SYNTHETIC MRI (DDIC): its ultrasound" in ui.studyStatusLabel.text
    assert not Path(user.save).exists()
    add_pair("B", 2)
    ui.sceneButton.click()
    assert "of 1 pairs. A SYNTHETIC MRI (DDIC): its" in ui.studyStatusLabel.text


def test_folder_becomes_a_page(ui: Any, user: Dialogs, tmp_path: Path) -> None:
    user.folder = str(write_pairs(tmp_path / "pairs"))
    ui.folderButton.click()
    assert len(study_of(user.save)["cases"]) == 2
    user.save = str(tmp_path / "other")  # typed without a suffix
    ui.folderButton.click()
    assert user.opened[-1].endswith("other.html")
    assert (tmp_path / "other.html").exists()
    user.folder = str(tmp_path)
    ui.folderButton.click()
    assert "does not exist" in ui.studyStatusLabel.text
    assert len(user.opened) == 2


def test_dismissed_dialogs_do_nothing(ui: Any, user: Dialogs, tmp_path: Path) -> None:
    add_pair("A", 1)
    user.save = ""
    ui.sceneButton.click()
    ui.folderButton.click()
    assert user.opened == []
    assert ui.studyStatusLabel.text == ""


def test_page_that_cannot_be_written_is_a_message(ui: Any, user: Dialogs, tmp_path: Path) -> None:
    add_pair("A", 1)
    user.save = str(tmp_path / "missing" / "study.html")
    ui.sceneButton.click()
    assert "does not exist" in ui.studyStatusLabel.text
    assert user.opened == []
