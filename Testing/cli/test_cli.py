"""The command line as a user meets it: in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from USToMRILib import Volume
from USToMRILib.cli.command import main
from USToMRILib.fetal.tissues import Tissue

ROOT = Path(__file__).resolve().parents[2]
VOLUME = ("--method", "pix2pix3d")
DDIC = ("--method", "ddic")


@pytest.fixture
def image(head_slice, tmp_path, tiny_models):
    path = tmp_path / "us.nrrd"
    head_slice.write(path)
    return path


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def run(*arguments, **environment):
    command = [sys.executable, "-m", "USToMRILib", *map(str, arguments)]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, **environment}
    )


def test_translate_writes_image_record_and_picture(image, head_slice, tmp_path):
    output, picture = tmp_path / "out.nii.gz", tmp_path / "look.png"
    further = [*DDIC, "--steps", 3, "--progress", "json", "--picture", picture]
    done = run("translate", image, output, *further)
    assert done.returncode == 0, done.stderr
    assert names(tmp_path) == ["look.png", "out.nii.gz", "out.nii.gz.json", "us.nrrd"]
    assert Volume.read(output).grid.is_close(head_slice.grid)
    assert "SYNTHETIC" in Volume.read(output).metadata["descrip"]
    events = [json.loads(line) for line in done.stderr.splitlines()]
    assert [e["phase"] for e in events] == ["load", "head"] + ["encode"] * 3 + ["decode"] * 3
    assert all(set(e) == {"phase", "step", "of", "eta_s"} for e in events)
    record = json.loads((tmp_path / "out.nii.gz.json").read_text())
    assert record["parameters"]["steps"] == 3


def test_a_picture_is_translated_with_its_pixel_size(head_slice, tmp_path, tiny_models):
    picture, output = tmp_path / "us.png", tmp_path / "out.png"
    Volume((head_slice.array / 2).astype(np.uint8), head_slice.grid).write(picture)
    arguments = ["translate", str(picture), str(output), "--pixel-size", "0.33"]
    assert main([*arguments, "--picture", str(tmp_path / "look.JPG")]) == 0
    assert (tmp_path / "look.JPG").read_bytes().startswith(b"\xff\xd8")
    assert Volume.read(output, 0.33).array.shape == head_slice.array.shape


def test_a_picture_names_the_tissues_in_their_colours(image, tmp_path, tiny_models):
    def drawn(*further):
        picture = tmp_path / f"look{len(further)}.png"
        words = ["translate", str(image), str(tmp_path / f"out{len(further)}.nrrd"), *further]
        assert main([*words, "--method", "pix2pix2d", "--picture", str(picture)]) == 0
        return np.array(Image.open(picture).convert("RGB")).astype(int)

    tissues = tmp_path / "tissues.nrrd"
    plain, with_tissues = drawn(), drawn("--tissues", str(tissues))
    assert with_tissues.shape[1] > 1.25 * plain.shape[1]
    named = [Tissue(number) for number in np.unique(Volume.read(tissues).array) if number]
    assert named
    for tissue in Tissue:
        shown = (abs(with_tissues - tissue.colour).max(axis=-1) <= 2).any()
        assert shown == (tissue in named), tissue.title


def test_a_pixel_size_in_metres_is_told(head_slice, tmp_path, tiny_models, capsys):
    pixels = np.rint(head_slice.array / head_slice.array.max() * 255).astype(np.uint8)
    Volume(pixels, head_slice.grid).write(tmp_path / "head.png")
    words = ["translate", str(tmp_path / "head.png"), str(tmp_path / "out.nrrd")]
    assert main([*words, "--pixel-size", "0.00014", "--head-mask", "none"]) == 2
    assert "correct the pixel size" in capsys.readouterr().err


def test_the_record_goes_where_the_user_wants_it(image, tmp_path):
    record = tmp_path / "record.json"
    arguments = [
        "translate",
        image,
        tmp_path / "o.mha",
        *DDIC,
        "--steps",
        "2",
        "--provenance",
        record,
    ]
    assert main(list(map(str, arguments))) == 0
    assert names(tmp_path) == ["o.mha", "record.json", "us.nrrd"]


def test_a_mask_file_gives_the_head(image, tmp_path):
    mask = tmp_path / "mask.nrrd"
    assert main(["head", str(image), "--mask-out", str(mask)]) == 0
    arguments = [
        "translate",
        image,
        tmp_path / "o.nrrd",
        *DDIC,
        "--steps",
        "2",
        "--head-mask",
        mask,
    ]
    assert main(list(map(str, arguments))) == 0
    record = json.loads((tmp_path / "o.nrrd.json").read_text())
    assert "fetal_head_seg" not in record["bundles"]


def test_head_prints_json(image, capsys):
    assert main(["head", str(image)]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["circumference_mm"] == pytest.approx(214, abs=4)
    assert set(answer["ellipse"]) == {"centre", "semi_axes", "angle", "midline"}


def test_models_are_listed_and_verified(tiny_models, capsys):
    assert main(["models", "list"]) == 0
    assert "fetal_us_eps 0.0.0: test" in capsys.readouterr().out.splitlines()
    assert main(["models", "verify"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 7
    assert all("verified" in line for line in lines)


@pytest.mark.parametrize("action", ["list", "verify"])
def test_a_folder_without_models_is_told(tmp_path, monkeypatch, capsys, action):
    monkeypatch.setenv("USTOMRI_MODELS", str(tmp_path))
    assert main(["models", action]) == 2
    assert "holds no model bundles" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "arguments are required"),
        (["conjure"], "invalid choice"),
        (["translate", "nowhere.png", "o.nrrd"], "nowhere.png does not exist"),
        (["translate", "{us}", "{folder}/no/o.nrrd"], "output folder"),
        (["translate", "{us}", "{folder}/o.xyz"], "no suffix that can be written"),
        (["translate", "{us}", "{us}"], "is the input itself"),
        (["translate", "{us}", "o.nrrd", "--uncertainty", "{us}"], "is the input itself"),
        (["translate", "{us}", "o.nrrd", "--uncertainty", "./o.nrrd"], "is named for two outputs"),
        (["translate", "{us}", "o.nrrd", "--picture", "{us}"], "is the input itself"),
        (["translate", "{us}", "o.nrrd", "--provenance", "{us}"], "is the input itself"),
        (["translate", "{us}", "o.nrrd", "--provenance", "o.nrrd"], "is named for two outputs"),
        (["head", "{us}", "--mask-out", "{us}"], "is the input itself"),
        (["translate", "{us}", "o.nrrd", *DDIC, "--uncertainty", "u.nrrd"], "or 'pix2pix3d'"),
        (["translate", "{us}", "o.nrrd", *VOLUME, "--memory", "0.1"], "0.1 GiB are allowed"),
        (["translate", "{us}", "o.nrrd", "--method", "magic"], "choose from pix2pix2d"),
        (["translate", "{us}", "o.nrrd", *DDIC, "--steps", "1"], "2 to 1000"),
        (["translate", "{us}", "o.nrrd", *DDIC, "--steps", "few"], "invalid int"),
        (["translate", "{us}", "o.nrrd", *DDIC, "--solver", "magic"], "choose from dpm++2m"),
        (["translate", "{us}", "{folder}/o.nrrd", "--device", "abacus"], "is unknown"),
        (["translate", "{us}", "{folder}/o.nrrd", "--pixel-size", "0.2"], "spacing"),
        (["translate", "{us}", "{folder}/o.nrrd", "--head-mask", "no.nrrd"], "does not exist"),
        (["translate", "{us}", "{folder}/o.nrrd", "--provenance", "no/r.json"], "output folder"),
        (["translate", "{us}", "{folder}/o.nrrd", "--picture", "no/p.png"], "output folder"),
        (["translate", "{us}", "o.nrrd", "--picture", "p.pdf"], "a PNG or JPEG"),
        (["head", "{folder}"], "DICOM"),
    ],
)
def test_unusable_arguments_get_one_line_status_2_and_no_file(
    image, tmp_path, capsys, monkeypatch, arguments, message
):
    monkeypatch.chdir(tmp_path)
    before = image.read_bytes()
    filled = [a.format(us=image, folder=tmp_path) for a in arguments]
    try:
        status = main(filled)
    except SystemExit as stop:
        status = stop.code
    captured = capsys.readouterr()
    assert status == 2
    assert captured.out == ""
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert names(tmp_path) == ["us.nrrd"]
    assert image.read_bytes() == before


def test_a_changed_bundle_is_status_2(image, tmp_path, tiny_models_dir):
    import shutil

    models = shutil.copytree(tiny_models_dir, tmp_path / "models")
    (models / "fetal_mri_eps" / "models" / "model.ts").write_bytes(b"not these")
    done = run("translate", image, tmp_path / "o.nrrd", *DDIC, USTOMRI_MODELS=str(models))
    assert done.returncode == 2
    assert "damaged or were changed" in done.stderr
    assert names(tmp_path) == ["models", "us.nrrd"]


@pytest.mark.skipif(os.name == "nt", reason="signals are sent as on POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_cancels_and_leaves_what_was_there(image, tmp_path, number):
    output = tmp_path / "o.nrrd"
    output.write_bytes(b"precious")
    arguments = ["translate", image, output, *DDIC, "--steps", "1000", "--progress", "json"]
    command = [sys.executable, "-m", "USToMRILib", *map(str, arguments)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr:
            if json.loads(line)["phase"] == "encode":
                break
        process.send_signal(number)
        *_, last = process.stderr.read().splitlines()
    assert process.returncode == 130
    assert last == "ustomri: cancelled; nothing was written."
    assert names(tmp_path) == ["o.nrrd", "us.nrrd"]
    assert output.read_bytes() == b"precious"
