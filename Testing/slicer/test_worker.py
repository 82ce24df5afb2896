"""The worker's client in Slicer: warm, survives crashes and cancels, never stops the event loop."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slicer_host

slicer_host.require_panel()

import slicer  # noqa: E402
from slicer_host.panel import alive  # noqa: E402
from slicer_host.slicer_python import path_with_python  # noqa: E402
from slicer_host.waiting import own_time, wait_until  # noqa: E402
from USToMRITests import volumes  # noqa: E402

from USToMRILib import Grid, Volume  # noqa: E402

slicer_host.start(panel=True)
slicer_host.add_module_folder(Path(__file__).parents[2] / "USToMRI")

import qt  # noqa: E402
from USToMRIModule.Logic import USToMRILogic  # noqa: E402
from USToMRIModule.Synthetic import OutputNodes  # noqa: E402
from USToMRIModule.Worker import VolumeReading, VolumeWriting, WorkerClient, WorkerJobs  # noqa: E402

FAKE = str(Path(slicer_host.__file__).with_name("fake_worker.py"))
REAL = [sys.executable, "-m", "USToMRILib"]


@pytest.fixture(autouse=True)
def scene() -> Any:
    """Give every test an empty scene, and end its workers."""
    yield slicer_host.new_scene()
    WorkerClient.stopWorkers()
    slicer_host.close_scene()


def fake(manner: str) -> USToMRILogic:
    """Return a logic whose worker behaves in a chosen manner."""
    return USToMRILogic(command=[sys.executable, FAKE, manner])


def add_ultrasound() -> Any:
    """Add a slice to the scene."""
    array = np.random.default_rng(1).random((1, 5, 6)).astype(np.float32)
    return volumes.add_volume("US", array)


def run(logic: USToMRILogic, *args: Any, **options: Any) -> tuple[Any, Any]:
    """Translate, let Qt work until it is done, and return the node and the error."""
    reports: list[tuple[Any, Any]] = []
    logic.startTranslation(*args, onFinished=lambda *report: reports.append(report), **options)
    wait_until(lambda: reports)
    return reports[0]


def test_two_translations_have_one_process() -> None:
    """The second finds the first one's process, with all that it has loaded."""
    node = add_ultrasound()
    first, second = (run(fake("good"), node)[0] for _ in range(2))
    assert first.GetAttribute("USToMRI.process") == second.GetAttribute("USToMRI.process")


def test_a_crash_is_a_message_and_the_next_worker_is_fresh() -> None:
    """Slicer goes on, and so does the module."""
    node = add_ultrasound()
    for _ in range(2):  # the second is told by a process of its own
        output, error = run(fake("crash"), node)
        assert output is None
        assert "unexpectedly" in str(error)
    assert run(fake("good"), node)[1] is None


def test_what_waits_behind_a_cancelled_command_is_done() -> None:
    """A worker that does not stop is ended; the next one does the rest."""
    node, logic = add_ultrasound(), fake("stubborn")
    reports: list[Any] = []
    steps: list[Any] = []
    first = logic.startTranslation(node, method="ddic", onProgress=steps.append, steps=13)
    process = WorkerClient.sharedWorker(logic.libraryCommand()).processId
    logic.startTranslation(node, onFinished=lambda *report: reports.append(report))
    wait_until(lambda: steps)
    start = own_time()
    first.cancel()
    wait_until(lambda: not alive(process))
    assert own_time() - start < 1
    wait_until(lambda: reports)
    assert reports[0][1] is None


def test_a_callback_that_fails_loses_no_answer() -> None:
    """A script's mistake in one line of progress is its own affair."""

    def fail(event: dict[str, Any]) -> None:
        raise ValueError("a mistake of the script")

    output, error = run(fake("good"), add_ultrasound(), onProgress=fail)
    assert error is None
    assert output is not None


def test_a_program_that_fails_at_once_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """On Windows, Qt says so while the process is being started."""

    class NoProcess:
        """A ``QProcess`` of a program that is not there."""

        FailedToStart = qt.QProcess.FailedToStart

        def __init__(self) -> None:
            self.told: list[Any] = []

        def setProcessEnvironment(self, environment: Any) -> None:  # noqa: N802
            """Take it."""

        def connect(self, signal: str, receiver: Any) -> None:
            """Keep who wants to know."""
            if signal.startswith("errorOccurred"):
                self.told.append(receiver)

        def start(self, program: str, arguments: list[str]) -> None:
            """Fail."""
            for receiver in self.told:
                receiver(self.FailedToStart)

    monkeypatch.setattr(qt, "QProcess", NoProcess)
    output, error = run(fake("good"), add_ultrasound())
    assert output is None
    assert "could not be started" in str(error)


def test_images_are_written_and_read_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every voxel of pseudo-MRI and residual map is in its place, however small the pieces."""
    for files in (VolumeReading, VolumeWriting):
        monkeypatch.setattr(files, "_VOXELS", 70)  # two slices and a bit
    array = np.random.default_rng(1).random((7, 5, 6)).astype(np.float32)
    node = volumes.add_volume("US", array)
    output, error = run(fake("good"), node, residual=True)
    assert error is None
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(output), array)
    residual = output.GetNodeReference(OutputNodes.RESIDUAL_ROLE)
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(residual), array + 1)
    np.testing.assert_array_equal(volumes.ijk_to_ras(residual), volumes.ijk_to_ras(node))


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "float32", "float64"])
def test_written_volumes_are_read_again_to_the_last_bit(tmp_path: Path, dtype: str) -> None:
    """Of every type that Slicer's volumes have, and where the axes are turned."""
    third = np.sqrt(1 / 3)
    turned = np.linalg.qr([[third, 0.2, 0.9], [third, 0.7, 0.1], [third, 0.3, -0.4]])[0]
    grid = Grid((6, 5, 7), (0.1, 1 / 3, 2.7), (-1 / 7, 1e3 / 9, 1e-9), tuple(turned.ravel()))
    whole = np.random.default_rng(1).uniform(0, 100, (9, 8, 7)).astype(dtype)
    volume = Volume(whole[1:8, 2:7, :6], grid)  # a region: a view with gaps
    for _turn in VolumeWriting.writeVolume(tmp_path / "input.mhd", volume):
        pass
    again = Volume.read(tmp_path / "input.mhd")
    assert again.grid == grid
    assert again.array.dtype == volume.array.dtype
    np.testing.assert_array_equal(again.array, volume.array)


@pytest.mark.parametrize("moment", ["written", "read"])
def test_cancel_while_images_are_exchanged(
    moment: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nothing comes after it, and the files are gone."""
    files = {"written": VolumeWriting, "read": VolumeReading}[moment]
    monkeypatch.setattr(files, "_VOXELS", 1)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    name = {"written": "writeVolume", "read": "readVolume"}[moment]
    begun: list[Path] = []

    def noted(path: Path, *volume: Any) -> Any:
        begun.append(path)
        return getattr(files, name)(path, *volume)

    monkeypatch.setattr(WorkerJobs, name, noted)
    node = volumes.add_volume("US", np.ones((50, 5, 6), np.float32))
    reports: list[Any] = []
    before = slicer.mrmlScene.GetNumberOfNodes()
    job = fake("good").startTranslation(node, onFinished=lambda *report: reports.append(report))
    wait_until(lambda: begun)
    job.cancel()
    for _ in range(100):
        slicer.app.processEvents()
    assert reports == []
    assert not begun[0].parent.exists()
    assert not any(tmp_path.iterdir())
    assert slicer.mrmlScene.GetNumberOfNodes() == before


def test_a_full_disk_is_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence is the system's; the panel goes on."""

    def full(path: Path, volume: Volume) -> Any:
        yield
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(WorkerJobs, "writeVolume", full)
    output, error = run(fake("good"), add_ultrasound())
    assert output is None
    assert "could not be handed" in str(error)
    assert "No space left" in str(error)


def test_volumes_may_go_before_they_are_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """The image that was there at the press is translated; then the loss is told."""
    monkeypatch.setattr(VolumeWriting, "_VOXELS", 1)
    node = volumes.add_volume("US", np.full((50, 5, 6), 3, np.float32))
    taken: list[Any] = []
    write = WorkerJobs.writeVolume

    def watched(path: Path, volume: Volume) -> Any:
        yield from write(path, volume)
        taken.append(Volume.read(path).array)

    monkeypatch.setattr(WorkerJobs, "writeVolume", watched)
    reports: list[Any] = []
    fake("good").startTranslation(node, onFinished=lambda *report: reports.append(report))
    slicer.app.processEvents()
    slicer.mrmlScene.RemoveNode(node)
    del node
    wait_until(lambda: reports)
    assert (taken[0] == 3).all()
    assert "removed" in str(reports[0][1])


def test_the_event_loop_never_waits_for_a_volume() -> None:
    """13 million voxels are written, read and shown without a gap of 100 ms."""
    rng = np.random.default_rng(1)
    node = volumes.add_volume("US", rng.integers(0, 255, (200, 256, 256)).astype(np.uint8))
    run(fake("good"), add_ultrasound())  # loads SimpleITK into this process, as Slicer has it
    check_gaps(fake("good"), node)


def test_the_event_loop_never_waits(head_slice: Volume, tiny_models: Path) -> None:
    """From the press of the button to the output, Qt's timers come within 100 ms."""
    node = volumes.add_volume("US", head_slice.array)
    node.SetSpacing(*head_slice.grid.spacing)
    logic = USToMRILogic(command=REAL)
    options: dict[str, Any] = {"method": "ddic", "device": "cpu", "steps": 30}
    run(logic, node, **options)
    check_gaps(logic, node, **options)


def check_gaps(logic: USToMRILogic, node: Any, **options: Any) -> None:
    """Translate, and check that a timer of Qt's came all the while."""
    gaps = []
    timer = qt.QTimer()
    timer.setInterval(5)
    ticks: list[float] = []
    timer.connect("timeout()", lambda: ticks.append(own_time()))
    reports: list[Any] = []

    def finished(*report: Any) -> None:
        reports.append(report)

    for _ in range(3):  # the machine may be busy with something else
        reports.clear()
        ticks[:] = [own_time()]
        timer.start()
        logic.startTranslation(node, onFinished=finished, **options)
        while not reports:
            slicer.app.processEvents()
        timer.stop()
        ticks.append(own_time())
        assert reports[0][1] is None
        gaps.append(max(np.diff(ticks)))
    assert min(gaps) < 0.1, gaps


def test_devices_are_listed() -> None:
    """Their names and free memory come from the worker; torch stays out of Slicer."""
    reports: list[Any] = []
    fake("good").startDeviceListing(lambda *report: reports.append(report))
    wait_until(lambda: reports)
    ((devices, error),) = reports
    assert error is None
    assert [device["name"] for device in devices] == ["cuda", "cpu"]


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="reads the maps of Linux")
def test_only_the_worker_computes(head_slice: Volume, tiny_models: Path, tmp_path: Path) -> None:
    """By the panel, from the console, live and with batch.py: torch is in the worker alone."""
    (tmp_path / "in").mkdir()
    head_slice.write(tmp_path / "in" / "a.nrrd")
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PATH": path_with_python(tmp_path), "PYTHONPATH": str(root)}
    answer = subprocess.run(
        [sys.executable, "-m", "slicer_host.all_ways", str(tmp_path)],
        cwd=root / "Testing" / "slicer",
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    found = json.loads(answer.stdout.splitlines()[-1])
    assert found == {
        "slicer": False,
        "worker": True,
        "modules": False,
        "after": False,
        "batch": 0,
        "made": 4,
    }
