"""The training commands for some minutes each on real images of a few subjects.

It learns, goes on after it was killed, and what it learned becomes a bundle that the library opens.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from training.data.fetal_planes import BRAIN, find_planes
from training.data.hc18 import find_hc18
from training.data.splits import PARTS, part_of, read_split
from training.train.runlog import LOG_FILE, read_log
from USToMRILib.compute.bundle import load_bundle

ROOT = Path(__file__).parents[2]
HC18_SUBJECTS = {"train": 60, "validation": 12, "test": 12}
PLANES_SUBJECTS = 8
MRI_SUBJECTS = {"train": 6, "validation": 1, "test": 1}
# A busy machine takes many times as long as the few minutes of its own.
PATIENCE_S = 6 * 3600


@dataclass(frozen=True)
class Smoke:
    """A training, and what it must reach.

    Attributes:
        bundle: that is made of it.
        train, export: the commands, but for the folders.
        resume: what the command needs in addition to go on.
        measure: of the validation part, in the log.
        improves_by: from the first tenth to the end; negative where less is better.
        inputs: of the bundle's network.
    """

    bundle: str
    train: str
    export: str
    measure: str
    improves_by: float
    inputs: tuple[torch.Tensor, ...]
    resume: str = ""


SLICE = (torch.zeros(1, 1, 128, 128),)
EPS = (*SLICE, torch.tensor([500]))
SMOKES = [
    Smoke(
        "fetal_head_seg",
        "train.head_seg --steps 150 --cooldown 50 --batch 4",
        "export.head_seg",
        "dice",
        0.2,
        (torch.zeros(1, 1, 192, 192),),
    ),
    Smoke(
        "fetal_us_eps",
        "train.eps --domain us --steps 60 --batch 2",
        "export.eps --domain us",
        "validation_loss",
        -0.2,
        EPS,
    ),
    Smoke(
        "fetal_mri_eps",
        "train.eps --domain mri --steps 60 --batch 2",
        "export.eps --domain mri",
        "validation_loss",
        -0.2,
        EPS,
    ),
    Smoke(
        "pix2pix3d",
        "train.pix2pix3d --smoke --steps 300 --checkpoint-every 30",
        "export.pix2pix3d --per-head 1",
        "validation_psnr",
        1.0,
        (torch.zeros(1, 1, 8, 64, 64),),
        resume="--resume",
    ),
    Smoke(
        "cyclegan_fetal",
        "train.cyclegan --steps 120",
        "export.cyclegan",
        "cycle_l1_mri",
        -0.05,
        SLICE,
    ),
]


@pytest.fixture(scope="module")
def few_subjects(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of data with the first subjects of every part."""
    folder = tmp_path_factory.mktemp("few")

    def take(path: Path) -> None:
        link = folder / path.relative_to(data_dir)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path)

    take(data_dir / "adult_labels")
    for part in PARTS:
        for subject in read_split("fetal_mri")[part][: MRI_SUBJECTS[part]]:
            take(data_dir / "fetal_mri" / subject)
    hc18, split = find_hc18(data_dir / "hc18"), read_split("hc18")
    taken = {s for part in PARTS for s in split[part][: HC18_SUBJECTS[part]]}
    for head in hc18.found:
        if head.subject in taken:
            take(head.image_path)
            take(head.mask_path)
    for table in (data_dir / "hc18").glob("*.csv"):
        take(table)
    brains = {s for part in PARTS for s in read_split("fetal_planes")[part][:PLANES_SUBJECTS]}
    for image in find_planes(data_dir / "fetal_planes").found:
        if image.plane != BRAIN or image.subject in brains:
            take(image.path)
    assert {part_of(s, split) for s in find_hc18(folder / "hc18").subjects} == set(PARTS)
    return folder


class Command:
    """One of training's commands, running; what it says lies in ``said``."""

    def __init__(self, command: str, data: Path, said: Path, *folders: str) -> None:
        module, *words = command.split()
        self.said = said
        with said.open("w") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", f"training.{module}", *words, *folders],
                cwd=ROOT,
                env={**os.environ, "USTOMRI_DATA": str(data)},
                stdout=file,
                stderr=subprocess.STDOUT,
            )

    def finish(self) -> None:
        """Wait for it to succeed."""
        assert self.process.wait(PATIENCE_S) == 0, self.said.read_text()[-3000:]

    def kill_once_measured(self, work: Path, measure: str) -> None:
        """Kill a training that has measured, and has a checkpoint to go on from."""
        end = time.monotonic() + PATIENCE_S
        log, checkpoint = work / LOG_FILE, work / "checkpoint.pt"
        while not (checkpoint.exists() and log.exists() and measure in log.read_text()):
            assert self.process.poll() is None, self.said.read_text()[-3000:]
            assert time.monotonic() < end, f"no {measure} in {log}"
            time.sleep(0.2)
        self.process.kill()
        self.process.wait()


@pytest.mark.slow
@pytest.mark.parametrize("smoke", SMOKES, ids=lambda smoke: smoke.bundle)
def test_a_short_training_learns_goes_on_and_exports(
    smoke: Smoke, few_subjects: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work, models, said = tmp_path / "run", tmp_path / "models", tmp_path / "said.txt"
    into = ("--work", str(work))
    Command(smoke.train, few_subjects, said, *into).kill_once_measured(work, smoke.measure)
    Command(f"{smoke.train} {smoke.resume}", few_subjects, said, *into).finish()
    records = json.loads((work / "run.json").read_text())
    assert [record["from_step"] > 0 for record in records] == [False, True]
    entries = read_log(work / LOG_FILE)
    steps = [entry["step"] for entry in entries]
    assert steps == sorted(set(steps))
    measured = [entry[smoke.measure] for entry in entries if smoke.measure in entry]
    assert len(measured) == 10
    gained = measured[-1] - measured[0]
    assert gained / smoke.improves_by > 1, measured

    Command(smoke.export, few_subjects, said, *into, "--models", str(models)).finish()
    monkeypatch.setenv("USTOMRI_MODELS", str(models))
    bundle = load_bundle(smoke.bundle)
    assert bundle.metadata["steps"] == steps[-1]
    assert bundle.metadata["metrics"]
    with torch.no_grad():
        answer = bundle.net(*smoke.inputs)
    assert answer.shape == smoke.inputs[0].shape
    assert answer.isfinite().all()
