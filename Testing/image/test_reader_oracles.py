"""The readers against SimpleITK, where that is right: the same voxels in the same place."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import nibabel
import numpy as np
import SimpleITK as sitk
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from Testing.image.made_volumes import grids
from USToMRILib.image.grid import Grid
from USToMRILib.image.volume import Volume

MANY = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
SPACES = ("left-posterior-superior", "LPS", "RAS", "right-anterior-superior")
TYPES = {
    "u1": ("uchar", "MET_UCHAR"),
    "i2": ("int16", "MET_SHORT"),
    "u2": ("unsigned short", "MET_USHORT"),
    "i4": ("int", "MET_INT"),
    "f4": ("float", "MET_FLOAT"),
    "f8": ("double", "MET_DOUBLE"),
}


def voxels(grid: Grid, dtype: str, order: str) -> np.ndarray:
    count = int(np.prod(grid.size))
    return (np.arange(count) * 17 % 100).reshape(grid.shape).astype(order + dtype)


def assert_as_simpleitk(path: Path, tolerance: float, rounding: float = 0.0) -> None:
    expected = Volume.from_sitk(sitk.ReadImage(str(path)))
    found = Volume.read(path)
    np.testing.assert_allclose(found.array, expected.array, rtol=rounding, atol=0)
    assert found.array.dtype == expected.array.dtype
    assert found.grid.is_close(expected.grid, tolerance)


def numbers(values: np.ndarray) -> str:
    return ",".join(repr(float(value)) for value in values)


@MANY
@given(
    grid=grids(),
    dtype=st.sampled_from(sorted(TYPES)),
    order=st.sampled_from("<>"),
    space=st.sampled_from([*SPACES, "left-anterior-superior", "scanner-xyz"]),
    encoding=st.sampled_from(["raw", "gzip", "ascii", "hex"]),
)
def test_nrrd(
    tmp_path: Path, grid: Grid, dtype: str, order: str, space: str, encoding: str
) -> None:
    array = voxels(grid, dtype, order)
    text = b" ".join(str(value).encode() for value in array.ravel())
    stored = {
        "raw": array.tobytes(),
        "gzip": gzip.compress(array.tobytes()),
        "ascii": text,
        "hex": array.tobytes().hex().encode(),
    }[encoding]
    steps = (grid.axes * np.array(grid.spacing)).T
    header = [
        *("NRRD0005", f"type: {TYPES[dtype][0]}", "dimension: 3", f"space: {space}"),
        f"sizes: {' '.join(str(n) for n in grid.size)}",
        f"space directions: {' '.join(f'({numbers(step)})' for step in steps)}",
        "kinds: domain domain domain",
        f"endian: {'little' if order == '<' else 'big'}",
        *(f"encoding: {encoding}", f"space origin: ({numbers(np.array(grid.origin))})"),
    ]
    path = tmp_path / "a.nrrd"
    path.write_bytes("\n".join(header).encode() + b"\n\n" + stored)
    assert_as_simpleitk(path, 1e-9)


@MANY
@given(
    grid=grids(),
    dtype=st.sampled_from(sorted(TYPES)),
    order=st.sampled_from("<>"),
    compressed=st.booleans(),
    local=st.booleans(),
)
def test_meta_image(
    tmp_path: Path, grid: Grid, dtype: str, order: str, compressed: bool, local: bool
) -> None:
    stored = voxels(grid, dtype, order).tobytes()
    stored = zlib.compress(stored) if compressed else stored
    matrix = " ".join(repr(float(value)) for value in grid.axes.T.ravel())
    header = [
        *("ObjectType = Image", "NDims = 3", "BinaryData = True"),
        *(f"BinaryDataByteOrderMSB = {order == '>'}", f"CompressedData = {compressed}"),
        *([f"CompressedDataSize = {len(stored)}"] if compressed else []),
        *(f"TransformMatrix = {matrix}", f"Offset = {numbers(np.array(grid.origin))}"),
        f"ElementSpacing = {numbers(np.array(grid.spacing))}",
        f"DimSize = {' '.join(str(n) for n in grid.size)}",
        *(f"ElementType = {TYPES[dtype][1]}", "ElementDataFile = "),
    ]
    text = "\n".join(header).replace(",", " ").encode()
    if local:
        (tmp_path / "a.mha").write_bytes(text + b"LOCAL\n" + stored)
    else:
        (tmp_path / "a.raw").write_bytes(stored)
        (tmp_path / "a.mhd").write_bytes(text + b"a.raw\n")
    assert_as_simpleitk(tmp_path / ("a.mha" if local else "a.mhd"), 1e-9)


@MANY
@given(
    grid=grids(),
    other=grids(),
    dtype=st.sampled_from(sorted(TYPES)),
    codes=st.tuples(st.sampled_from([0, 1, 2, 3, 4]), st.sampled_from([0, 1, 2])),
    unit=st.sampled_from(["mm", "micron", "meter", "unknown"]),
    slope=st.sampled_from([None, (2.5, -3.0)]),
    packed=st.booleans(),
)
def test_nifti(
    tmp_path: Path,
    grid: Grid,
    other: Grid,
    dtype: str,
    codes: tuple[int, int],
    unit: str,
    slope: tuple[float, float] | None,
    packed: bool,
) -> None:
    # Of two forms that mirror each other ITK takes one or the other, as rounding has it.
    hands = [np.linalg.det(np.reshape(g.direction, (3, 3))) for g in (grid, other)]
    assume(min(codes) == 0 or hands[0] * hands[1] > 0)
    image = nibabel.Nifti1Image(voxels(grid, dtype, "=").T, None)
    image.header.set_zooms(grid.spacing)
    flip = np.diag([-1.0, -1.0, 1.0, 1.0])
    image.header.set_qform(flip @ grid.ijk_to_lps, codes[1])
    turned = Grid(grid.size, grid.spacing, other.origin, other.direction)
    image.header.set_sform(flip @ turned.ijk_to_lps, codes[0])
    image.header.set_xyzt_units(unit)
    if slope:
        image.header.set_slope_inter(*slope)
    # SimpleITK takes the voxels of b.nii.gz from b.nii where there is one.
    path = tmp_path / ("a.nii.gz" if packed else "b.nii")
    nibabel.save(image, path)
    scale = {"meter": 1000.0, "micron": 0.001}.get(unit, 1.0)
    assert_as_simpleitk(path, 2e-3 * scale, 1e-6 if slope else 0.0)
