"""The module's logic: a node goes in, a node comes out, and nothing else changes."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import slicer
import vtk
from PIL import Image
from USToMRIModule.Scene import PixelSize, VolumeNodes, WorldSpace
from USToMRIModule.Synthetic import OutputNodes

from USToMRILib import METHODS, Cancelled, InputError, Volume

from . import volumes
from .scene_case import TABLE, SceneCase, halved, logic_with

RNG = np.random.default_rng(7)
ONES = np.ones((2, 3, 4), np.float32)


class GeometryTest(SceneCase):
    """The output lies where the input lies."""

    def test_output_has_the_inputs_geometry_bit_for_bit(self) -> None:
        """Rotated, left-handed, swapped and anisotropic volumes: the very same numbers."""
        for geometry in volumes.GEOMETRIES:
            with self.subTest(geometry):
                node = volumes.add_volume("US", random(4, 5, 6), geometry)
                output = logic_with(halved).translate(node)
                np.testing.assert_array_equal(volumes.ijk_to_ras(output), volumes.ijk_to_ras(node))
                np.testing.assert_array_equal(array_of(output), array_of(node) / 2)

    def test_library_sees_the_voxels_where_slicer_shows_them(self) -> None:
        """The grid given to the library (LPS) puts a voxel where MRML (RAS) puts it."""
        for geometry in volumes.GEOMETRIES:
            with self.subTest(geometry):
                seen: list[Volume] = []

                def look(volume: Volume, seen: Any = seen, **options: Any) -> VolumeNodes.Result:
                    seen.append(volume)
                    return halved(volume, **options)

                array, ijk = random(4, 5, 6), (5, 1, 3)
                node = volumes.add_volume("US", array, geometry)
                logic_with(look).translate(node)
                ras = seen[0].grid.index_to_physical(np.array(ijk)) * [-1, -1, 1]
                np.testing.assert_allclose(ras, volumes.world_position(node, ijk), atol=1e-9)
                self.assertEqual(seen[0].array[3, 1, 5], array[3, 1, 5])

    def test_landmark_lies_in_the_same_place_of_the_world(self) -> None:
        """Under a parent transform, a bright voxel shows up where the input has it."""
        for geometry in volumes.GEOMETRIES:
            with self.subTest(geometry):
                array = np.zeros((4, 5, 6), np.uint8)
                array[3, 1, 5] = 200
                node = volumes.add_volume("US", array, geometry)
                node.SetAndObserveTransformNodeID(volumes.add_transform(TABLE).GetID())
                output = logic_with(halved).translate(node)
                self.assertEqual(output.GetTransformNodeID(), node.GetTransformNodeID())
                k, j, i = np.argwhere(array_of(output) == 100)[0]
                np.testing.assert_array_equal(
                    volumes.world_position(output, (i, j, k)),
                    volumes.world_position(node, (5, 1, 3)),
                )

    def test_result_of_another_size_is_refused(self) -> None:
        """Voxels that do not fit are never shown as if they did."""

        def smaller(volume: Volume, **options: Any) -> VolumeNodes.Result:
            grid = dataclasses.replace(volume.grid, size=(1, 1, 1))
            return VolumeNodes.Result(Volume(np.ones((1, 1, 1), np.float32), grid), {})

        node = volumes.add_volume("US", ONES)
        before = volumes.scene_contents()
        with self.assertRaisesRegex(ValueError, "size"):
            logic_with(smaller).translate(node)
        self.assertEqual(volumes.scene_contents(), before)


class InputTest(SceneCase):
    """What may be translated, and that it is left alone."""

    def test_input_is_not_touched(self) -> None:
        """Not its voxels, even when the translation scribbles on its array, and nothing else."""

        def scribble(volume: Volume, **options: Any) -> VolumeNodes.Result:
            volume.array[...] = 0
            return halved(volume, **options)

        array = RNG.integers(1, 200, (2, 3, 4)).astype(np.int16)
        node = volumes.add_volume("US", array)
        modified = node.GetMTime(), node.GetImageData().GetMTime()
        logic_with(scribble).translate(node)
        np.testing.assert_array_equal(array_of(node), array)
        self.assertEqual((node.GetMTime(), node.GetImageData().GetMTime()), modified)

    def test_colour_becomes_grey(self) -> None:
        """A colour picture is one volume of grey values; a grey pixel keeps its value."""
        colours = np.repeat(RNG.integers(0, 255, (1, 5, 6, 1)).astype(np.uint8), 3, axis=3)
        node = volumes.add_volume("US", colours, colour=True)
        output = logic_with(halved).translate(node)
        self.assertEqual(output.GetClassName(), "vtkMRMLScalarVolumeNode")
        np.testing.assert_array_equal(array_of(output), colours[..., 0] / 2)

    def test_the_pixel_size_is_the_librarys_and_not_the_scenes(self) -> None:
        """A picture is measured in the pixel width that the user gives; it stays where it is."""
        node = volumes.add_volume("US", random(1, 4, 5))
        seen = []

        def look(volume: Volume, method: str) -> VolumeNodes.Result:
            seen.append(volume.grid.spacing)
            return halved(volume, method)

        output = logic_with(look).translate(node, pixelSize=0.14)
        width, height, _ = node.GetSpacing()
        np.testing.assert_allclose(seen[0][:2], (0.14, 0.14 * height / width))
        np.testing.assert_array_equal(volumes.ijk_to_ras(output), volumes.ijk_to_ras(node))

    def test_a_picture_without_pixel_size_is_known(self) -> None:
        """Slicer takes 1 mm for it; the module asks, and believes who gives the size."""
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "us")
        slicer.util.updateVolumeFromArray(node, random(1, 4, 5))
        self.assertFalse(PixelSize.lacksPixelSize(node))
        set_file(node, "/somewhere/us.PNG")
        self.assertTrue(PixelSize.lacksPixelSize(node))
        logic = logic_with(halved)
        self.assertIn("pixels", logic.reasonNotReady(node, None, "ddic"))
        self.assertEqual(logic.reasonNotReady(node, None, "ddic", pixelSize=0.14), "")
        with self.assertRaisesRegex(InputError, "pixelSize"):
            logic.translate(node)
        node.SetSpacing(0.14, 0.14, 1)
        self.assertEqual(logic.reasonNotReady(node, None, "ddic"), "")
        node.SetSpacing(1, 1, 1)
        PixelSize.writePixelSize(node, 1.0)
        self.assertEqual(logic.reasonNotReady(node, None, "ddic"), "")

    def test_dicom_without_calibration_is_known(self) -> None:
        """By the DICOM module's attribute, or by the name of its file."""
        for number, (attribute, file) in enumerate((("1.2.3", ""), (None, "/somewhere/us.DCM"))):
            with self.subTest(number):
                node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "us")
                slicer.util.updateVolumeFromArray(node, random(1, 4, 5))
                self.assertFalse(PixelSize.lacksPixelSize(node))
                node.SetAttribute("DICOM.instanceUIDs", attribute)
                if file:
                    set_file(node, file)
                self.assertTrue(PixelSize.lacksPixelSize(node))
                node.SetSpacing(0.21, 0.21, 1)
                self.assertFalse(PixelSize.lacksPixelSize(node))

    def test_a_file_that_states_no_spacing_is_known(self) -> None:
        """Slicer takes 1 mm for such NRRD and MetaImage files as for pictures."""
        folder = self.folder()
        header = "NRRD0004\ntype: uint8\ndimension: 2\nsizes: 5 4\nencoding: raw\n"
        for name, stated in (("without", ""), ("with", "spacings: 1 1\n")):
            path = folder / f"{name}.nrrd"
            path.write_bytes((header + stated + "\n").encode() + bytes(20))
            node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
            slicer.util.updateVolumeFromArray(node, random(1, 4, 5))
            set_file(node, str(path))
            self.assertEqual(PixelSize.lacksPixelSize(node), not stated)

    def test_the_resolution_of_a_print_is_no_pixel_size(self) -> None:
        """JPEG and TIFF state one, and Slicer takes it for the spacing."""
        for suffix, dots in (("jpg", 96), ("tif", 300), ("jpg", 72)):
            with self.subTest(suffix, dots=dots):
                path = self.folder() / f"us{dots}.{suffix}"
                image = Image.fromarray(np.zeros((4, 5), np.uint8))
                image.save(path, dpi=(dots, dots))
                node = volumes.add_volume("us", random(1, 4, 5), "aligned")
                set_file(node, str(path))
                node.SetSpacing(25.4 / dots, 25.4 / dots, 1)
                self.assertTrue(PixelSize.lacksPixelSize(node))
                node.SetSpacing(0.13, 0.13, 1)
                self.assertFalse(PixelSize.lacksPixelSize(node))

    def test_a_calibration_that_slicer_overlooks_counts(self) -> None:
        """The file knows how large its pixels are: nobody is asked, the library is told."""
        path = self.folder() / "us.tif"
        stored = Image.fromarray(np.zeros((4, 5), np.uint8))
        stored.save(path, description="ImageJ=1.53t\nunit=mm\n", resolution=6.25)
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "us")
        slicer.util.updateVolumeFromArray(node, random(1, 4, 5))
        set_file(node, str(path))
        seen = []

        def look(volume: Volume, method: str) -> VolumeNodes.Result:
            seen.append(volume.grid.spacing)
            return halved(volume, method)

        self.assertFalse(PixelSize.lacksPixelSize(node))
        output = logic_with(look).translate(node)
        np.testing.assert_allclose(seen[0], (0.16, 0.16, 1), rtol=1e-5)
        self.assertEqual(node.GetSpacing(), (1, 1, 1))
        self.assertEqual(output.GetSpacing(), (1, 1, 1))
        node.SetSpacing(0.3, 0.3, 1)  # by somebody who knows better
        logic_with(look).translate(node)
        np.testing.assert_allclose(seen[1], (0.3, 0.3, 1))

    def test_a_transform_that_scales_counts(self) -> None:
        """SlicerIGT keeps the pixel size there: the library is told it, the output follows."""
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "live")
        slicer.util.updateVolumeFromArray(node, random(1, 4, 5))
        set_file(node, "/somewhere/live.png")
        scale = TABLE @ np.diag([0.2, 0.2, 0.2, 1])
        node.SetAndObserveTransformNodeID(volumes.add_transform(scale).GetID())
        seen = []

        def look(volume: Volume, method: str) -> VolumeNodes.Result:
            seen.append(volume.grid.spacing)
            return halved(volume, method)

        self.assertFalse(PixelSize.lacksPixelSize(node))
        output = logic_with(look).translate(node)
        np.testing.assert_allclose(seen[0], 0.2)
        np.testing.assert_allclose(
            volumes.world_position(output, (3, 2, 0)), volumes.world_position(node, (3, 2, 0))
        )
        PixelSize.writePixelSize(node, 0.13)
        np.testing.assert_allclose(WorldSpace.worldSpacing(node), (0.13, 0.13, 0.2))

    def test_what_is_synthetic_is_refused_unless_told_otherwise(self) -> None:
        """A pseudo-MRI, and a map of one: by the panel's reason and in the console."""
        made = logic_with(halved).translate(volumes.add_volume("US", random(1, 4, 5)))
        logic = logic_with(halved)
        before = slicer.mrmlScene.GetNumberOfNodes()
        for kind in ("true", "map"):
            made.SetAttribute("USToMRI.synthetic", kind)
            self.assertIn("is itself synthetic", logic.reasonNotReady(made, None, "ddic"))
            with self.assertRaisesRegex(InputError, "allowSynthetic=True"):
                logic.translate(made)
            with self.assertRaisesRegex(InputError, "is itself synthetic"):
                logic.startHeadSearch(made, onFinished=lambda *answer: None)
            with self.assertRaisesRegex(InputError, "is itself synthetic"):
                logic.liveJob(made)
        self.assertEqual(slicer.mrmlScene.GetNumberOfNodes(), before)
        again = logic.translate(made, allowSynthetic=True)
        np.testing.assert_array_equal(array_of(again), array_of(made) / 2)

    def test_unusable_nodes_are_refused_in_one_sentence(self) -> None:
        """The sentence says what to choose instead; the scene stays as it was."""
        node = volumes.add_volume("US", ONES)
        empty = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Empty")
        labels = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "Labels")
        field = volumes.add_volume("Field", np.ones((2, 3, 4, 2), np.float32), colour=True)
        before = volumes.scene_contents()
        cases = [(None, None), (empty, None), (node, node), (node, labels), (field, None)]
        for number, (given, output) in enumerate(cases):
            with self.subTest(number), self.assertRaisesRegex(InputError, "(?i)choose"):
                logic_with(halved).translate(given, output)
        self.assertEqual(volumes.scene_contents(), before)

    def test_reasons(self) -> None:
        """What the panel says beside a disabled button."""
        logic = logic_with(halved)
        one_slice = volumes.add_volume("Slice", np.ones((1, 3, 4), np.float32))
        volume = volumes.add_volume("Volume", ONES)
        self.assertIn("Choose", logic.reasonNotReady(None, None, "ddic"))
        empty = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Empty")
        without_voxels = vtk.vtkImageData()
        for size in ((0, 0, 0), (4, 3, 1)):
            self.assertIn("no image", logic.reasonNotReady(empty, None, "ddic"))
            without_voxels.SetDimensions(size)
            empty.SetAndObserveImageData(without_voxels)
        self.assertIn("no image", logic.reasonNotReady(empty, None, "ddic"))
        self.assertIn("other than", logic.reasonNotReady(one_slice, one_slice, "ddic"))
        self.assertIn("needs a volume", logic.reasonNotReady(one_slice, None, "pix2pix3d"))
        for method in METHODS:
            self.assertEqual(logic.reasonNotReady(volume, None, method), "")
        self.assertEqual(logic.reasonNotReady(one_slice, None, "ddic"), "")

    def test_newest_ultrasound_is_no_label_map_and_not_synthetic(self) -> None:
        """The panel's choice is never a mask, an empty volume or an output of ours."""
        self.assertIsNone(VolumeNodes.newestUltrasound())
        slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "Mask")
        node = volumes.add_volume("US", ONES)
        logic_with(halved).translate(node)
        slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Empty")
        self.assertIs(VolumeNodes.newestUltrasound(), node)
        newer = volumes.add_volume("Newer", ONES)
        self.assertIs(VolumeNodes.newestUltrasound(), newer)


class OutputTest(SceneCase):
    """The node that comes out."""

    def test_output_says_that_it_is_synthetic(self) -> None:
        """Name, attributes, and a text node beside it; shown grey on the papers' scale."""
        node = volumes.add_volume("Patient 7", ONES)
        output = logic_with(halved).translate(node, method="ddib", seed=3)
        self.assertEqual(output.GetName(), "Patient 7 SYNTHETIC MRI (DDIB)")
        self.assertEqual(output.GetAttribute("USToMRI.synthetic"), "true")
        self.assertEqual(output.GetAttribute("USToMRI.method"), "ddib")
        self.assertEqual(json.loads(output.GetAttribute("USToMRI.options")), {"seed": 3})
        text = output.GetNodeReference(OutputNodes.PROVENANCE_ROLE)
        self.assertEqual(json.loads(text.GetText())["options"], {"seed": 3})
        display = output.GetDisplayNode()
        self.assertEqual(display.GetColorNode().GetName(), "Grey")
        self.assertEqual((display.GetWindow(), display.GetLevel()), (255, 127.5))
        self.assertFalse(display.GetAutoWindowLevel())

    def test_existing_output_is_overwritten(self) -> None:
        """Its voxels, geometry, transform and provenance are the new ones; nothing is left."""
        node = volumes.add_volume("US", random(2, 3, 4), "rotated")
        logic = logic_with(halved)
        output = logic.translate(node, method="ddic", steps=10)
        output.SetAttribute("USToMRI.stale", "yes")
        other = volumes.add_volume("Other", random(1, 3, 4), "aligned")
        other.SetAndObserveTransformNodeID(volumes.add_transform(TABLE).GetID())
        nodes = slicer.mrmlScene.GetNumberOfNodes()
        self.assertIs(logic.translate(other, output, method="ddib"), output)
        np.testing.assert_array_equal(volumes.ijk_to_ras(output), volumes.ijk_to_ras(other))
        np.testing.assert_array_equal(array_of(output), array_of(other) / 2)
        self.assertEqual(output.GetTransformNodeID(), other.GetTransformNodeID())
        self.assertEqual(output.GetAttribute("USToMRI.method"), "ddib")
        self.assertIsNone(output.GetAttribute("USToMRI.stale"))
        self.assertEqual(slicer.mrmlScene.GetNumberOfNodes(), nodes)

    def test_chosen_output_is_renamed_once(self) -> None:
        """A scan's name does not stay on a synthetic image; a SYNTHETIC MRI name does."""
        node = volumes.add_volume("US", ONES)
        output = volumes.add_volume("T2 of the patient", np.ones((1, 1, 1), np.float32))
        logic = logic_with(halved)
        logic.translate(node, output)
        self.assertEqual(output.GetName(), "US SYNTHETIC MRI (PIX2PIX2D)")
        output.SetName("My SYNTHETIC MRI")
        logic.translate(node, output)
        self.assertEqual(output.GetName(), "My SYNTHETIC MRI")

    def test_a_scans_file_is_not_one_for_the_output(self) -> None:
        """Saving a chosen output must not put a synthetic image into the file of a scan."""
        node = volumes.add_volume("US", ONES)
        output = volumes.add_volume("T2", ONES)
        output.AddDefaultStorageNode()
        output.GetStorageNode().SetFileName("/somewhere/T2.nrrd")
        logic = logic_with(halved)
        logic.translate(node, output)
        self.assertEqual(output.GetStorageNode().GetClassName(), "vtkMRMLNRRDStorageNode")
        self.assertFalse(output.GetStorageNode().GetFileName())
        output.GetStorageNode().SetFileName("/somewhere/made.nrrd")
        logic.translate(node, output)
        self.assertEqual(output.GetStorageNode().GetFileName(), "/somewhere/made.nrrd")

    def test_two_outputs_have_two_names(self) -> None:
        """Translating twice makes two nodes that can be told apart."""
        node = volumes.add_volume("US", ONES)
        logic = logic_with(halved)
        first, second = logic.translate(node), logic.translate(node)
        self.assertIsNot(first, second)
        self.assertNotEqual(first.GetName(), second.GetName())

    def test_failure_leaves_the_scene_as_it_was(self) -> None:
        """No node more, none less, none changed."""

        def fail(volume: Volume, error: Exception, **options: Any) -> VolumeNodes.Result:
            raise error

        node = volumes.add_volume("US", ONES)
        mine = volumes.add_volume("Mine", np.zeros((2, 3, 4), np.float32))
        before = volumes.scene_contents()
        for error in (RuntimeError("broken"), Cancelled("stop"), InputError("no")):
            for output in (None, mine):
                with self.subTest(error=error, output=output), self.assertRaises(type(error)):
                    logic_with(fail).translate(node, output, error=error)
                self.assertEqual(volumes.scene_contents(), before)

    def test_failure_while_publishing_removes_what_was_added(self) -> None:
        """Provenance that cannot be written takes the new nodes away again."""

        def unwritable(volume: Volume, **options: Any) -> VolumeNodes.Result:
            return VolumeNodes.Result(volume, {"library": object()})

        node = volumes.add_volume("US", ONES)
        before = volumes.scene_contents()
        with self.assertRaises(TypeError):
            logic_with(unwritable).translate(node)
        self.assertEqual(volumes.scene_contents(), before)


def set_file(node: Any, path: str) -> None:
    """Let a volume come from a file."""
    node.AddDefaultStorageNode()
    node.GetStorageNode().SetFileName(path)


def random(*shape: int) -> np.ndarray:
    """Return random voxels [k, j, i]."""
    return RNG.random(shape).astype(np.float32)


def array_of(node: Any) -> np.ndarray:
    """Return the voxels of a node."""
    array: np.ndarray = slicer.util.arrayFromVolume(node)
    return array
