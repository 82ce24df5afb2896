"""The commands of the brain networks, from data as published to what the library draws."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from Testing.conftest import HEAD
from Testing.training.feta_phantom import phantom
from Testing.training.written_hc18 import write_hc18
from training.data.agreed_heads import FILE as AGREED_HEADS
from training.data.fetal_labels import FETA
from training.data.splits import PARTS, read_split
from training.export import brain_eps as export_brain_eps
from training.export import pix2pix2d as export_pix2pix2d
from training.runinfo import append_record, run_record
from training.simulation import brain_pairs
from training.train import brain_eps as train_brain_eps
from training.train import pix2pix2d as train_pix2pix2d
from training.train.checkpoint import save_checkpoint
from training.train.eps import EpsConfig, EpsTrainer
from training.train.loop import CHECKPOINT
from training.train.runlog import LOG_FILE, read_log
from USToMRILib import Volume, translate
from USToMRILib.compute.bundle import read_metadata, verify_bundle

# T2 of each tissue by its number, as the atlases have it, and 0 outside the brain.
GREYS = np.array([0, 165, 270, 150, 240, 90, 120, 120, 150], np.float32)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """HC18, an agreed head of FETAL_PLANES_DB and the atlases, all of them of one head."""
    folder = tmp_path / "data"
    heads = read_split("hc18")
    write_hc18(folder / "hc18", [subject for part in PARTS for subject in heads[part][:3]])
    (folder / "fetal_planes").mkdir()
    agreed = next(iter(json.loads(AGREED_HEADS.read_text())["heads"]))
    speckle = np.random.default_rng(0).integers(0, 255, (90, 120), np.uint8)
    sitk.WriteImage(sitk.GetImageFromArray(speckle), str(folder / f"fetal_planes/{agreed}.png"))
    week = folder / "week"
    week.mkdir()
    _, numbers = phantom(np.eye(3))
    sitk.WriteImage(numbers, str(week / "feta.nii.gz"))
    tissues = FETA.read(week / "feta.nii.gz")
    t2 = sitk.GetImageFromArray(GREYS[sitk.GetArrayViewFromImage(tissues)])
    t2.CopyInformation(tissues)
    sitk.WriteImage(tissues, str(week / "parcellation.nii.gz"))
    sitk.WriteImage(t2, str(week / "t2.nii.gz"))
    atlases = read_split("fetal_mri")
    (folder / "fetal_mri").mkdir()
    for subject in ("SB_GA24", *(s for part in PARTS for s in atlases[part])):
        (folder / "fetal_mri" / subject).symlink_to(week, target_is_directory=True)
    return folder


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few planes, pairs and samples, and tiny networks."""
    for module, name, value in (
        (brain_pairs, "PLANES", 4),
        (brain_pairs, "CEREBELLA", 2),
        (brain_pairs, "SHARD", 4),
        (brain_pairs, "FIRST_SHARDS", 1),
        (train_pix2pix2d, "VALIDATION_PAIRS", 4),
        (export_pix2pix2d, "PAIRS", 4),
        (export_brain_eps, "PLANES", 2),
        (train_brain_eps, "SHOWN", 3),
    ):
        monkeypatch.setattr(module, name, value)
    for module, name in ((train_pix2pix2d, "SliceConfig"), (train_brain_eps, "BrainEpsConfig")):
        usual = getattr(module, name)
        monkeypatch.setattr(module, name, partial(usual, batch=2, width=8))


@pytest.fixture
def run(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Run the command of a module, as from a shell."""

    def run(module: Any, work: Path, *words: str) -> None:
        options = ["--data", str(data), "--work", str(work), *words]
        monkeypatch.setattr(sys, "argv", [module.__name__, *options])
        module.main()

    return run


def an_earlier_run(folder: Path, width: int) -> Path:
    """A run of ``training.train.eps`` that was just begun."""
    folder.mkdir()
    none = np.zeros((1, 128, 128), np.float32)
    trainer = EpsTrainer(EpsConfig("mri", 1, width=width), none, torch.device("cpu"))
    save_checkpoint(folder / CHECKPOINT, trainer.state())
    append_record(folder / "run.json", run_record(seed=0), 0)
    return folder


def trained_in_two_goes(run: Callable[..., None], module: Any, work: Path, *words: str) -> None:
    """Train two steps, and one more."""
    run(module, work, "--steps", "2", *words)
    run(module, work, "--steps", "3", *words)
    assert [entry["step"] for entry in read_log(work / LOG_FILE)] == [2, 3]
    records = json.loads((work / "run.json").read_text())
    assert [record["from_step"] for record in records] == [0, 2]
    assert (work / "sheet_000003.png").stat().st_size > 1000


@pytest.mark.slow
@pytest.mark.usefixtures("small")
def test_all_are_trained_and_exported_and_the_library_translates_with_them(
    data: Path, tmp_path: Path, run: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    models, pairs = tmp_path / "models", ("--pairs", str(tmp_path / "pairs"))
    us, mri = ("--domain", "us"), ("--domain", "mri")
    start = ("--start-from", str(an_earlier_run(tmp_path / "earlier", 10)))
    trained_in_two_goes(run, train_pix2pix2d, tmp_path / "slices", *pairs)
    trained_in_two_goes(run, train_brain_eps, tmp_path / "us", *us)
    trained_in_two_goes(run, train_brain_eps, tmp_path / "mri", *mri, *pairs, *start)
    to = ("--models", str(models))
    run(export_pix2pix2d, tmp_path / "slices", *to)
    run(export_brain_eps, tmp_path / "us", *us, *to)
    run(export_brain_eps, tmp_path / "mri", *mri, *to, "--note", "Only a test.")
    with pytest.raises(SystemExit):
        run(export_brain_eps, tmp_path / "us", *mri, *to)
    assert "FETAL_PLANES_DB" in (models / "fetal_brain_us_eps/LICENSE").read_text()

    monkeypatch.setenv("USTOMRI_MODELS", str(models))
    pictures = {
        "pix2pix2d": ("pairs.jpg", "heads.jpg"),
        "fetal_brain_us_eps": ("samples.png",),
        "fetal_brain_mri_eps": ("samples.png",),
    }
    for name in pictures:
        verify_bundle(name)
        assert read_metadata(name)["steps"] == 3
        assert len(read_metadata(name)["training"]["runs"]) == 2
        card = (models / name / "docs/README.md").read_text()
        for picture in pictures[name]:
            assert f"({picture})" in card
            assert (models / name / "docs" / picture).stat().st_size > 1000
    one_pass, seen, drawn = map(read_metadata, pictures)
    kinds = ("usual", "widened", "spina bifida", "transcerebellar")
    assert all(-1 <= one_pass["metrics"][kind]["correlation"] <= 1 for kind in kinds)
    assert one_pass["metrics"]["usual"]["ultrasound_itself"]["correlation"] != 0
    for metadata in (seen, drawn):
        assert metadata["metrics"]["velocity_loss_test"] > 0
        assert metadata["metrics"]["samples"] == 3
    assert [source["name"] for source in seen["data"]] == ["HC18", "FETAL_PLANES_DB"]
    assert "started_from" not in seen["training"]["runs"][0]
    assert drawn["training"]["runs"][0]["started_from"][0]["from_step"] == 0
    assert "Only a test." in (models / "fetal_brain_mri_eps/docs/README.md").read_text()

    subject = read_split("hc18")["test"][0]
    scan = Volume.read(data / "hc18/training_set" / f"{subject}_HC.png", pixel_size=0.3)
    for method in ("pix2pix2d", "ddic-guided"):
        made = translate(scan, method, head=HEAD, tissues=True)
        assert made.volume.array.std() > 0
        assert made.labels is not None
    bridged = translate(scan, "ddic", head=HEAD, steps=3)
    assert set(bridged.provenance["bundles"]) == {"fetal_brain_us_eps", "fetal_brain_mri_eps"}
