"""A seeded campaign: whatever a file holds, it is read as a reference reader reads it, or refused.

A refusal is one sentence. Nothing crashes, nothing is printed, and nothing is left half written.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.random import Generator

from Testing.image.fuzz_files import FORMATS, Format, damage, in_memory_jpeg, random_grid, reference
from USToMRILib.errors import InputError
from USToMRILib.files import quiet_libraries
from USToMRILib.image.volume import Volume

SEEDS = 50  # of each test


def make(random: Generator, folder: Path) -> tuple[str, Path, np.ndarray, Volume]:
    """A whole file of any format, and what is in it."""
    name = str(random.choice(sorted(FORMATS)))
    kind = FORMATS[name]
    grid = random_grid(random, kind.flat)
    dtype = str(random.choice(kind.dtypes))
    array = random.integers(0, 200, grid.shape).astype(dtype)
    path = folder / f"image.{name}"
    kind.write(path, array, grid)
    return name, path, array, Volume(array, grid)


def options(random: Generator, kind: Format) -> dict[str, object]:
    """How to read it: rightly for the most part."""
    chosen: dict[str, object] = {} if kind.has_spacing else {"pixel_size": 0.5}
    if random.random() < 0.1:
        chosen["pixel_size"] = random.choice([None, 0.5, -1.0, float("nan"), 0.0])
    if random.random() < 0.1:
        chosen["frame"] = int(random.choice([-1, 0, 1, 10**12]))
    if random.random() < 0.05:
        chosen["region"] = int(random.choice([-1, 0, 1]))
    return chosen


def read(path: Path, **how: object) -> Volume | str:
    """The volume, or the sentence with which it is refused."""
    try:
        return Volume.read(path, **how)  # type: ignore[arg-type]
    except InputError as error:
        message = str(error)
    assert "\n" not in message
    assert message.endswith(".")
    assert "Traceback" not in message
    assert len(message) < 600 + len(str(path))
    return message


def check_whole(seed: int, folder: Path) -> None:
    random = np.random.default_rng(seed)
    name, path, array, made = make(random, folder)
    kind = FORMATS[name]
    volume = Volume.read(path, **({} if kind.has_spacing else {"pixel_size": 0.5}))
    expected = in_memory_jpeg(array) if name == "jpg" else array
    np.testing.assert_array_equal(volume.array, expected)
    assert volume.array.dtype == expected.dtype
    if kind.has_spacing and name != "dcm":
        assert volume.grid.is_close(made.grid, 1e-3)


def check_damaged(seed: int, folder: Path) -> None:
    random = np.random.default_rng(seed)
    name, path, array, _ = make(random, folder)
    kind = FORMATS[name]
    path.write_bytes(damage(path.read_bytes(), random))
    result = read(path, **options(random, kind))
    if isinstance(result, str):
        return
    if kind.checked and result.array.shape == array.shape and name != "png":
        # Only the header can have changed: the voxels have a checksum.
        np.testing.assert_array_equal(np.unique(result.array), np.unique(array))
    with quiet_libraries():
        other = reference(path, kind)
    if other is None:
        return
    values, grid = other
    assert result.array.shape == values.shape
    np.testing.assert_allclose(result.array, values, rtol=0, atol=1e-37)  # some flush denormals
    if grid is not None and kind.has_spacing:
        assert result.grid.is_close(grid, 1e-3)


def check_written(seed: int, folder: Path) -> None:
    random = np.random.default_rng(seed)
    dtype = str(random.choice(["u1", "i1", "u2", "i8", "f2", "f4", "f8", "?"]))
    grid = random_grid(random, bool(random.integers(2)))
    array = random.integers(0, 100, grid.shape).astype(dtype)
    if dtype[0] == "f" and random.random() < 0.1:
        array.flat[0] = np.nan
    suffix = str(random.choice(["nrrd", "NII", "nii.gz", "mha", "dcm", "png", "tif", "jpg", "xyz"]))
    path = folder / f"written.{suffix}"
    text = {"description": "ä\n" * int(random.integers(40)), "key: =": "\\n"}
    try:
        Volume(array, grid, text).write(path, compress=bool(random.integers(2)))
    except InputError as error:
        assert "\n" not in str(error)  # noqa: PT017  either outcome is right
        assert list(folder.glob("*written*")) == []
        return
    assert [each.name for each in folder.glob("*written*")] == [path.name]
    picture = suffix in ("png", "tif", "jpg")
    result = read(path, **({"pixel_size": 1.0} if picture else {}))
    if dtype[0] == "f" and np.isnan(array).any():
        assert isinstance(result, str)
        return
    assert isinstance(result, Volume), result
    if suffix != "jpg":
        bright = 255 if dtype == "?" and (picture or suffix == "dcm") else 1
        np.testing.assert_array_equal(result.array, array.astype(result.array.dtype) * bright)
    if not picture:
        assert result.grid.is_close(grid, 1e-3)


CHECKS = {"whole": check_whole, "damaged": check_damaged, "written": check_written}


def campaign(check: str, seeds: range, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for seed in seeds:
        place = folder / str(seed)
        place.mkdir()
        try:
            CHECKS[check](seed, place)
        except Exception as error:
            raise AssertionError(f"{check}, seed {seed}, in {place}") from error
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("check", "start"), [("whole", 0), ("damaged", 0), ("damaged", SEEDS), ("written", 0)]
)
@pytest.mark.filterwarnings("ignore")
def test_a_short_campaign(
    check: str, start: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    campaign(check, range(start, start + SEEDS), tmp_path, capfd)


@pytest.mark.slow
@pytest.mark.parametrize("check", sorted(CHECKS))
@pytest.mark.parametrize("start", range(1000, 1700, 100))
@pytest.mark.filterwarnings("ignore")
def test_a_long_campaign(
    check: str, start: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    campaign(check, range(start, start + 100), tmp_path, capfd)


if __name__ == "__main__":  # python -m Testing.image.test_fuzz CHECK SEED: a case again
    import tempfile

    CHECKS[sys.argv[1]](int(sys.argv[2]), Path(tempfile.mkdtemp()))
