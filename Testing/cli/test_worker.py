"""The worker: the command line's commands as JSON lines, in one process that stays warm."""

from __future__ import annotations

import io
import json
import os
import queue
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from USToMRILib import Volume, translate
from USToMRILib.cli.worker import Worker
from USToMRILib.compute.bundle import models_dir

ROOT = Path(__file__).resolve().parents[2]

DEVICES: tuple[str, dict[str, Any]] = ("devices", {})


class Lines:
    """A text stream whose lines are put in one by one, as through a pipe."""

    def __init__(self) -> None:
        self._lines: queue.Queue[str | None] = queue.Queue()

    def send(self, **request: Any) -> None:
        self._lines.put(json.dumps(request) + "\n")

    def close(self) -> None:
        self._lines.put(None)

    def __iter__(self) -> Any:
        return iter(self._lines.get, None)


class Replies(io.StringIO):
    """What the worker writes, line by line; a condition may wait for a line."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[dict[str, Any]] = []
        self.on_reply: Any = lambda reply: None

    def write(self, text: str) -> int:
        self.seen.append(json.loads(text))
        self.on_reply(self.seen[-1])
        return len(text)

    def answers(self) -> list[dict[str, Any]]:
        return [reply for reply in self.seen if "progress" not in reply]


@pytest.fixture
def image(head_slice: Volume, tmp_path: Path, tiny_models: Path) -> Path:
    head_slice.write(tmp_path / "us.mha")
    return tmp_path / "us.mha"


def work(*tasks: tuple[str, dict[str, Any]], on_reply: Any = None) -> list[dict[str, Any]]:
    """Have a worker in this process do tasks and then quit; return its replies."""
    requests, replies = Lines(), Replies()
    if on_reply:
        replies.on_reply = lambda reply: on_reply(reply, requests)
    for number, (task, arguments) in enumerate(tasks, start=1):
        requests.send(id=number, run=task, **{"with": arguments})
    requests.send(quit=True)
    Worker(requests, replies).serve()  # type: ignore[arg-type]
    return replies.seen


def translation(image: Path, output: Path, **options: Any) -> tuple[str, dict[str, Any]]:
    files = {"input": str(image), "output": str(output)}
    return "translate", {**files, "method": "ddic", "options": options}


def test_it_does_what_the_command_line_does(image: Path, tmp_path: Path) -> None:
    """The voxels, the record, and every step on the way."""
    output = tmp_path / "mri.mha"
    replies = work(translation(image, output, steps=3))
    expected = translate(Volume.read(image), "ddic", steps=3)
    np.testing.assert_array_equal(Volume.read(output).array, expected.volume.array)
    events = [reply["progress"] for reply in replies if "progress" in reply]
    assert [e["phase"] for e in events] == ["load", "head"] + ["encode"] * 3 + ["decode"] * 3
    assert replies[-1]["done"]["provenance"]["parameters"]["steps"] == 3
    assert json.loads((tmp_path / "mri.mha.json").read_text()) == replies[-1]["done"]["provenance"]


def test_a_second_translation_loads_nothing_again(
    image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the weights nor PyTorch: the networks of the first serve the second."""
    # Nothing in this folder was opened before.
    monkeypatch.setenv("USTOMRI_MODELS", str(shutil.copytree(models_dir(), tmp_path / "models")))
    loads: list[str] = []
    load = torch.jit.load

    def counting(path: str, *args: Any, **options: Any) -> Any:
        loads.append(path)
        return load(path, *args, **options)

    monkeypatch.setattr(torch.jit, "load", counting)
    task = translation(image, tmp_path / "mri.mha", steps=2)
    before_second: list[int] = []
    work(
        task,
        task,
        on_reply=lambda reply, _: "done" in reply and before_second.append(len(loads)),
    )
    assert before_second == [3, 3]


def test_head_and_devices_are_answered(image: Path) -> None:
    """The ellipse is the command line's; there is always a CPU."""
    head, devices = (reply["done"] for reply in work(("head", {"input": str(image)}), DEVICES))
    assert head["circumference_mm"] == pytest.approx(214, abs=4)
    assert devices["devices"][-1]["name"] == "cpu"
    assert devices["devices"][-1]["free_bytes"] is None or (
        devices["devices"][-1]["free_bytes"] > 1e6
    )


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (("translate", {"input": "nowhere.png", "output": "o.nrrd"}), "nowhere.png does not exist"),
        (("translate", {}), "missing a required argument: 'input'"),
        (("translate", {"input": "a", "output": "b", "colour": "red"}), "'colour'"),
        (("models", {"action": "list"}), "does not do 'models'"),
    ],
)
def test_unusable_input_is_told_and_survived(task: Any, message: str) -> None:
    """The sentence is for the user, and the next command is done all the same."""
    refused, devices = work(task, DEVICES)
    assert refused["kind"] == "input"
    assert message in refused["error"]
    assert "done" in devices


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (MemoryError(), "memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "memory"),
        (ZeroDivisionError("division by zero"), "failure"),
    ],
)
def test_a_failure_is_survived(
    image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, kind: str
) -> None:
    """A defect of ours, or too little memory, is one reply."""

    def fail(*args: Any, **options: Any) -> None:
        raise error

    monkeypatch.setattr("USToMRILib.cli.translate.translate", fail)
    failed, devices = work(translation(image, tmp_path / "o.mha"), DEVICES)
    assert failed["kind"] == kind
    assert type(error).__name__ in failed["error"]
    assert "done" in devices


def test_cancel_stops_one_command_within_a_step(image: Path, tmp_path: Path) -> None:
    """The others are done; nothing is written for the cancelled one."""

    def cancel(reply: dict[str, Any], requests: Lines) -> None:
        event = reply.get("progress", {})
        if event.get("phase") == "encode" and reply["id"] == 1:
            requests.send(cancel=1)
            time.sleep(0.05)  # let the reader take it

    replies = work(
        translation(image, tmp_path / "one.mha", steps=50),
        translation(image, tmp_path / "two.mha", steps=2),
        on_reply=cancel,
    )
    first, second = (reply for reply in replies if "progress" not in reply)
    assert first["kind"] == "cancelled"
    assert "done" in second
    steps = [r for r in replies if r["id"] == 1 and r.get("progress", {}).get("phase") == "encode"]
    assert len(steps) < 10
    assert not (tmp_path / "one.mha").exists()
    assert (tmp_path / "two.mha").exists()


def test_rubbish_is_told_and_survived() -> None:
    """A line that is no request does not end the worker."""
    requests, replies = Lines(), Replies()
    requests._lines.put("no JSON\n")
    requests.send(other=1)
    requests.send(id=7, run="devices")
    requests.send(quit=True)
    Worker(requests, replies).serve()  # type: ignore[arg-type]
    assert [reply["id"] for reply in replies.seen] == [None, None, 7]


def test_the_process_ends_with_its_standard_input(image: Path, tmp_path: Path) -> None:
    """Though it is in the middle of a long translation, and leaves nothing half written."""
    process = subprocess.Popen(
        [sys.executable, "-m", "USToMRILib", "worker"],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    assert process.stdout
    output = tmp_path / "mri.mha"
    task, arguments = translation(image, output, steps=1000, solver="ddim")
    process.stdin.write(json.dumps({"id": 1, "run": task, "with": arguments}) + "\n")
    process.stdin.flush()
    assert any("encode" in line for line in iter(process.stdout.readline, ""))
    drain = threading.Thread(target=process.stdout.read)
    drain.start()
    process.stdin.close()
    process.wait(timeout=120)
    drain.join()
    # Had it gone on to the end, there would be the output.
    assert sorted(path.name for path in tmp_path.iterdir()) == ["us.mha"]
