"""Cines and live images: frames a second, latency, and ratios against the one-image command.

``python -m benchmarks.live`` writes ``benchmarks/live.md``: a cine of 800 x 540 pixels is made of
the sample image, translated by ``ustomri translate --frame all``, played to ``ustomri live`` by an
OpenIGTLink server, and to ``ustomri worker`` as Slicer's live mode does, with VTK drawing both
images; with ``--seconds 600`` for
ten minutes each, to see whether the memory grows. Linux alone: memory and seconds of processors are
read in /proc.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import affine_transform

from benchmarks.machine import processor
from benchmarks.markdown import table
from training.runinfo import run_record
from USToMRILib import ImageSequence, Volume
from USToMRILib.cli.live import MRI_NAME

SAMPLE = Path(__file__).parents[1] / "Resources" / "Sample" / "fetal_head.png"
METHOD = ["--method", "pix2pix2d", "--device", "cpu"]
FRAMES_A_SECOND = 30
# Until networks are loaded and the first answers have come.
_WARM_S = 10.0
# Pixels of a slice view, two of which lie side by side in a window of 1600 x 1000 with the panel.
_VIEW = (600, 900)
# Between looks at the memory.
_LOOK_S = 60.0


def made_cine(count: int) -> ImageSequence:
    """The sample image as if the probe moved and turned, with speckle of its own in each frame."""
    size = json.loads(SAMPLE.with_suffix(".json").read_text())["pixel_size_mm"]
    still = Volume.read(SAMPLE, size)
    pixels, random = still.array[0].astype(np.float32), np.random.default_rng(0)
    middle, frames = np.array(pixels.shape) / 2, []
    for n in range(count):
        angle = 0.15 * np.sin(n / 30)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        shift = middle - turn @ middle + np.array([6 * np.sin(n / 15), 10 * np.sin(n / 25)])
        moved = affine_transform(pixels, turn, shift, order=1)
        frames.append(np.clip(moved * random.normal(1, 0.05, moved.shape), 0, 255))
    times = tuple(n / FRAMES_A_SECOND for n in range(count))
    return ImageSequence(np.stack(frames).astype(np.uint8)[:, None], still.grid, times)


@dataclass(frozen=True)
class Cost:
    """What a command took: seconds of wall clock and of processors."""

    wall_s: float
    cpu_s: float


def cost_of(command: list[str]) -> Cost:
    """Run a command of ``ustomri`` and take the time, its start included."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, "-m", "USToMRILib", *command], check=True)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


@dataclass(frozen=True)
class Live:
    """What became of a played cine.

    Attributes:
        played, answered: numbers of frames.
        seconds: it was played.
        latencies: seconds from a frame's being sent to its answer's being there.
        cpu_s: of the command's processors meanwhile.
        memory_mib: of the command after the first answers, then every minute and in the end.
    """

    played: int
    answered: int
    seconds: float
    latencies: list[float]
    cpu_s: float
    memory_mib: list[float]


def played_live(cine: ImageSequence, seconds: float) -> Live:
    """Play a cine to ``ustomri live`` over and over, at its own speed."""
    with _server() as (server, port):
        command = [sys.executable, "-m", "USToMRILib", "live", "--igtl", f"127.0.0.1:{port}"]
        process = subprocess.Popen([*command, *METHOD])
        try:
            _play(server, cine, _WARM_S, wait=True)
            cpu, memory = _cpu_s(process.pid), [_memory_mib(process.pid)]
            played, latencies, start = 0, list[float](), time.perf_counter()
            while (left := seconds - (time.perf_counter() - start)) > 0:
                more, late = _play(server, cine, min(left, _LOOK_S), wait=False)
                played, latencies = played + more, latencies + late
                memory.append(_memory_mib(process.pid))
            passed = time.perf_counter() - start
            cpu = _cpu_s(process.pid) - cpu
            return Live(played, len(latencies), passed, latencies, cpu, memory)
        finally:
            process.terminate()
            process.wait(30)


class _Worker:
    """``ustomri worker``, asked as Slicer's live mode asks it: by files, one frame at a time."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self.process = process
        self._source, self._target = folder / "input.mha", folder / "output.mha"

    def ask(self, frame: Volume, seconds: float) -> None:
        """Have a frame translated."""
        frame.write(self._source, compress=False)
        given = {"input": str(self._source), "output": str(self._target), "seconds": seconds}
        request = {"id": 1, "run": "live", "with": {**given, "device": "cpu"}}
        assert self.process.stdin
        print(json.dumps(request), file=self.process.stdin, flush=True)

    def picture(self) -> Volume:
        """Wait for the picture of the frame, and read it."""
        assert self.process.stdout
        answer = json.loads(self.process.stdout.readline())
        assert "done" in answer, answer
        return Volume.read(self._target)


class _View:
    """A slice view of VTK, drawn without a window, as large as one of two side by side."""

    def __init__(self) -> None:
        import vtk

        self._image, mapper, actor = vtk.vtkImageData(), vtk.vtkImageMapper(), vtk.vtkActor2D()
        scaled = vtk.vtkImageResize()
        scaled.SetInputData(self._image)
        scaled.SetOutputDimensions(*_VIEW, 1)
        mapper.SetInputConnection(scaled.GetOutputPort())
        mapper.SetColorWindow(255)
        mapper.SetColorLevel(127.5)
        actor.SetMapper(mapper)
        renderer, self._window = vtk.vtkRenderer(), vtk.vtkRenderWindow()
        renderer.AddActor2D(actor)
        self._window.SetOffScreenRendering(True)
        self._window.SetSize(*_VIEW)
        self._window.AddRenderer(renderer)

    def show(self, picture: Volume) -> None:
        """Draw a picture."""
        from vtk.util.numpy_support import numpy_to_vtk

        rows, columns = picture.array.shape[1:]
        self._image.SetDimensions(columns, rows, 1)
        self._image.GetPointData().SetScalars(numpy_to_vtk(picture.array[0].ravel(), deep=True))
        self._image.Modified()
        self._window.Render()


def played_to_worker(cine: ImageSequence, seconds: float) -> Live:
    """Play a cine to ``ustomri worker``, which gets the newest frame whenever it is ready."""
    views = _View(), _View()
    with _worker() as worker:
        first, _, _ = _shown(worker, views, cine, 0, _WARM_S)
        cpu, start = _cpu_s(worker.process.pid), time.perf_counter()
        played, latencies, memory = _shown(worker, views, cine, first, seconds)
        passed = time.perf_counter() - start
        cpu = _cpu_s(worker.process.pid) - cpu
        return Live(played, len(latencies), passed, latencies, cpu, memory)


def _shown(
    worker: _Worker, views: tuple[_View, _View], cine: ImageSequence, first: int, seconds: float
) -> tuple[int, list[float], list[float]]:
    """Play a cine from a frame on; draw each image and its picture while the worker has the next.

    Returns:
        How many frames were played; seconds from each answered frame's being there to its picture's
        being drawn; memory of the worker in MiB, at the start, every minute and in the end.
    """

    def ask(number: int) -> Volume:
        frame = cine[(first + number) % len(cine)]
        worker.ask(frame, (first + number) / FRAMES_A_SECOND)
        return frame

    process, start = worker.process.pid, time.perf_counter()
    number, latencies, memory = 0, list[float](), [_memory_mib(process)]
    asked = ask(number)
    while (passed := time.perf_counter() - start) < seconds:
        drawn, since = (asked, worker.picture()), number / FRAMES_A_SECOND
        number = int((time.perf_counter() - start) * FRAMES_A_SECOND)
        asked = ask(number)
        for view, picture in zip(views, drawn):
            view.show(picture)
        latencies.append(time.perf_counter() - start - since)
        if passed > len(memory) * _LOOK_S:
            memory.append(_memory_mib(process))
    worker.picture()
    return number + 1, latencies, [*memory, _memory_mib(process)]


@contextmanager
def _worker() -> Iterator[_Worker]:
    command = [sys.executable, "-m", "USToMRILib", "worker"]
    pipe = subprocess.PIPE
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
        try:
            yield _Worker(process, Path(folder))
        finally:
            process.kill()
            process.communicate()


def _play(server: Any, cine: ImageSequence, seconds: float, wait: bool) -> tuple[int, list[float]]:
    """Send frames and take answers; with ``wait`` the time begins with the first answer."""
    from pyigtl import ImageMessage

    matrix = np.diag([*cine.grid.spacing, 1.0])
    latencies: list[float] = []
    number, begin = 0, None if wait else time.time()
    following = time.time()
    while begin is None or time.time() - begin < seconds:
        if time.time() >= following:
            pixels = cine.array[number % len(cine)]
            server.send_message(ImageMessage(pixels, matrix, "lps", time.time(), "US"), wait=False)
            number, following = number + 1, following + 1 / FRAMES_A_SECOND
        for message in server.get_latest_messages():
            if message.device_name == MRI_NAME:
                latencies.append(time.time() - message.timestamp)
                begin = begin or time.time()
        time.sleep(0.001)
    return number, latencies


@contextmanager
def _server() -> Iterator[tuple[Any, int]]:
    from pyigtl import OpenIGTLinkServer

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    server = OpenIGTLinkServer(port=port, local_server=True)
    try:
        yield server, port
    finally:
        server.stop()


def _cpu_s(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory_mib(process: int) -> float:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def main() -> None:
    """Measure the one-image command, a cine and a played cine, one after the other."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60.0, help="to play live")
    parser.add_argument("--beside", default="nothing else", help="what else runs, in words")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".md"))
    options = parser.parse_args()
    load = os.getloadavg()[0]
    cine = made_cine(options.frames)
    with tempfile.TemporaryDirectory() as folder:
        source, one = Path(folder) / "us.seq.nrrd", Path(folder) / "one.nrrd"
        cine.write(source, compress=False)
        cine[0].write(one)
        single = cost_of(["translate", str(one), str(Path(folder) / "a.nrrd"), *METHOD])
        target = Path(folder) / "out.seq.nrrd"
        whole = cost_of(["translate", str(source), str(target), "--frame", "all", *METHOD])
        flicker = json.loads(target.with_name("out.seq.nrrd.json").read_text())["flicker"]
    lives = {
        "`ustomri live`, by OpenIGTLink": played_live(cine, options.seconds),
        "`ustomri worker`, by files as Slicer's live mode, two views drawn": played_to_worker(
            cine, options.seconds
        ),
    }
    loads = (load, os.getloadavg()[0])
    machine = (
        f"{processor()}, {os.cpu_count()} cores; beside it ran: {options.beside}; load average "
        f"{loads[0]:.1f} at the start and {loads[1]:.1f} at the end"
    )
    text = _text(len(cine), single, whole, flicker, lives, machine)
    options.output.write_text(text, encoding="utf-8")


def _text(
    count: int,
    single: Cost,
    whole: Cost,
    flicker: dict[str, float],
    lives: dict[str, Live],
    machine: str,
) -> str:
    run = run_record(0)
    rows = [
        ("one image, with the start", f"{single.wall_s:.1f}", f"{single.cpu_s:.1f}", "1"),
        (
            f"cine of {count} frames, with the start",
            f"{whole.wall_s:.1f}",
            f"{whole.cpu_s:.1f}",
            f"{whole.wall_s / single.wall_s:.1f}",
        ),
    ]
    head = ("played to", "frames a second", "of a processor a frame", "latency", "memory")
    played = table(head, [(name, *_row(live)) for name, live in lives.items()])
    seconds = max(live.seconds for live in lives.values())
    return f"""\
# Cines and live images

`{run["command"]}` at commit `{run["commit"]}`, {run["date"]}.
{machine}. With a load above the number of cores, wall clock says
little; the seconds of processors are what an idle core would take.

The sample image, 800 x 540 pixels, as if the probe moved and turned; `pix2pix2d` on the CPU.

{table(("command", "wall clock, s", "processors, s", "ratio of wall clock"), rows)}

A frame of the cine takes {whole.cpu_s / count:.3f} s of a processor, the start included.
Neighbouring frames differ by {flicker["pseudo_mri"]:.1f} grey levels in the pseudo-MRI, and by
{flicker["ultrasound"]:.1f} in the ultrasound.

Live, played at {FRAMES_A_SECOND} frames a second for {seconds:.0f} s:

{played}

Latency is from a frame's being there to its picture's being read, or drawn, in the median and the
95th percentile. Memory is that after the first pictures, the most when looked at every minute, and
that in the end.

The views are two of {_VIEW[0]} x {_VIEW[1]} pixels, drawn by VTK without a window in the process
that plays, as Slicer draws them in its own. In Slicer itself live mode was not measured.
"""


def _row(live: Live) -> tuple[str, ...]:
    """The figures of a table."""
    middle, late = np.percentile(live.latencies, [50, 95])
    first, most, last = live.memory_mib[0], max(live.memory_mib), live.memory_mib[-1]
    return (
        f"{live.answered / live.seconds:.1f} of {live.played / live.seconds:.0f}",
        f"{live.cpu_s / live.answered:.3f} s",
        f"{middle:.2f}, {late:.2f} s",
        f"{first:.0f}, {most:.0f}, {last:.0f} MiB",
    )


if __name__ == "__main__":
    main()
