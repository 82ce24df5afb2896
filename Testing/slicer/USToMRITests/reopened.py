"""Pseudo-MRIs that are opened as files, without the scene that they were made in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import slicer
from USToMRIModule.Scene.HeldImage import volumeFromNode
from USToMRIModule.Scene.VolumeNodes import isPseudoMri, isSynthetic
from USToMRIModule.Synthetic import OutputNodes, SyntheticMark
from USToMRIModule.Synthetic.SyntheticFile import FileRecord, readRecord
from USToMRIModule.Synthetic.SyntheticMarkObserver import startMarking

from USToMRILib import Result, Volume
from USToMRILib.provenance import header_fields, make_provenance

from . import volumes
from .outputs import with_residual
from .scene_case import NOTICE, SceneCase, halved, logic_with
from .sequences import add_sequence, show

RNG = np.random.default_rng(5)


class ReopenedTest(SceneCase):
    """They are again what they were."""

    def setUp(self) -> None:
        """Have files followed, as from Slicer's start on."""
        super().setUp()
        startMarking()

    def test_an_nrrd_is_marked_as_soon_as_it_is_read(self) -> None:
        """Attributes, record, display and mark; saved once more it still has them."""
        path = saved(made(), self.folder() / "one.nrrd")
        for name in ("once", "again"):
            with self.subTest(name):
                self.empty_scene()
                node = slicer.util.loadVolume(str(path))
                self.check_dress(node, "one SYNTHETIC MRI (PIX2PIX2D)")
                self.assertEqual(node.GetAttribute("USToMRI.notice"), NOTICE)
                self.assertEqual(OutputNodes.warningsOf(node), ["Be careful."])
                path = saved(node, path)

    def test_files_of_the_command_line_are_marked(self) -> None:
        """NRRD, NIfTI and MetaImage, with the record in them or beside them."""
        for suffix in ("nrrd", "nii.gz", "nii", "mha"):
            with self.subTest(suffix):
                self.empty_scene()
                path = self.folder() / f"made.{suffix}"
                provenance = written(path)
                node = slicer.util.loadVolume(str(path))
                self.check_dress(node, "made SYNTHETIC MRI (DDIB)")
                record = node.GetNodeReference(OutputNodes.PROVENANCE_ROLE).GetText()
                self.assertEqual(json.loads(record), provenance)

    def test_pictures_say_so_too(self) -> None:
        """Their text is found wherever the format has it, and the record beside them."""
        for suffix in ("png", "jpg", "tif"):
            with self.subTest(suffix):
                path = self.folder() / f"made.{suffix}"
                provenance = written(path)
                self.assertEqual(readRecord(path), FileRecord(provenance, ""))
        self.assertIsNone(readRecord(path.with_name("missing.nrrd")))
        self.assertIsNone(readRecord(path.parent))

    def test_a_format_without_room_loses_its_record_but_not_its_mark(self) -> None:
        """A NIfTI file that was moved away from its record."""
        path = self.folder() / "made.nii.gz"
        written(path)
        path.with_name("made.nii.gz.json").unlink()
        self.check_dress(slicer.util.loadVolume(str(path)), "made SYNTHETIC MRI")

    def test_a_copy_and_a_sequence_are_marked_when_slicer_has_time(self) -> None:
        """Slicer copies the attributes, and neither mark nor storage."""
        node = made()
        copy = slicer.modules.volumes.logic().CloneVolume(slicer.mrmlScene, node, "Copy")
        process_events()
        self.check_dress(copy, "Copy SYNTHETIC MRI (PIX2PIX2D)")
        browser, proxy = self.reopened_sequence()
        process_events()
        for index in range(3):
            show(browser, index)
            self.assertTrue(isPseudoMri(proxy))
            self.assertIsNotNone(SyntheticMark.markOf(proxy))

    def test_a_residual_map_is_no_pseudo_mri(self) -> None:
        """It comes back as a map, which is no ultrasound either."""
        node = volumes.add_volume("US", RNG.random((2, 3, 4)).astype(np.float32))
        output = logic_with(with_residual).translate(node, residual=True)
        residual = output.GetNodeReference(OutputNodes.RESIDUAL_ROLE)
        path = saved(residual, self.folder() / "residual.nrrd")
        self.empty_scene()
        node = slicer.util.loadVolume(str(path))
        self.assertTrue(isSynthetic(node))
        self.assertFalse(isPseudoMri(node))
        self.assertIsNone(SyntheticMark.markOf(node))
        self.assertEqual(node.GetStorageNode().GetClassName(), "vtkMRMLNRRDStorageNode")

    def test_other_volumes_are_left_alone(self) -> None:
        """An ultrasound, a label map of a pseudo-MRI, voxels that changed since."""
        folder = self.folder()
        ultrasound = volumes.add_volume("US", RNG.random((2, 3, 4)).astype(np.float32))
        ultrasound.AddDefaultStorageNode()
        plain = saved(ultrasound, folder / "us.nrrd")
        path = saved(made(), folder / "one.nrrd")
        self.empty_scene()
        before = slicer.util.loadVolume(str(plain))
        labels = slicer.util.loadVolume(str(path), {"labelmap": True})
        other = volumes.add_volume("Other", RNG.random((2, 3, 4)).astype(np.float32))
        other.AddDefaultStorageNode()
        other.GetStorageNode().SetFileName(str(path))  # about to be overwritten
        process_events()
        for node in (before, labels, other):
            self.assertFalse(isSynthetic(node), node.GetName())
        self.assertEqual(before.GetName(), "us")

    def test_a_scene_that_names_such_files_has_them_marked(self) -> None:
        """Made where the module was not there; marked at the end of the import."""
        path = self.folder() / "made.nrrd"
        written(path)
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "made")
        node.AddDefaultStorageNode()
        node.GetStorageNode().SetFileName(str(path))
        slicer.mrmlScene.SetURL(str(path.with_name("scene.mrml")))
        slicer.mrmlScene.Commit()
        self.empty_scene()
        slicer.mrmlScene.SetURL(str(path.with_name("scene.mrml")))
        slicer.mrmlScene.Import()
        self.check_dress(slicer.util.getNode("made*"), "made SYNTHETIC MRI (DDIB)")

    def check_dress(self, node: Any, name: str) -> None:
        """Check that a node has all that a pseudo-MRI has."""
        self.assertTrue(isPseudoMri(node))
        self.assertEqual(node.GetName(), name)
        display = node.GetDisplayNode()
        self.assertEqual((display.GetWindow(), display.GetLevel()), (255, 127.5))
        self.assertFalse(display.GetAutoWindowLevel())
        self.assertEqual(display.GetColorNode().GetName(), "Grey")
        mark = SyntheticMark.markOf(node)
        self.assertTrue(mark.GetTitleText().startswith("SYNTHETIC MRI"))
        self.assertTrue(mark.GetVisibility())
        self.assertEqual(node.GetStorageNode().GetClassName(), "vtkMRMLNRRDStorageNode")

    def reopened_sequence(self) -> tuple[Any, Any]:
        """Save a sequence of pseudo-MRIs alone and open it; return browser and volume."""
        browser, node = add_sequence()
        sequence = browser.GetSequenceNode(logic_with(halved).translate(node, allFrames=True))
        sequence.AddDefaultStorageNode()
        path = saved(sequence, self.folder() / "made.seq.nrrd")
        self.empty_scene()
        sequence = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceNode", "made")
        reader = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLVolumeSequenceStorageNode")
        reader.SetFileName(str(path))
        self.assertTrue(reader.ReadData(sequence))
        browser = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", "Browser")
        browser.SetAndObserveMasterSequenceNodeID(sequence.GetID())
        show(browser, 0)
        return browser, browser.GetProxyNode(sequence)


def made() -> Any:
    """Return the pseudo-MRI of an ultrasound."""
    node = volumes.add_volume("US", RNG.random((2, 3, 4)).astype(np.float32))
    return logic_with(halved).translate(node)


def saved(node: Any, path: Path) -> Path:
    """Write a node by its own storage node, as Slicer's Save does; return where to."""
    node.GetStorageNode().SetFileName(str(path))
    assert node.GetStorageNode().WriteData(node)
    return path


def written(path: Path) -> dict[str, Any]:
    """Write a pseudo-MRI as the library does; return its record as it is read from a file."""
    node = volumes.add_volume("US", RNG.random((1, 40, 50)).astype(np.float32) * 255)
    volume = volumeFromNode(node)
    provenance = {**make_provenance(volume, "ddib", {}, {}, "cpu"), "warnings": []}
    result = Volume(volume.array, volume.grid, header_fields(provenance))
    Result(result, provenance, [], {}).write(path)
    slicer.mrmlScene.RemoveNode(node)
    record: dict[str, Any] = json.loads(json.dumps(provenance))
    return record


def process_events() -> None:
    """Let Qt do what is due."""
    for _ in range(3):
        slicer.app.processEvents()
