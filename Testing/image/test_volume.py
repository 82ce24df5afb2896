"""Volumes in memory, and their geometry and values through files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from Testing.image.made_volumes import OBLIQUE, grids, numbered
from USToMRILib.errors import InputError
from USToMRILib.image.grid import Grid
from USToMRILib.image.reading import luma
from USToMRILib.image.volume import Volume, check_usable


def test_array_and_grid_must_agree() -> None:
    volume = numbered()
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
    volume = numbered(dtype=np.uint8)
    volume = volume.with_array((volume.array > 100).astype(dtype))
    back = Volume.from_sitk(volume.to_sitk())
    assert back.array.dtype == kept
    np.testing.assert_array_equal(back.array, volume.array)
    assert back.grid == volume.grid


@pytest.mark.parametrize("value", [2**40, -(2**40)])
def test_to_sitk_keeps_integers_that_need_64_bits(value: int) -> None:
    volume = numbered().with_array(np.full(OBLIQUE.shape, value))
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
    volume = numbered(dtype=np.float32)
    check_usable(volume)
    array = np.full(OBLIQUE.shape, 3.0, np.float32)
    array[1, 2, 3] = bad
    with pytest.raises(InputError, match=words):
        check_usable(volume.with_array(array))
    with pytest.raises(InputError, match="is a mask"):
        check_usable(volume.with_array(array > 3))


@pytest.mark.parametrize("step", [1e-9, 1.3e-4, 130.0, 1e300])
def test_pixels_of_an_impossible_size_are_refused(step: float) -> None:
    with pytest.raises(InputError, match="no ultrasound's"):
        check_usable(numbered(Grid((7, 5, 1), (step, step, 1.0))))


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(grid=grids(), dtype=st.sampled_from([np.uint8, np.int16, np.float32, np.float64]))
@pytest.mark.parametrize("suffix", ["nrrd", "mha", "nii", "nii.gz"])
def test_round_trip(tmp_path: Path, suffix: str, grid: Grid, dtype: type) -> None:
    volume = numbered(grid, dtype)
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
    volume = numbered()
    volume.write(tmp_path / "image.NRRD")
    image = sitk.ReadImage(str(tmp_path / "image.NRRD"))
    assert image.GetPixel(3, 2, 1) == volume.array[1, 2, 3]
    point = image.TransformIndexToPhysicalPoint((3, 2, 1))
    np.testing.assert_allclose(point, volume.grid.index_to_physical([3, 2, 1]), atol=1e-9)
    assert b"encoding: gzip" in (tmp_path / "image.NRRD").read_bytes()


@pytest.mark.parametrize("suffix", ["nrrd", "mha", "nii.gz"])
def test_a_slice_keeps_its_place_in_3d(tmp_path: Path, suffix: str) -> None:
    grid = Grid((7, 5, 1), OBLIQUE.spacing, OBLIQUE.origin, OBLIQUE.direction)
    numbered(grid).write(tmp_path / f"slice.{suffix}")
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
    volume = numbered(Grid((7, 5, 1)))
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
    volume = numbered()
    volume.metadata["descrip"] = "FSL5.0 " + "y" * 70
    volume.write(tmp_path / "a.nii", {"synthetic": "yes"})
    assert Volume.read(tmp_path / "a.nii").metadata["descrip"].startswith("synthetic=yes; FSL5.0")
