"""A pseudo-MRI given as ultrasound is recognised, whatever file it is in, and refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from Testing.batch_images import FAST, add_image
from USToMRILib import Grid, InputError, Volume, translate
from USToMRILib.cli.command import main
from USToMRILib.files import sidecar_path
from USToMRILib.image.synthetic import is_synthetic
from USToMRILib.provenance import header_fields

RECORD = {"version": "0.2.0", "method": "ddic", "parameters": {}, "tool": "USToMRI"}
GREY = np.random.default_rng(0).integers(0, 255, (1, 24, 32)).astype(np.uint8)
SUFFIXES = ("nrrd", "nii.gz", "mha", "dcm", "png", "jpg", "tif")


def pseudo_mri(name: str = "") -> Volume:
    """An image that says of itself that it is a pseudo-MRI, or a map of one."""
    fields = header_fields(RECORD)
    said = f"{name} of a {fields['description']}" if name else fields["description"]
    return Volume(GREY, Grid((32, 24, 1)), {**fields, "description": said})


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", ["", "RESIDUAL"])
def test_it_is_known_by_its_header(tmp_path: Path, suffix: str, name: str) -> None:
    pseudo_mri(name).write(tmp_path / f"a.{suffix}")
    Volume(GREY, Grid((32, 24, 1))).write(tmp_path / f"b.{suffix}")
    pixel_size = 1.0 if suffix in ("png", "jpg", "tif") else None
    assert is_synthetic(Volume.read(tmp_path / f"a.{suffix}", pixel_size))
    assert not is_synthetic(Volume.read(tmp_path / f"b.{suffix}", pixel_size))


def test_it_is_known_by_the_record_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "a.bmp"  # which has no room for a word
    Volume(GREY, Grid((32, 24, 1))).write(path)
    sidecar_path(path).write_text(json.dumps({"series": 3}))
    assert not is_synthetic(Volume.read(path, 1.0))
    sidecar_path(path).write_text(json.dumps(RECORD))
    assert is_synthetic(Volume.read(path, 1.0))


def test_it_is_refused_unless_allowed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "ultrasound.nrrd"
    add_image(source)
    how = [*FAST, "--head-mask", "none", "--progress", "none"]
    mri, again = str(tmp_path / "pseudo_mri.nrrd"), str(tmp_path / "again.nrrd")
    assert main(["translate", str(source), mri, *how]) == 0
    assert main(["translate", mri, again, *how]) == 2
    assert "is itself synthetic" in capsys.readouterr().err
    assert not Path(again).exists()
    assert main(["head", mri]) == 2
    assert "is itself synthetic" in capsys.readouterr().err
    assert main(["translate", mri, again, *how, "--allow-synthetic"]) == 0
    with pytest.raises(InputError, match="allow_synthetic=True"):
        translate(Volume.read(mri), "ddib", steps=2, head="none")


def test_in_a_batch_it_fails_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    add_image(folder / "ultrasound.nrrd")
    pseudo_mri().write(folder / "pseudo_mri.nrrd")
    arguments = ["batch", str(folder), str(tmp_path / "out"), *FAST, "--head-mask", "none"]
    assert main(arguments) == 3
    told = capsys.readouterr().out
    assert "ultrasound.nrrd: done" in told
    assert "is itself synthetic" in told
