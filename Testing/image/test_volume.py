"""Volumes from and to files: geometry, values, refusals, and nothing left half written."""

from __future__ import annotations

import csv
import gzip
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from Testing.image.test_grid import grids
from USToMRILib.errors import InputError
from USToMRILib.image import itk_files
from USToMRILib.image.grid import Grid
from USToMRILib.image.reading import luma
from USToMRILib.image.volume import Volume, check_usable, check_writable

DATA = os.environ.get("USTOMRI_DATA")
OBLIQUE = Grid(
    (7, 5, 4), (0.3, 0.7, 1.9), (-12.5, 1 / 3, 800.1), (0, 0.6, 0.8, 0, -0.8, 0.6, 1, 0, 0)
)
PICTURES = ("png", "jpg", "tif", "bmp")


def _volume(grid: Grid = OBLIQUE, dtype: type = np.uint8) -> Volume:
    count = int(np.prod(grid.size))
    return Volume((np.arange(count) * 13 % 250).astype(dtype).reshape(grid.shape), grid)


def _refusal(path: Path, **arguments: object) -> str:
    """The sentence with which reading is refused."""
    with pytest.raises(InputError) as caught:
        Volume.read(path, **arguments)  # type: ignore[arg-type]
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")
    assert str(path) in message
    return message


# Volumes in memory


def test_array_and_grid_must_agree() -> None:
    volume = _volume()
    assert volume.with_array(np.zeros((4, 5, 7))).grid is volume.grid
    with pytest.raises(InputError, match="shape"):
        volume.with_array(np.zeros((7, 5, 4)))
    with pytest.raises(InputError, match="complex"):
        volume.with_array(np.zeros((4, 5, 7), complex))


@pytest.mark.parametrize(
    ("dtype", "kept"),
    [
        (bool, np.uint8),
        (np.float16, np.float32),
        (np.longdouble, np.float64),
        (np.int64, np.int32),
        (np.uint64, np.int32),
        (">i2", np.int16),
        (">f4", np.float32),
        (np.uint16, np.uint16),
    ],
)
def test_to_sitk_holds_the_values_of_any_dtype(dtype: type, kept: type) -> None:
    volume = _volume(dtype=np.uint8)
    volume = volume.with_array((volume.array > 100).astype(dtype))
    back = Volume.from_sitk(volume.to_sitk())
    assert back.array.dtype == kept
    np.testing.assert_array_equal(back.array, volume.array)
    assert back.grid == volume.grid


@pytest.mark.parametrize("value", [2**40, -(2**40)])
def test_to_sitk_keeps_integers_that_need_64_bits(value: int) -> None:
    volume = _volume().with_array(np.full(OBLIQUE.shape, value))
    np.testing.assert_array_equal(Volume.from_sitk(volume.to_sitk()).array, volume.array)


def test_luma_is_bt601_and_exact_for_grey() -> None:
    primaries = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255]], np.uint8)
    np.testing.assert_array_equal(luma(primaries), [76, 150, 29])
    for dtype in (np.uint8, np.uint16, np.float32):
        grey = np.arange(np.iinfo(np.uint16).max if dtype != np.uint8 else 256).astype(dtype)
        np.testing.assert_array_equal(luma(np.stack([grey] * 3, axis=-1)), grey)
        assert luma(np.stack([grey] * 4, axis=-1)).dtype == dtype


@pytest.mark.parametrize(
    ("bad", "words"),
    [(np.nan, "NaN"), (np.inf, "infinite"), (3.0, "constant")],
)
def test_check_usable(bad: float, words: str) -> None:
    volume = _volume(dtype=np.float32)
    check_usable(volume)
    array = np.full(OBLIQUE.shape, 3.0, np.float32)
    array[1, 2, 3] = bad
    with pytest.raises(InputError, match=words):
        check_usable(volume.with_array(array))
    with pytest.raises(InputError, match="is a mask"):
        check_usable(volume.with_array(array > 3))


# Geometry and values through files


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(grid=grids(), dtype=st.sampled_from([np.uint8, np.int16, np.float32, np.float64]))
@pytest.mark.parametrize("suffix", ["nrrd", "mha", "nii", "nii.gz"])
def test_round_trip(tmp_path: Path, suffix: str, grid: Grid, dtype: type) -> None:
    volume = _volume(grid, dtype)
    path = tmp_path / f"image.{suffix}"
    volume.write(path)
    back = Volume.read(path)
    np.testing.assert_array_equal(back.array, volume.array)
    assert back.array.dtype == dtype
    if suffix == "mha":
        assert back.grid == grid
    elif suffix == "nrrd":
        assert back.grid.origin == grid.origin
        np.testing.assert_allclose(back.grid.spacing, grid.spacing, rtol=1e-15)
        np.testing.assert_allclose(back.grid.direction, grid.direction, rtol=0, atol=1e-15)
    else:
        assert back.grid.is_close(grid, tolerance=2e-4)  # float32 at 500 mm


def test_itk_and_slicer_conventions_of_a_written_file(tmp_path: Path) -> None:
    volume = _volume()
    volume.write(tmp_path / "image.NRRD")
    image = sitk.ReadImage(str(tmp_path / "image.NRRD"))
    assert image.GetPixel(3, 2, 1) == volume.array[1, 2, 3]
    point = image.TransformIndexToPhysicalPoint((3, 2, 1))
    np.testing.assert_allclose(point, volume.grid.index_to_physical([3, 2, 1]), atol=1e-9)
    assert b"encoding: gzip" in (tmp_path / "image.NRRD").read_bytes()


@pytest.mark.parametrize("suffix", ["nrrd", "mha", "nii.gz"])
def test_a_slice_keeps_its_place_in_3d(tmp_path: Path, suffix: str) -> None:
    grid = Grid((7, 5, 1), OBLIQUE.spacing, OBLIQUE.origin, OBLIQUE.direction)
    _volume(grid).write(tmp_path / f"slice.{suffix}")
    back = Volume.read(tmp_path / f"slice.{suffix}")
    assert back.is_slice
    assert back.grid.is_close(grid)


def test_a_2d_nrrd_is_a_volume_of_one_slice(tmp_path: Path) -> None:
    image = sitk.GetImageFromArray(np.arange(12, dtype=np.uint8).reshape(3, 4))
    image.SetSpacing((0.2, 0.3))
    sitk.WriteImage(image, str(tmp_path / "flat.nrrd"))
    volume = Volume.read(tmp_path / "flat.nrrd")
    assert volume.grid == Grid((4, 3, 1), (0.2, 0.3, 1.0))
    assert volume.array[0, 2, 1] == 9


def test_metadata_goes_as_far_as_the_format_has_room(tmp_path: Path) -> None:
    volume = _volume(Grid((7, 5, 1)))
    volume.metadata["Modality"] = "US"
    fields = {"synthetic": "not a scan\nnever é", "long": "x" * 40_000}
    for suffix in ("nrrd", "mha", "nii.gz", "png"):
        volume.write(tmp_path / f"image.{suffix}", fields)
    nrrd = Volume.read(tmp_path / "image.nrrd").metadata
    assert nrrd == {"Modality": "US", "synthetic": "not a scan never é", "long": "x" * 40_000}
    meta = Volume.read(tmp_path / "image.mha").metadata
    assert meta == {"synthetic": "not a scan never \\xe9"}  # MetaIO has its own Modality
    nifti = Volume.read(tmp_path / "image.nii.gz").metadata
    assert nifti["descrip"].startswith("synthetic=not a scan never ?; long=xxx")
    assert Image.open(tmp_path / "image.png").text["synthetic"] == fields["synthetic"]


def test_an_old_nifti_description_does_not_push_out_new_metadata(tmp_path: Path) -> None:
    volume = _volume()
    volume.metadata["descrip"] = "FSL5.0 " + "y" * 70
    volume.write(tmp_path / "a.nii", {"synthetic": "yes"})
    assert Volume.read(tmp_path / "a.nii").metadata["descrip"].startswith("synthetic=yes; FSL5.0")


# Pictures


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp"])
def test_pictures_round_trip(tmp_path: Path, suffix: str) -> None:
    volume = _volume(Grid((7, 5, 1), (0.4, 0.4, 1.0)))
    volume.write(tmp_path / f"p.{suffix}", {"synthetic": "yes"})
    back = Volume.read(tmp_path / f"p.{suffix}", pixel_size=0.4)
    np.testing.assert_array_equal(back.array, volume.array)
    assert back.array.dtype == np.uint8
    assert back.grid == volume.grid


def test_floats_are_rounded_and_clipped_and_masks_stretched(tmp_path: Path) -> None:
    grid = Grid((4, 1, 1))
    values = np.array([[[-3.0, 0.6, 254.4, 300.0]]], np.float32)
    Volume(values, grid).write(tmp_path / "f.png")
    np.testing.assert_array_equal(np.array(Image.open(tmp_path / "f.png")), [[0, 1, 254, 255]])
    Volume(values > 0, grid).write(tmp_path / "m.png")
    np.testing.assert_array_equal(np.array(Image.open(tmp_path / "m.png")), [[0, 255, 255, 255]])


@pytest.mark.parametrize("array", [np.zeros((1, 1, 4), np.int16), np.full((1, 1, 4), np.nan)])
def test_a_picture_refuses_what_it_cannot_hold(tmp_path: Path, array: np.ndarray) -> None:
    with pytest.raises(InputError, match="nrrd"):
        Volume(array, Grid((4, 1, 1))).write(tmp_path / "p.png")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", PICTURES)
def test_a_picture_needs_a_pixel_size_and_its_print_resolution_is_not_one(
    tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"p.{suffix}"
    Image.new("L", (6, 4), 7).save(path, dpi=(300, 300))
    message = _refusal(path)
    assert message == f"{path} has no pixel size; give it with --pixel-size MM (pixel_size=...)."
    assert Volume.read(path, pixel_size=0.5).grid == Grid((6, 4, 1), (0.5, 0.5, 1.0))


@pytest.mark.parametrize("pixel_size", [0.0, -1.0, float("nan"), float("inf")])
def test_a_pixel_size_is_a_length(tmp_path: Path, pixel_size: float) -> None:
    Image.new("L", (6, 4), 7).save(tmp_path / "p.png")
    with pytest.raises(InputError, match="above zero"):
        Volume.read(tmp_path / "p.png", pixel_size=pixel_size)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16", "CMYK"])
def test_every_picture_mode_becomes_grey(tmp_path: Path, mode: str) -> None:
    suffix = "tif" if mode == "CMYK" else "png"
    grey = Image.fromarray(np.array([[0, 255], [255, 0]], np.uint8))
    grey.convert(mode).save(tmp_path / f"p.{suffix}")
    array = Volume.read(tmp_path / f"p.{suffix}", pixel_size=1).array
    assert array.dtype == (np.uint16 if mode == "I;16" else np.uint8)
    np.testing.assert_array_equal(array, [[[0, 255], [255, 0]]])


def test_pages_of_a_tiff_are_chosen(tmp_path: Path) -> None:
    path = tmp_path / "pages.tif"
    pages = [Image.new("L", (6, 4), value) for value in (10, 20, 30)]
    pages[0].save(path, save_all=True, append_images=pages[1:])
    assert "3 pages" in _refusal(path, pixel_size=1.0)
    assert "frame=N" in _refusal(path, pixel_size=1.0)
    assert Volume.read(path, pixel_size=1, frame=2).array.max() == 30
    assert "no frame 3" in _refusal(path, pixel_size=1.0, frame=3)


@pytest.mark.skipif(not DATA, reason="USTOMRI_DATA names no folder with hc18")
def test_real_ultrasound_png() -> None:
    folder = Path(str(DATA)) / "hc18"
    with open(folder / "pixel_size_and_HC.csv", newline="") as table:
        row = next(csv.reader(list(table)[1:]))
    volume = Volume.read(folder / "images" / row[0], pixel_size=float(row[1]))
    assert volume.is_slice
    assert volume.array.dtype == np.uint8
    assert volume.grid.size == (*Image.open(folder / "images" / row[0]).size, 1)
    check_usable(volume)


# Refusals


def _damaged(folder: Path, suffix: str, part: float) -> Path:
    """A file of this format, cut off after a part of its bytes."""
    whole = _volume(Grid((60, 50, 1 if suffix in PICTURES else 3)))
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
    path = _damaged(tmp_path, suffix, part)
    arguments = {"pixel_size": 1.0} if suffix in PICTURES else {}
    assert "damaged" in _refusal(path, **arguments)
    assert capfd.readouterr() == ("", "")


def test_threads_that_read_do_not_lose_the_standard_error(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = _damaged(tmp_path, "mha", 0.5)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: _refusal(path), range(40)))
    os.write(2, b"still here")
    assert capfd.readouterr() == ("", "still here")


@pytest.mark.parametrize("suffix", ["nrrd", "nii", "nii.gz", "mha", "dcm", *PICTURES])
def test_files_of_another_kind_are_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], suffix: str
) -> None:
    path = tmp_path / f"image.{suffix}"
    path.write_text("These are words, not an image.\n" * 50)
    assert "damaged" in _refusal(path)
    path.write_bytes(b"")
    assert "0 bytes" in _refusal(path)
    assert capfd.readouterr() == ("", "")


def test_a_flipped_bit_in_a_compressed_nifti_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "image.nii.gz"
    _volume().write(path)
    voxels = gzip.decompress(path.read_bytes())
    packed = bytearray(gzip.compress(voxels, compresslevel=0))
    packed[-20] ^= 1
    path.write_bytes(packed)
    assert "damaged" in _refusal(path)


def test_missing_folders_and_unknown_formats(tmp_path: Path) -> None:
    assert "does not exist" in _refusal(tmp_path / "absent.nrrd")
    assert "without DICOM" in _refusal(tmp_path)
    (tmp_path / "notes.txt").write_text("no image")
    assert "known format" in _refusal(tmp_path / "notes.txt")


def test_4d_is_refused_with_the_way_out(tmp_path: Path) -> None:
    for suffix in ("nii", "nrrd"):
        path = tmp_path / f"series.{suffix}"
        values = np.arange(3 * 24, dtype=np.int16).reshape(3, 2, 3, 4)
        image = sitk.JoinSeries([sitk.GetImageFromArray(volume) for volume in values])
        sitk.WriteImage(image, str(path))
        message = _refusal(path)
        assert "3 time points (4D)" in message
        assert "frame=N" in message
        np.testing.assert_array_equal(Volume.read(path, frame=1).array, values[1])
        assert "no frame 3" in _refusal(path, frame=3)


def test_vectors_are_refused_and_colours_become_grey(tmp_path: Path) -> None:
    path = tmp_path / "vectors.nrrd"
    colour = np.zeros((2, 3, 4, 3), np.uint8)
    colour[..., 0] = 255
    sitk.WriteImage(sitk.GetImageFromArray(colour.astype(np.float32), isVector=True), str(path))
    assert "3 values in each voxel" in _refusal(path)
    sitk.WriteImage(sitk.GetImageFromArray(colour, isVector=True), str(path))
    path.write_bytes(path.read_bytes().replace(b"kinds: vector", b"kinds: RGB-color"))
    np.testing.assert_array_equal(Volume.read(path).array, np.full((2, 3, 4), 76))


def test_a_file_with_its_own_spacing_takes_no_pixel_size(tmp_path: Path) -> None:
    _volume().write(tmp_path / "a.nrrd")
    assert "its own voxel spacing" in _refusal(tmp_path / "a.nrrd", pixel_size=0.2)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_and_infinity_are_refused(tmp_path: Path, value: float) -> None:
    volume = _volume(dtype=np.float32)
    volume.array[0, 0, 0] = value
    volume.write(tmp_path / "a.mha")
    assert "NaN or infinite" in _refusal(tmp_path / "a.mha")


@pytest.mark.parametrize("value", [1.797e308, -1.797e308, 1e39])
def test_a_mark_for_missing_data_beyond_float32_is_refused(tmp_path: Path, value: float) -> None:
    volume = _volume(dtype=np.float64)
    volume.array[0, 0, 0] = value
    volume.write(tmp_path / "a.nrrd")
    assert "missing data" in _refusal(tmp_path / "a.nrrd")
    with pytest.raises(InputError, match="missing data"):
        check_usable(volume)
    volume.array[0, 0, 0] = np.copysign(np.finfo(np.float32).max, value)
    check_usable(volume)


def _nrrd(path: Path, sizes: str, directions: str = "(1,0,0) (0,1,0) (0,0,1)") -> Path:
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
    assert words in _refusal(_nrrd(tmp_path / "a.nrrd", sizes, directions))
    assert capfd.readouterr() == ("", "")


def test_a_sheared_nifti_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.nii"
    _volume(Grid((4, 4, 4))).write(path)
    header = bytearray(path.read_bytes())
    header[252:254] = b"\0\0"  # qform_code: leaves the sform alone
    header[284:288] = np.float32(0.5).tobytes()  # srow_x[1]
    path.write_bytes(header)
    assert "orthonormal" in _refusal(path)


# Writing


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
        lambda: _volume().write(tmp_path / name),
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
        _volume().write(path)
    assert path.read_text() == "an older result"
    assert list(tmp_path.iterdir()) == [path]


def test_a_written_file_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    _volume().write(tmp_path / "a.nrrd")
    assert (tmp_path / "a.nrrd").stat().st_mode == (tmp_path / "plain").stat().st_mode


_FULL_DISK = """
import resource, signal, sys
import numpy as np
from USToMRILib import Grid, InputError, Volume
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
noise = np.random.default_rng(0).integers(0, 255, (1, 300, 300)).astype(np.uint8)
try:
    Volume(noise, Grid((300, 300, 1))).write(sys.argv[1])
except InputError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on the size of files")
@pytest.mark.parametrize("suffix", ["nrrd", "nii", "nii.gz", "mha", *PICTURES])
def test_a_full_disk_leaves_nothing(tmp_path: Path, suffix: str) -> None:
    # A limit on the size of a file stands for the full disk.
    run = subprocess.run(
        [sys.executable, "-c", _FULL_DISK, str(tmp_path / f"a.{suffix}")],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert "free some space" in run.stdout
    assert run.stderr == ""
    assert list(tmp_path.iterdir()) == []
