"""Many images inside Slicer: the script as Slicer runs it, on the real MRML core."""

from __future__ import annotations

import csv
import os
import runpy
import signal
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slicer_host

from Testing.batch_images import FAST, add_image
from Testing.image.dicom_files import GREY, dicom_image, save, us_region

slicer_host.require_panel()

import slicer  # noqa: E402
from slicer_host.file_io import CoreIOManager, connect_scene  # noqa: E402
from slicer_host.slicer_python import path_with_python  # noqa: E402
from USToMRITests import volumes  # noqa: E402

from USToMRILib import Grid, Volume  # noqa: E402
from USToMRILib.provenance import header_fields  # noqa: E402

SCRIPT = Path(__file__).resolve().parents[2] / "USToMRI" / "batch.py"
SHIFT = np.array([[1, 0, 0, 30], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], float)

slicer_host.start(panel=True)
slicer_host.add_module_folder(SCRIPT.parent)


@pytest.fixture(autouse=True)
def application(monkeypatch, tmp_path, tiny_models) -> Any:
    """An application with a scene, readers, its own Python, and an exit that keeps its code."""
    codes: list[int] = []
    monkeypatch.setenv("PATH", path_with_python(tmp_path))
    slicer_host.new_scene()
    (tmp_path / "cache").mkdir()
    connect_scene(tmp_path / "cache")
    options = types.SimpleNamespace(runPythonAndExit=True)
    monkeypatch.setattr(slicer.app, "coreIOManager", CoreIOManager, raising=False)
    monkeypatch.setattr(slicer.app, "commandOptions", lambda: options, raising=False)
    monkeypatch.setattr(slicer.app, "exit", codes.append, raising=False)
    yield codes
    slicer_host.close_scene()


@pytest.fixture
def run(application, monkeypatch):
    """Run the script as ``--python-script`` does; return what it ended Slicer with."""

    def call(*arguments: object) -> int:
        words = [str(SCRIPT), "--", *map(str, arguments)]
        monkeypatch.setattr(sys, "argv", words)
        runpy.run_path(str(SCRIPT), run_name="__main__")
        return application.pop()

    return call


def table(output: Path) -> dict[str, dict[str, str]]:
    with open(output / "summary.csv", newline="", encoding="utf-8") as file:
        return {row["case"]: row for row in csv.DictReader(file)}


def add_head(name: str, seed: int, path: Path) -> Any:
    """Add a small ultrasound to the scene, in the "rotated" geometry."""
    add_image(path, seed)
    node = volumes.add_volume(name, Volume.read(path).array, "rotated")
    node.SetSpacing(3.0, 3.0, 2.0)
    path.unlink()
    return node


@pytest.fixture
def bundle(tmp_path) -> Path:
    """An MRB with two ultrasounds of one name, one under a transform, and a label map."""
    path = tmp_path / "in" / "scene.mrb"
    path.parent.mkdir()
    add_head("US", 1, tmp_path / "x.nrrd")
    moved = add_head("US", 2, tmp_path / "x.nrrd")
    moved.SetAndObserveTransformNodeID(volumes.add_transform(SHIFT).GetID())
    labels = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "Labels")
    slicer.util.updateVolumeFromArray(labels, np.ones((1, 4, 4), np.uint8))
    assert slicer.mrmlScene.WriteToMRB(str(path))
    slicer.mrmlScene.Clear(0)
    return path


def add_sequence(path: Path) -> list[np.ndarray]:
    """Write a cine of three frames as Slicer does; return the frames."""
    sequence = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceNode", "cine")
    frames = []
    for number in range(3):
        node = add_head("frame", number, path.with_suffix(".tmp.nrrd"))
        frames.append(np.array(slicer.util.arrayFromVolume(node)))
        sequence.SetDataNodeAtValue(node, str(number))
    storage = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLVolumeSequenceStorageNode")
    storage.SetFileName(str(path))
    assert storage.WriteData(sequence)
    slicer.mrmlScene.Clear(0)
    return frames


def test_a_folder_of_files_and_a_scene(run, bundle, tmp_path, capsys):
    add_image(bundle.parent / "a.nrrd", 3)
    (bundle.parent / "torn.mrb").write_bytes(b"PK torn")
    output = tmp_path / "out"
    assert run(bundle.parent, output, *FAST) == 3
    rows = table(output)
    assert {name: row["status"] for name, row in rows.items()} == {
        "a.nrrd": "done",
        "scene.mrb/US": "done",
        "scene.mrb/US 2": "done",
        "torn.mrb": "failed",
    }
    assert "could not be loaded by Slicer" in rows["torn.mrb"]["reason"]
    captured = capsys.readouterr()
    assert "1 of 4 cases failed" in captured.out  # all of the log is on the standard output
    made = Volume.read(output / rows["scene.mrb/US"]["output"])
    assert made.array.max() > 0
    assert made.metadata["description"].startswith("SYNTHETIC")
    assert run(bundle.parent, output, *FAST, "--resume") == 3
    assert [row["resumed"] for row in table(output).values()].count("yes") == 3


def test_the_result_lies_where_the_volume_lies(run, bundle, tmp_path):
    output = tmp_path / "out"
    assert run(bundle, output, *FAST, "--mrb") == 0
    slicer.util.loadNodesFromFile(str(bundle), properties={})
    first, second = (slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode"))[:2]
    matrix = np.diag([-1.0, -1.0, 1.0, 1.0]) @ volumes.ijk_to_ras(first)
    made = Volume.read(output / table(output)["scene.mrb/US"]["output"])
    np.testing.assert_allclose(made.grid.ijk_to_lps, matrix, atol=1e-6)
    place = volumes.world_position(second, (3, 4, 0))
    saved = output / "scene.mrb" / "US 2_SYNTHETIC_MRI_ddib.mrb"
    slicer.mrmlScene.Clear(0)
    slicer.util.loadNodesFromFile(str(saved), properties={})
    (synthetic,) = [
        node
        for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
        if "SYNTHETIC MRI" in node.GetName()
    ]
    np.testing.assert_allclose(volumes.world_position(synthetic, (3, 4, 0)), place, atol=1e-4)
    assert synthetic.GetAttribute("USToMRI.synthetic") == "true"


def test_a_file_of_the_library_is_saved_with_its_image(run, tmp_path):
    add_image(tmp_path / "a.nrrd", 3)
    output = tmp_path / "out"
    assert run(tmp_path / "a.nrrd", output, *FAST, "--mrb") == 0
    slicer.mrmlScene.Clear(0)
    slicer.util.loadNodesFromFile(str(output / "a.nrrd_SYNTHETIC_MRI_ddib.mrb"), properties={})
    nodes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    source = next(node for node in nodes if node.GetName() == "a.nrrd")
    expected = Volume.read(tmp_path / "a.nrrd")
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(source), expected.array)
    lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ volumes.ijk_to_ras(source)
    np.testing.assert_allclose(lps, expected.grid.ijk_to_lps, atol=1e-6)
    assert len(nodes) == 2


def test_resume_makes_the_scenes_that_are_missing(run, tmp_path):
    add_image(tmp_path / "in" / "a.nrrd", 3)
    output = tmp_path / "out"
    assert run(tmp_path / "in", output, *FAST) == 0
    assert run(tmp_path / "in", output, *FAST, "--resume", "--mrb") == 0
    assert len(list(output.glob("*.mrb"))) == 1
    assert run(tmp_path / "in", output, *FAST, "--resume", "--mrb") == 0
    assert [row["resumed"] for row in table(output).values()] == ["yes"]


def test_a_file_may_be_named_like_a_part_of_a_scene(run, tmp_path):
    import pydicom
    from pydicom.data import get_testdata_file

    scan = pydicom.dcmread(get_testdata_file("CT_small.dcm"))
    (tmp_path / "in").mkdir()
    scan.save_as(tmp_path / "in" / "scan#1")
    assert run(tmp_path / "in", tmp_path / "out", *FAST) == 0


def test_a_frame_of_a_sequence(run, tmp_path):
    (tmp_path / "in").mkdir()
    frames = add_sequence(tmp_path / "in" / "cine.seq.nrrd")
    output = tmp_path / "out"
    assert run(tmp_path / "in", output, *FAST) == 3
    assert "3 frames of a sequence" in table(output)["cine.seq.nrrd"]["reason"]
    assert run(tmp_path / "in", output, *FAST, "--frame", "2") == 0
    made = Volume.read(output / table(output)["cine.seq.nrrd"]["output"])
    assert made.array.shape == frames[2].shape
    cases = tmp_path / "cases.csv"
    cases.write_text("input,frame\nin/cine.seq.nrrd,0\nin/cine.seq.nrrd,7\n")
    assert run(cases, output, *FAST) == 3
    rows = table(output)
    assert rows["in/cine.seq.nrrd_frame0"]["status"] == "done"
    assert "no frame 7" in rows["in/cine.seq.nrrd_frame7"]["reason"]


def test_samples_are_written_beside_their_mean(run, tmp_path):
    add_image(tmp_path / "in.nrrd", 0)
    how = ["--method", "ddic-guided", "--samples", "2", "--start", "20", "--head-mask", "none"]
    assert run(tmp_path / "in.nrrd", tmp_path / "out", *how) == 0
    (path,) = (tmp_path / "out").glob("*guided.nrrd")
    mean = Volume.read(path).array
    samples = [Volume.read(path.with_name(f"{path.stem}_SAMPLE_{n}.nrrd")) for n in (1, 2)]
    assert "SAMPLE 2 of a SYNTHETIC" in samples[1].metadata["description"]
    np.testing.assert_allclose(np.mean([s.array for s in samples], axis=0), mean, atol=1)


@pytest.fixture
def database(monkeypatch, tmp_path) -> Any:
    """A DICOM database with one study of two series."""
    series = {"1.2.1": 5, "1.2.2": 6}

    def load(uids: list[str]) -> list[str]:
        return [add_head(uid, series[uid], tmp_path / "x.nrrd").GetID() for uid in uids]

    utils = types.SimpleNamespace(
        loadSeriesByUID=load, loadByInstanceUID=lambda uid: load(["1.2.1"])
    )
    library = types.ModuleType("DICOMLib")
    library.DICOMUtils = utils  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "DICOMLib", library)
    contents = types.SimpleNamespace(
        isOpen=True,
        seriesForStudy=lambda uid: list(series) if uid == "1.2" else [],
        filesForSeries=lambda uid: ["file"] if uid in series else [],
        fileForInstance=lambda uid: "file" if uid == "1.2.1.1" else "",
    )
    monkeypatch.setattr(slicer, "dicomDatabase", contents, raising=False)


def test_uids_of_the_dicom_database(run, database, tmp_path):
    cases = tmp_path / "cases.csv"
    cases.write_text("input\ndicom:1.2\ndicom:1.2.1.1\ndicom:9\n")
    output = tmp_path / "out"
    assert run(cases, output, *FAST) == 3
    rows = table(output)
    assert {name: row["status"] for name, row in rows.items()} == {
        "dicom/1.2/1.2.1": "done",
        "dicom/1.2/1.2.2": "done",
        "dicom/1.2.1.1": "done",
        "dicom/9": "failed",
    }
    assert "import it first" in rows["dicom/9"]["reason"]
    assert run("dicom:1.2.1", tmp_path / "out2", *FAST) == 0


def test_a_derived_image_of_the_dicom_database_is_refused(run, database, monkeypatch, tmp_path):
    """Which Slicer loads without a word of what it is; its file says so."""
    derived = tmp_path / "derived.dcm"
    fields = header_fields({"version": "1", "method": "ddic", "tool": "USToMRI", "parameters": {}})
    Volume(np.arange(64, dtype=np.uint8).reshape(1, 8, 8), Grid((8, 8, 1)), fields).write(derived)
    load = sys.modules["DICOMLib"].DICOMUtils.loadSeriesByUID

    def load_with_instances(uids: list[str]) -> list[str]:
        (name,) = load(uids)
        slicer.mrmlScene.GetNodeByID(name).SetAttribute("DICOM.instanceUIDs", "1.2.1.7 1.2.1.8")
        return [name]

    files = {"1.2.1.7": str(derived)}
    monkeypatch.setattr(sys.modules["DICOMLib"].DICOMUtils, "loadSeriesByUID", load_with_instances)
    monkeypatch.setattr(slicer.dicomDatabase, "fileForInstance", lambda uid: files.get(uid, ""))
    output = tmp_path / "out"
    assert run("dicom:1.2.1", output, *FAST) == 3
    assert "is itself synthetic" in table(output)["dicom/1.2.1"]["reason"]
    files.clear()
    assert run("dicom:1.2.1", output, *FAST) == 0


def test_a_calibrated_image_of_the_dicom_database_has_its_size(
    run, database, monkeypatch, tmp_path
):
    """Slicer loads it with 1 mm; its file states more."""
    calibrated = tmp_path / "0001"
    region = [us_region(0.3, 0.3)]
    save(dicom_image(GREY, SequenceOfUltrasoundRegions=region), calibrated)
    load = sys.modules["DICOMLib"].DICOMUtils.loadSeriesByUID

    def load_as_slicer_does(uids: list[str]) -> list[str]:
        (name,) = load(uids)
        node = slicer.mrmlScene.GetNodeByID(name)
        node.SetSpacing(1, 1, 1)
        node.SetAttribute("DICOM.instanceUIDs", "1.2.1.7")
        return [name]

    files = {"1.2.1.7": str(calibrated)}
    monkeypatch.setattr(sys.modules["DICOMLib"].DICOMUtils, "loadSeriesByUID", load_as_slicer_does)
    monkeypatch.setattr(slicer.dicomDatabase, "fileForInstance", lambda uid: files.get(uid, ""))
    assert run("dicom:1.2.1", tmp_path / "out", *FAST) == 0
    (made,) = (tmp_path / "out").rglob("*.nrrd")
    assert Volume.read(made).grid.spacing[:2] == pytest.approx((3, 3))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere", "{out}"], "nowhere does not exist"),
        (["{in}", "{out}", "--jobs", "2"], "one process"),
        (["{in}", "{out}", "--method", "ddic", "--steps", "1"], "2 to 1000"),
        (["{in}", "{out}", "--conjure"], "unrecognized arguments"),
        (["{in}"], "required"),
    ],
)
def test_unusable_options_end_slicer_with_2(run, tmp_path, capsys, arguments, message):
    add_image(tmp_path / "in" / "a.nrrd")
    places = {"in": tmp_path / "in", "out": tmp_path / "out"}
    assert run(*(a.format(**places) for a in arguments)) == 2
    assert message in capsys.readouterr().out


def test_without_pytorch_slicer_ends_with_a_sentence(run, tmp_path, monkeypatch, capsys):
    add_image(tmp_path / "in" / "a.nrrd")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert run(tmp_path / "in", tmp_path / "out") == 2
    assert "has no PyTorch" in capsys.readouterr().out


def test_a_failure_of_ours_and_a_second_ctrl_c_end_slicer_too(run, tmp_path, monkeypatch, capsys):
    add_image(tmp_path / "in" / "a.nrrd")

    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("USToMRILib.cli.batch.run_options", interrupt)
    assert run(tmp_path / "in", tmp_path / "out") == 130
    assert "go on with --resume" in capsys.readouterr().out
    monkeypatch.setitem(sys.modules, "USToMRILib", None)  # as where a library of it is missing
    with pytest.raises(ImportError):
        run(tmp_path / "in", tmp_path / "out")


def test_slicer_takes_the_file_for_a_hidden_module():
    """Slicer imports it at every start: that does nothing and finds the class it looks for."""
    module = slicer_host.load_module(SCRIPT)
    assert slicer.modules.batch.hidden
    assert module.__name__ == "batch"


@pytest.mark.skipif(os.name == "nt", reason="signals are sent as on POSIX")
def test_a_signal_ends_slicer_with_130(tmp_path, tiny_models):
    """In a process of its own, with the stand-in for the application."""
    for number in range(10):
        add_image(tmp_path / "in" / f"{number}.nrrd", number)
    code = (
        "import sys, types, runpy, slicer_host; "
        "slicer_host.start(panel=True); slicer_host.new_scene(); "
        "import slicer; from slicer_host.file_io import CoreIOManager; "
        "slicer.app.coreIOManager = CoreIOManager; "
        "slicer.app.commandOptions = types.SimpleNamespace; slicer.app.exit = sys.exit; "
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    words = [SCRIPT, tmp_path / "in", tmp_path / "out", *FAST, "--method", "ddic", "--steps", "60"]
    script = f"import sys; sys.argv = {list(map(str, words))}; {code}"
    with subprocess.Popen(
        [sys.executable, "-u", "-c", script],
        stdout=subprocess.PIPE,
        text=True,
        cwd=SCRIPT.parents[1],
        env={**os.environ, "PYTHONPATH": str(SCRIPT.parents[1] / "Testing" / "slicer")},
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if ": done" in line:
                break
        process.send_signal(signal.SIGTERM)
        rest = process.stdout.read()
    assert process.returncode == 130
    assert "cancelled; what is complete stays" in rest
    assert {row["status"] for row in table(tmp_path / "out").values()} == {"done", "not run"}
