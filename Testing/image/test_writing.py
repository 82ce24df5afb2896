"""Files are written whole or not at all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import SimpleITK as sitk

from Testing.image.made_volumes import OBLIQUE, PICTURES, numbered
from USToMRILib.errors import InputError
from USToMRILib.image import itk_files
from USToMRILib.image.grid import Grid
from USToMRILib.image.volume import check_writable


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("absent/a.nrrd", "does not exist"),
        ("a.mhd", ".mha"),
        ("a.xyz", "suffix"),
        ("a", "suffix"),
        ("a.png", "one slice"),
        ("folder.nrrd", "is a folder"),
        (f"{'long' * 70}.nrrd", "name too long"),
    ],
)
def test_paths_that_cannot_be_written(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "folder.nrrd").mkdir()
    for attempt in (
        lambda: check_writable(tmp_path / name, OBLIQUE),
        lambda: numbered().write(tmp_path / name),
    ):
        with pytest.raises(InputError, match=words):
            attempt()
    assert [p.name for p in tmp_path.iterdir()] == ["folder.nrrd"]


def test_a_folder_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, **_: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "touch", refuse)  # tests may run as root
    with pytest.raises(InputError, match="Permission denied"):
        check_writable(tmp_path / "a.nrrd")


def test_check_writable_leaves_nothing(tmp_path: Path) -> None:
    check_writable(tmp_path / "a.nii.gz")
    check_writable(str(tmp_path / "a.png"), Grid((4, 4, 1)))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt])
def test_a_failed_write_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: type[BaseException]
) -> None:
    path = tmp_path / "a.mha"
    path.write_text("an older result")

    def write_half(image: sitk.Image, name: str, **_: object) -> None:
        Path(name).write_text("half")
        raise failure

    monkeypatch.setattr(itk_files.sitk, "WriteImage", write_half)
    with pytest.raises(InputError if failure is RuntimeError else failure):
        numbered().write(path)
    assert path.read_text() == "an older result"
    assert list(tmp_path.iterdir()) == [path]


def test_a_written_file_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    numbered().write(tmp_path / "a.nrrd")
    assert (tmp_path / "a.nrrd").stat().st_mode == (tmp_path / "plain").stat().st_mode


CINES = ("seq.nrrd", "cine.mha", "cine.dcm", "mp4", "avi")
FULL_DISK = """
import resource, signal, sys
import numpy as np
from USToMRILib import Grid, InputError, Volume
from USToMRILib.image.sequence import ImageSequence
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
path, is_cine, grid = sys.argv[1], sys.argv[2] == "True", Grid((300, 300, 1))
noise = np.random.default_rng(0).integers(0, 255, (1, 300, 300)).astype(np.uint8)
image = ImageSequence(np.stack([noise] * 4), grid) if is_cine else Volume(noise, grid)
most = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
for limit in (2_000, 20_000, 60_000):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, most))
    try:
        image.write(path)
    except InputError as error:
        print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on the size of files")
@pytest.mark.parametrize("suffix", ["nrrd", "nii", "nii.gz", "mha", "dcm", *PICTURES, *CINES])
def test_a_full_disk_leaves_nothing(tmp_path: Path, suffix: str) -> None:
    # A limit on the size of a file stands for the full disk: at its beginning, or further on.
    path, is_cine = tmp_path / f"a.{suffix}", suffix in CINES
    run = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(path), str(is_cine)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert run.stdout.count("free some space") == 3
    assert run.stderr == ""
    assert list(tmp_path.iterdir()) == []
