"""Files that cannot be read: damaged, of another kind, or without a usable geometry."""

from __future__ import annotations

import gzip
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from Testing.image.made_volumes import PICTURES, numbered
from Testing.image.refused import refusal
from USToMRILib.errors import InputError
from USToMRILib.image.grid import Grid
from USToMRILib.image.volume import Volume, check_usable


def damaged(folder: Path, suffix: str, part: float) -> Path:
    """A file of this format, cut off after a part of its bytes."""
    whole = numbered(Grid((60, 50, 1 if suffix in PICTURES else 3)))
    noise = np.random.default_rng(0).integers(0, 255, whole.array.shape).astype(np.uint8)
    path = folder / f"image.{suffix}"
    whole.with_array(noise).write(path)
    path.write_bytes(path.read_bytes()[: int(part * path.stat().st_size)])
    return path


@pytest.mark.parametrize("part", [0.02, 0.5, 0.95])
@pytest.mark.parametrize("suffix", ["nrrd", "nii", "nii.gz", "mha", *PICTURES])
def test_truncated_files_are_refused_and_nothing_is_printed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], suffix: str, part: float
) -> None:
    path = damaged(tmp_path, suffix, part)
    arguments = {"pixel_size": 1.0} if suffix in PICTURES else {}
    assert "damaged" in refusal(path, **arguments)
    assert capfd.readouterr() == ("", "")


def test_threads_that_read_do_not_lose_the_standard_error(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = damaged(tmp_path, "mha", 0.5)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: refusal(path), range(40)))
    os.write(2, b"still here")
    assert capfd.readouterr() == ("", "still here")


@pytest.mark.parametrize("suffix", ["nrrd", "nii", "nii.gz", "mha", "dcm", *PICTURES])
def test_files_of_another_kind_are_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], suffix: str
) -> None:
    path = tmp_path / f"image.{suffix}"
    path.write_text("These are words, not an image.\n" * 50)
    assert "damaged" in refusal(path)
    path.write_bytes(b"")
    assert "0 bytes" in refusal(path)
    assert capfd.readouterr() == ("", "")


def test_a_flipped_bit_in_a_compressed_nifti_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "image.nii.gz"
    numbered().write(path)
    voxels = gzip.decompress(path.read_bytes())
    packed = bytearray(gzip.compress(voxels, compresslevel=0))
    packed[-20] ^= 1
    path.write_bytes(packed)
    assert "damaged" in refusal(path)


def test_missing_folders_and_unknown_formats(tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "absent.nrrd")
    assert "without DICOM" in refusal(tmp_path)
    (tmp_path / "notes.txt").write_text("no image")
    assert "known format" in refusal(tmp_path / "notes.txt")


def test_4d_is_refused_with_the_way_out(tmp_path: Path) -> None:
    for suffix in ("nii", "nrrd"):
        path = tmp_path / f"series.{suffix}"
        values = np.arange(3 * 24, dtype=np.int16).reshape(3, 2, 3, 4)
        image = sitk.JoinSeries([sitk.GetImageFromArray(volume) for volume in values])
        sitk.WriteImage(image, str(path))
        message = refusal(path)
        assert "3 time points (4D)" in message
        assert "frame=N" in message
        np.testing.assert_array_equal(Volume.read(path, frame=1).array, values[1])
        assert "no frame 3" in refusal(path, frame=3)


def test_vectors_are_refused_and_colours_become_grey(tmp_path: Path) -> None:
    path = tmp_path / "vectors.nrrd"
    colour = np.zeros((2, 3, 4, 3), np.uint8)
    colour[..., 0] = 255
    sitk.WriteImage(sitk.GetImageFromArray(colour.astype(np.float32), isVector=True), str(path))
    assert "3 values in each voxel" in refusal(path)
    sitk.WriteImage(sitk.GetImageFromArray(colour, isVector=True), str(path))
    path.write_bytes(path.read_bytes().replace(b"kinds: vector", b"kinds: RGB-color"))
    np.testing.assert_array_equal(Volume.read(path).array, np.full((2, 3, 4), 76))


def test_a_file_with_its_own_spacing_takes_no_pixel_size(tmp_path: Path) -> None:
    numbered().write(tmp_path / "a.nrrd")
    assert "its own voxel spacing" in refusal(tmp_path / "a.nrrd", pixel_size=0.2)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_and_infinity_are_refused(tmp_path: Path, value: float) -> None:
    volume = numbered(dtype=np.float32)
    volume.array[0, 0, 0] = value
    volume.write(tmp_path / "a.mha")
    assert "NaN or infinite" in refusal(tmp_path / "a.mha")


@pytest.mark.parametrize("value", [1.797e308, -1.797e308, 1e39])
def test_a_mark_for_missing_data_beyond_float32_is_refused(tmp_path: Path, value: float) -> None:
    volume = numbered(dtype=np.float64)
    volume.array[0, 0, 0] = value
    volume.write(tmp_path / "a.nrrd")
    assert "missing data" in refusal(tmp_path / "a.nrrd")
    with pytest.raises(InputError, match="missing data"):
        check_usable(volume)
    volume.array[0, 0, 0] = np.copysign(np.finfo(np.float32).max, value)
    check_usable(volume)


def nrrd_with(path: Path, sizes: str, directions: str = "(1,0,0) (0,1,0) (0,0,1)") -> Path:
    path.write_text(
        "NRRD0004\ntype: uchar\ndimension: 3\nspace: left-posterior-superior\n"
        f"sizes: {sizes}\nspace directions: {directions}\nspace origin: (0,0,0)\n"
        "kinds: domain domain domain\nencoding: raw\n\n" + "\0" * 8
    )
    return path


@pytest.mark.parametrize(
    ("sizes", "directions", "words"),
    [
        ("2 2 2", "(1,0,0) (0.5,1,0) (0,0,1)", "orthonormal"),
        ("2 2 2", "(0,0,0) (0,1,0) (0,0,1)", "header"),
        ("0 2 2", "(1,0,0) (0,1,0) (0,0,1)", "damaged"),
        ("20000 20000 20000", "(1,0,0) (0,1,0) (0,0,1)", "4 GiB"),
    ],
)
def test_headers_that_cannot_be_used(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], sizes: str, directions: str, words: str
) -> None:
    # 20000^3 voxels would take minutes and all memory if the voxels were read before the check.
    assert words in refusal(nrrd_with(tmp_path / "a.nrrd", sizes, directions))
    assert capfd.readouterr() == ("", "")


def test_a_sheared_nifti_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.nii"
    numbered(Grid((4, 4, 4))).write(path)
    header = bytearray(path.read_bytes())
    header[252:254] = b"\0\0"  # qform_code: leaves the sform alone
    header[284:288] = np.float32(0.5).tobytes()  # srow_x[1]
    path.write_bytes(header)
    assert "orthonormal" in refusal(path)
