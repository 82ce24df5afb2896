"""FeTA beside the atlases: what is found, how it is divided, and what the training is given."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from Testing.training.feta_phantom import PHANTOM, write_feta
from Testing.training.test_fetal_data import write_brain
from training.data import inspect_data
from training.data.fetal_mri import read_feta
from training.data.fetal_slices import fetal_slices, prepared_slices
from training.data.fetal_volumes import find_feta
from training.data.splits import PARTS, part_of, read_split
from training.export.eps import feta_of
from training.train import eps as train_eps

TURNED = Rotation.from_euler("xyz", [70, -35, 120], degrees=True).as_matrix()


def first_of(name):
    """The first subject of each part of a split."""
    return {part: read_split(name)[part][0] for part in PARTS}


@pytest.fixture(scope="module")
def feta(tmp_path_factory):
    """A turned head of each part, and three that cannot be used."""
    root = tmp_path_factory.mktemp("feta")
    for subject in first_of("feta").values():
        write_feta(root, subject, TURNED)
    without_cerebellum = tuple(part for part in PHANTOM if part[0] != 5)
    subjects = read_split("feta")["train"][1:4]
    write_feta(root, subjects[0], np.eye(3), tissues=without_cerebellum)
    write_feta(root, subjects[1], np.eye(3))
    (root / subjects[2] / "anat").mkdir(parents=True)
    write_feta(root, "sub-999", np.eye(3))
    (root / "participants.tsv").write_text(
        "participant_id\tPathology\tGestational age\n"
        f"{first_of('feta')['train']}\tNeurotypical\t27.9\n{subjects[1]}\tPathological\t28.2\n"
    )
    return root


def test_what_can_be_used_is_found_and_the_rest_left_out_with_the_reason(feta, monkeypatch, capsys):
    inventory = find_feta(feta)
    assert inventory.subjects == sorted(first_of("feta").values())
    about = {volume.subject: volume.describe() for volume in inventory.found}
    assert "27.9 weeks, train" in about[first_of("feta")["train"]]
    reasons = {left.what: left.why for left in inventory.left_out}
    subjects = read_split("feta")["train"][1:4]
    assert set(reasons) == {*subjects, "sub-999"}
    assert reasons[subjects[0]].startswith("no cerebellum in its parcellation")
    assert reasons[subjects[1]] == "pathological"
    assert reasons[subjects[2]] == "no T2w image with a dseg parcellation"
    assert "not in training/splits/feta.json" in reasons["sub-999"]
    monkeypatch.setattr(sys, "argv", ["inspect_data", "feta", str(feta)])
    inspect_data.main()
    assert "3 found of 3 subjects, 4 left out" in capsys.readouterr().out


def test_a_part_is_given_its_own_subjects_only(feta):
    split = read_split("feta")
    seen = {part: {plane.subject for plane in read_feta(feta, part)} for part in PARTS}
    for part in PARTS:
        assert seen[part] == {first_of("feta")[part]}
        assert {part_of(subject, split) for subject in seen[part]} == {part}


def test_the_mri_network_is_given_feta_beside_the_atlases(feta, tmp_path):
    (tmp_path / "fetal_mri").mkdir()
    write_brain(tmp_path / "fetal_mri", first_of("fetal_mri")["test"])
    alone = prepared_slices(tmp_path, "mri", "test", tmp_path)
    both = prepared_slices(tmp_path, "mri", "test", tmp_path, feta)
    np.testing.assert_array_equal(both[: len(alone)], alone)
    assert len(both) == 2 * len(alone)
    for image in both[len(alone) :]:
        rows, columns = np.nonzero(image > -1)
        assert (rows.mean(), columns.mean()) == pytest.approx((63.5, 63.5), abs=2)
        assert np.ptp(columns) > 1.1 * np.ptp(rows)  # along its front and back
    # What is kept of one is not taken for the other.
    np.testing.assert_array_equal(prepared_slices(tmp_path, "mri", "test", tmp_path), alone)
    with pytest.raises(FileNotFoundError, match="inspect_data feta"):
        fetal_slices(tmp_path, "mri", "test", tmp_path)


def test_the_run_remembers_that_it_was_given_feta(feta, tmp_path, monkeypatch):
    (tmp_path / "fetal_mri").mkdir()
    for part in ("train", "validation"):
        write_brain(tmp_path / "fetal_mri", first_of("fetal_mri")[part])
    given = {}
    monkeypatch.setattr(train_eps, "train", lambda trainer, *_: given.update(n=len(trainer.slices)))
    options = ["--data", str(tmp_path), "--work", str(tmp_path / "run"), "--steps", "1"]
    for domain in ("us", "mri"):
        words = ["train_eps", "--domain", domain, "--feta", str(feta), *options]
        monkeypatch.setattr(sys, "argv", words)
        if domain == "us":
            with pytest.raises(SystemExit):
                train_eps.main()
        else:
            train_eps.main()
    assert given["n"] == 48
    assert feta_of(tmp_path / "run") == feta
    (tmp_path / "run" / "run.json").write_text(json.dumps([{"started_from": [{}]}]))
    assert feta_of(tmp_path / "run") is None
