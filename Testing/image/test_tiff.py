"""TIFF pictures of every type that programs write, against what was put into them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from Testing.image.refused import refusal
from USToMRILib.errors import InputError
from USToMRILib.image.picture_size import stated_pixel_size
from USToMRILib.image.reading import luma
from USToMRILib.image.sequence import ImageSequence
from USToMRILib.image.volume import Volume

PICTURE = np.random.default_rng(5).integers(0, 120, (48, 80)).astype(np.uint8)
STACK = np.stack([PICTURE, PICTURE // 2, PICTURE // 3])
COLOURS = np.stack([PICTURE, 255 - PICTURE, PICTURE // 2], axis=-1)
TYPES = ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8")


def write(path: Path, array: np.ndarray, **how: Any) -> Path:
    tifffile.imwrite(path, array, **how)
    return path


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(
    "how",
    [
        {},
        {"byteorder": ">"},
        {"bigtiff": True, "byteorder": ">"},
        {"compression": "lzw"},
        {"compression": "zlib", "tile": (16, 16)},
    ],
    ids=str,
)
def test_every_type_of_value(tmp_path: Path, dtype: str, how: dict[str, Any]) -> None:
    values = PICTURE.astype(dtype)
    if dtype == "u4":
        values += np.uint32(2**31)
    array = Volume.read(write(tmp_path / "a.tif", values, **how), 1.0).array
    assert array.dtype == dtype
    np.testing.assert_array_equal(array[0], values)


@pytest.mark.parametrize("dtype", TYPES)
def test_white_that_is_stored_as_the_least_value_is_white(tmp_path: Path, dtype: str) -> None:
    values = PICTURE.astype(dtype)
    shown = Volume.read(write(tmp_path / "a.tif", values, photometric="miniswhite"), 1.0).array[0]
    order = np.argsort(values, axis=None, kind="stable")
    assert (np.diff(shown.ravel()[order].astype(np.float64)) <= 0).all()
    assert np.unique(shown).size == np.unique(values).size
    if dtype in ("u1", "u2"):
        np.testing.assert_array_equal(shown, np.iinfo(dtype).max - values)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("compression", [None, "lzw"])
@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
def test_orientation_is_applied(
    tmp_path: Path, orientation: int, compression: str | None, dtype: str
) -> None:
    tag = [(274, "H", 1, orientation, True)]
    values = PICTURE.astype(dtype)
    path = write(tmp_path / "a.tif", values, compression=compression, extratags=tag)
    # Pillow's transpositions by number, as EXIF's orientations name them.
    turn = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}.get(orientation)
    picture = Image.fromarray(PICTURE)
    shown = np.array(picture if turn is None else picture.transpose(turn))
    volume = Volume.read(path, 0.5)
    np.testing.assert_array_equal(volume.array[0], shown)
    assert volume.grid.size == (shown.shape[1], shown.shape[0], 1)


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"imagej": True},  # one directory for all
        {"truncate": True},  # the same, as tifffile writes it
        {"ome": True},
        {"compression": "zlib"},
    ],
    ids=str,
)
def test_planes_of_a_stack_are_frames(tmp_path: Path, how: dict[str, Any]) -> None:
    path = write(tmp_path / "a.tif", STACK, photometric="minisblack", **how)
    assert "3 pages" in refusal(path, pixel_size=1.0)
    for n, plane in enumerate(STACK):
        np.testing.assert_array_equal(Volume.read(path, 1.0, n).array[0], plane)
    assert "no frame 3" in refusal(path, pixel_size=1.0, frame=3)


def test_pages_may_differ(tmp_path: Path) -> None:
    pages = (PICTURE, PICTURE[:20, :30], COLOURS, PICTURE.astype(np.uint16))
    with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
        for page in pages:
            tiff.write(page, photometric="rgb" if page.ndim == 3 else "minisblack")
    for n, page in enumerate(pages):
        shown = luma(page) if page.ndim == 3 else page
        np.testing.assert_array_equal(Volume.read(tmp_path / "a.tif", 1.0, n).array[0], shown)


def test_pages_that_are_turned_differently(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
        for orientation in (1, 6):
            tag = [(274, "H", 1, orientation, True)]
            tiff.write(PICTURE, photometric="minisblack", extratags=tag, metadata=None)
    shown = Volume.read(tmp_path / "a.tif", 1.0, 1)
    np.testing.assert_array_equal(shown.array[0], np.rot90(PICTURE, -1))
    with pytest.raises(InputError, match="differ in size"):
        ImageSequence.read(tmp_path / "a.tif", 1.0)


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_colours_of_any_type_become_luma(tmp_path: Path, dtype: str, planar: str) -> None:
    colours = COLOURS.astype(dtype)
    stored = np.moveaxis(colours, -1, 0) if planar == "separate" else colours
    path = write(
        tmp_path / "a.tif", np.ascontiguousarray(stored), photometric="rgb", planarconfig=planar
    )
    np.testing.assert_array_equal(Volume.read(path, 1.0).array[0], luma(colours))


@pytest.mark.parametrize("dtype", ["u1", "u2"])
def test_grey_with_alpha_shows_on_black(tmp_path: Path, dtype: str) -> None:
    alpha = np.full(PICTURE.shape, np.iinfo(dtype).max, dtype)
    alpha[:10] = 0
    both = np.stack([PICTURE.astype(dtype), alpha], axis=-1)
    how = {"photometric": "minisblack", "planarconfig": "contig", "extrasamples": ["unassalpha"]}
    array = Volume.read(write(tmp_path / "a.tif", both, **how), 1.0).array[0]
    np.testing.assert_array_equal(array, np.where(alpha > 0, PICTURE, 0))


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK", "I;16", "I", "F"])
@pytest.mark.parametrize("compression", [None, "tiff_lzw", "packbits", "tiff_deflate"])
def test_what_pillow_writes_is_read_as_pillow_reads_it(
    tmp_path: Path, mode: str, compression: str | None
) -> None:
    plain = {"I;16": "u2", "I": "i4", "F": "f4"}
    picture = Image.fromarray(PICTURE.astype(plain[mode]) if mode in plain else COLOURS)
    picture = picture if mode in plain else picture.convert(mode)
    picture.save(tmp_path / "a.tif", compression=compression)
    with Image.open(tmp_path / "a.tif") as again:
        grey = again.convert("L") if mode == "1" else again
        shown = np.array(grey if mode in (*plain, "1", "L") else grey.convert("RGB"))
    array = Volume.read(tmp_path / "a.tif", 1.0).array[0]
    np.testing.assert_array_equal(array, luma(shown) if shown.ndim == 3 else shown)


def test_a_transparent_border_shows_black(tmp_path: Path) -> None:
    alpha = np.full(PICTURE.shape, 255, np.uint8)
    alpha[:, :20] = 0
    layered = np.dstack([np.where(alpha[..., None] > 0, COLOURS, 255).astype(np.uint8), alpha])
    shown = np.where(alpha > 0, luma(COLOURS), 0)
    for suffix in ("png", "tif"):
        Image.fromarray(layered).save(tmp_path / f"a.{suffix}")
        array = Volume.read(tmp_path / f"a.{suffix}", 1.0).array[0]
        np.testing.assert_array_equal(array, shown)


def imagej(path: Path, unit: str | None, per_unit: tuple[float, float], **how: Any) -> Path:
    """Write a TIFF as ImageJ does, with so many pixels in a unit along both axes."""
    metadata = {} if unit is None else {"unit": unit}
    return write(path, PICTURE, imagej=True, resolution=per_unit, metadata=metadata, **how)


def ome(path: Path, sizes: tuple[float, float], *units: str) -> Path:
    metadata: dict[str, Any] = dict(zip(("PhysicalSizeX", "PhysicalSizeY"), sizes))
    metadata.update(zip(("PhysicalSizeXUnit", "PhysicalSizeYUnit"), units))
    return write(path, PICTURE, ome=True, metadata=metadata)


@pytest.mark.parametrize(
    ("unit", "mm"),
    [("mm", 1), ("cm", 10), ("micron", 1e-3), ("\\u00B5m", 1e-3), ("um", 1e-3), ("m", 1000)],
)
def test_what_imagej_calibrated_states_its_pixel_size(tmp_path: Path, unit: str, mm: float) -> None:
    path = imagej(tmp_path / "a.tif", unit, (mm / 0.16, mm / 0.24))
    volume = Volume.read(path)
    np.testing.assert_allclose(volume.grid.spacing, (0.16, 0.24, 1.0), rtol=1e-5)
    np.testing.assert_array_equal(volume.array[0], PICTURE)
    assert "has its own" in refusal(path, pixel_size=0.5)


def test_what_ome_calibrated_states_its_pixel_size(tmp_path: Path) -> None:
    for sizes, units in (
        ((0.16, 0.24), ("mm", "mm")),
        ((160, 0.024), ("µm", "cm")),
        ((160, 240), ()),
    ):
        volume = Volume.read(ome(tmp_path / "a.ome.tif", sizes, *units))
        np.testing.assert_allclose(volume.grid.spacing, (0.16, 0.24, 1.0), rtol=1e-6)


def test_a_calibrated_picture_is_turned_with_its_pixels(tmp_path: Path) -> None:
    tag = [(274, "H", 1, 6, True)]
    path = imagej(tmp_path / "a.tif", "mm", (1 / 0.16, 1 / 0.24), extratags=tag)
    np.testing.assert_allclose(Volume.read(path).grid.spacing, (0.24, 0.16, 1.0), rtol=1e-5)


def test_planes_of_a_calibrated_stack(tmp_path: Path) -> None:
    how: dict[str, Any] = {"resolution": (1 / 0.16, 1 / 0.16), "metadata": {"unit": "mm"}}
    path = write(tmp_path / "a.tif", STACK, imagej=True, **how)
    assert ImageSequence.read(path).grid.spacing == pytest.approx((0.16, 0.16, 1.0))


@pytest.mark.parametrize(
    ("unit", "per_unit"),
    [
        (None, (5, 5)),
        ("pixel", (5, 5)),
        ("sec", (5, 5)),
        ("inch", (300, 300)),  # a print that ImageJ opened and wrote
        ("inches", (5, 5)),
        ("cm", (118.11, 118.11)),  # 300 dpi
        ("cm", (72 / 2.54, 72 / 2.54)),
        ("mm", (1, 1)),
        ("nm", (1 / 65, 1 / 65)),  # of a microscope
    ],
)
def test_what_imagej_did_not_calibrate_is_asked_for(
    tmp_path: Path, unit: str | None, per_unit: tuple[float, float]
) -> None:
    path = imagej(tmp_path / "a.tif", unit, per_unit)
    assert "--pixel-size" in refusal(path)
    assert Volume.read(path, 0.5).grid.spacing == (0.5, 0.5, 1.0)


def test_what_ome_did_not_calibrate_is_asked_for(tmp_path: Path) -> None:
    paths = [
        ome(tmp_path / "a.ome.tif", (5, 5), "pixel", "pixel"),
        ome(tmp_path / "b.ome.tif", (1, 1)),
        write(tmp_path / "c.ome.tif", PICTURE, ome=True),
        write(tmp_path / "d.tif", PICTURE, resolution=(50, 50), resolutionunit="CENTIMETER"),
    ]
    for path in paths:
        assert "--pixel-size" in refusal(path)


def test_a_calibration_is_known_without_the_package_that_reads_tiff(tmp_path: Path) -> None:
    """Slicer brings Pillow, tifffile only after the first translation."""
    imagej(tmp_path / "a.tif", "\\u00B5m", (1 / 160, 1 / 240))
    ome(tmp_path / "b.ome.tif", (160, 0.024), "µm", "cm")
    write(
        tmp_path / "c.tif", STACK, imagej=True, resolution=(6.25, 1 / 0.24), metadata={"unit": "mm"}
    )
    for name in ("a.tif", "b.ome.tif", "c.tif"):
        assert stated_pixel_size(tmp_path / name) == pytest.approx((0.16, 0.24), rel=1e-5)
    imagej(tmp_path / "d.tif", "inch", (300, 300))
    (tmp_path / "e.tif").write_bytes(b"II*\0 and no more")
    (tmp_path / "f.png").write_bytes((tmp_path / "a.tif").read_bytes())
    for name in ("d.tif", "e.tif", "f.png"):
        assert stated_pixel_size(tmp_path / name) is None
