"""Files as people have them, by the kind of trouble that each makes elsewhere."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from Testing.image.hand_written import (
    NOISE,
    PLACED,
    write_meta_image,
    write_nifti,
    write_nrrd,
)
from Testing.image.refused import refusal
from USToMRILib.image.grid import Grid
from USToMRILib.image.sequence import ImageSequence
from USToMRILib.image.volume import Volume

# NIfTI


@pytest.mark.parametrize("other", [NOISE[:, ::-1], NOISE[:2, :9], NOISE.astype(np.float32)])
def test_a_compressed_nifti_is_read_whatever_lies_beside_it(
    tmp_path: Path, other: np.ndarray
) -> None:
    Volume(NOISE, PLACED).write(tmp_path / "scan.nii.gz")
    grid = Grid(other.shape[::-1])
    Volume(np.ascontiguousarray(other), grid).write(tmp_path / "scan.nii")
    np.testing.assert_array_equal(Volume.read(tmp_path / "scan.nii.gz").array, NOISE)
    np.testing.assert_array_equal(Volume.read(tmp_path / "scan.nii").array, other)


@pytest.mark.parametrize(("pixdim", "sform"), [(1.0, 0.52), (0.52, 1.0), (0.5, 0.52)])
@pytest.mark.parametrize("qform", [False, True])
def test_two_spacings_in_one_nifti_header_are_told(
    tmp_path: Path, pixdim: float, sform: float, qform: bool
) -> None:
    path = write_nifti(tmp_path / "two.nii", pixdim, sform, qform)
    assert f"{sform:g} x {sform:g} x 1 mm in its sform and {pixdim:g}" in refusal(path)
    assert Volume.read(path, pixel_size=0.52).grid.spacing[:2] == (0.52, 0.52)


def test_a_nifti_spacing_that_is_stated_once_or_twice_alike_is_read(tmp_path: Path) -> None:
    for pixdim, sform in ((0.52, None), (0.52, 0.52), (0.52, 0.520002), (0.0, 0.52)):
        path = write_nifti(tmp_path / "one.nii", pixdim, sform)
        assert Volume.read(path).grid.spacing[0] == pytest.approx(0.52, abs=1e-4)


@pytest.mark.parametrize("packed", [False, True])
def test_a_pair_is_read_whatever_lies_beside_it(tmp_path: Path, packed: bool) -> None:
    """Header and voxels, compressed or not, of two images that have one name."""
    ends = {False: "", True: ".gz"}
    for gz, array in ((True, NOISE[:2, :9]), (False, NOISE)):
        pair = nibabel.Nifti1Pair(np.ascontiguousarray(array.T), np.eye(4))
        nibabel.save(pair, tmp_path / "a.hdr")
        for suffix in ("hdr", "img") if gz else ():
            plain = tmp_path / f"a.{suffix}"
            (tmp_path / f"a.{suffix}.gz").write_bytes(gzip.compress(plain.read_bytes()))
            plain.unlink()
    for suffix in ("hdr", "img"):
        volume = Volume.read(tmp_path / f"a.{suffix}{ends[packed]}")
        np.testing.assert_array_equal(volume.array, NOISE[:2, :9] if packed else NOISE)


@pytest.mark.parametrize(
    ("start", "values"),
    [(76, [0.0]), (80, [-0.52]), (256, [0.0, 0.0, 1.00005])],
    ids=["qfac of 0", "negative pixdim", "quaternion too long"],
)
def test_a_qform_that_breaks_the_rules_is_read(
    tmp_path: Path, start: int, values: list[float]
) -> None:
    Volume(NOISE, PLACED).write(tmp_path / "a.nii")
    content = bytearray((tmp_path / "a.nii").read_bytes())
    content[254:256] = bytes(2)  # no sform
    content[start : start + 4 * len(values)] = np.array(values, np.float32).tobytes()
    (tmp_path / "a.nii").write_bytes(content)
    assert Volume.read(tmp_path / "a.nii").grid.is_close(PLACED, 1e-3)


@pytest.mark.parametrize(("code", "what"), [(1, "single bits"), (32, "complex numbers")])
def test_values_of_nifti_that_are_not_read_are_named(tmp_path: Path, code: int, what: str) -> None:
    Volume(NOISE, PLACED).write(tmp_path / "a.nii")
    content = bytearray((tmp_path / "a.nii").read_bytes())
    content[70:72] = code.to_bytes(2, "little")
    (tmp_path / "a.nii").write_bytes(content)
    assert what in refusal(tmp_path / "a.nii")


# Spacing


def test_files_that_state_no_spacing_ask_for_it(tmp_path: Path) -> None:
    plus = ("ElementSpacing = 1 1", "UltrasoundImageOrientation = MFA")
    plus_nrrd = ("spacings: 1 1", "UltrasoundImageOrientation:=MFA")
    unformed = nibabel.Nifti1Image(NOISE[0].T[:, :, None], None)
    nibabel.save(unformed, tmp_path / "g.nii")
    for path in (
        tmp_path / "g.nii",
        write_nrrd(tmp_path / "h.nrrd", NOISE[0], *plus_nrrd),
        write_nrrd(tmp_path / "i.nrrd", NOISE[0], "spacings: 0 0"),
        write_nrrd(tmp_path / "j.nrrd", NOISE[0], "space: LPS", "space directions: none none"),
        write_meta_image(tmp_path / "k.mha", NOISE[0], "ElementSpacing = 0 0"),
        write_meta_image(tmp_path / "l.mha", NOISE[0], "ElementSpacing = nan nan"),
        write_nrrd(tmp_path / "a.nrrd", NOISE[0]),
        write_nrrd(tmp_path / "b.nrrd", NOISE[0], "spacings: nan nan"),
        write_nrrd(tmp_path / "c.nrrd", NOISE[0], "spacings: 1 1", 'units: "pixel" "pixel"'),
        write_meta_image(tmp_path / "d.mha", NOISE[0], "Comment = none"),
        write_meta_image(tmp_path / "e.mha", NOISE[0], *plus),
        write_nifti(tmp_path / "f.nii", 0, None),
    ):
        assert refusal(path).endswith("has no pixel size; give it with --pixel-size MM "
                                      "(pixel_size=...).")  # fmt: skip
        assert Volume.read(path, 0.52).grid.spacing == (0.52, 0.52, 1.0)
        np.testing.assert_array_equal(Volume.read(path, 0.52).array[0], NOISE[0])


def test_an_unstated_distance_of_slices_is_no_trouble_and_cubes_can_be_told(tmp_path: Path) -> None:
    flat = write_nrrd(tmp_path / "a.nrrd", NOISE[:1], "spacings: 0.5 0.5 nan")
    assert Volume.read(flat).grid.spacing == (0.5, 0.5, 1.0)
    volume = write_nrrd(tmp_path / "b.nrrd", NOISE)
    assert Volume.read(volume, 0.4).grid.spacing == (0.4, 0.4, 0.4)
    stated = write_meta_image(tmp_path / "c.mha", NOISE, "ElementSpacing = 1 1 1")
    assert "its own voxel spacing" in refusal(stated, pixel_size=0.5)


# Sequences and colours


@pytest.mark.parametrize("length", [2, 3, 4, 5])
@pytest.mark.parametrize("axis", [0, 3])
def test_a_list_is_a_sequence_and_no_colours(tmp_path: Path, length: int, axis: int) -> None:
    frames = np.random.default_rng(1).integers(0, 256, (length, 1, 6, 8)).astype(np.uint8)
    stored = np.moveaxis(frames, 0, -1) if axis == 0 else frames
    places, kinds = ["(0.5,0,0)", "(0,0.5,0)", "(0,0,1)"], ["domain"] * 3
    places.insert(axis, "none")
    kinds.insert(axis, "list")
    path = write_nrrd(
        tmp_path / "a.seq.nrrd",
        np.ascontiguousarray(stored),
        "space: left-posterior-superior",
        f"space directions: {' '.join(places)}",
        f"kinds: {' '.join(kinds)}",
    )
    assert f"{length} frames of a sequence" in refusal(path)
    for n in range(length):
        volume = Volume.read(path, frame=n)
        np.testing.assert_array_equal(volume.array, frames[n])
        assert volume.grid == Grid((8, 6, 1), (0.5, 0.5, 1.0))
    assert f"no frame {length}" in refusal(path, frame=length)


def test_vectors_are_colours_only_if_they_are_called_so_or_look_so(tmp_path: Path) -> None:
    vectors = np.random.default_rng(2).integers(0, 256, (6, 8, 3)).astype(np.uint8)
    places = ("spacings: nan 0.5 0.5",)
    path = write_nrrd(tmp_path / "v.nrrd", vectors, *places, "kinds: vector domain domain")
    assert "not called colours" in refusal(path)
    np.testing.assert_array_equal(Volume.read(path, frame=1).array[0], vectors[..., 1])
    grey = np.repeat(vectors[..., :1], 3, axis=-1)
    write_nrrd(path, grey, *places, "kinds: vector domain domain")
    np.testing.assert_array_equal(Volume.read(path).array[0], grey[..., 0])
    write_nrrd(path, vectors, *places, "kinds: RGB-color domain domain")
    luma = np.rint(vectors @ [0.299, 0.587, 0.114])
    np.testing.assert_allclose(Volume.read(path).array[0], luma, atol=1)


def test_frames_of_plus_are_a_sequence(tmp_path: Path) -> None:
    fields = [f"Seq_Frame{n:04d}_Timestamp = {n / 10}" for n in range(4)]
    kinds = "Kinds = domain domain list"
    for lines in ([kinds], fields, [kinds, *fields]):
        path = write_meta_image(tmp_path / "a.mha", NOISE, "ElementSpacing = 0.5 0.5 1", *lines)
        assert "4 frames of a sequence" in refusal(path)
        volume = Volume.read(path, frame=2)
        np.testing.assert_array_equal(volume.array, NOISE[2:3])
        assert volume.grid.spacing == (0.5, 0.5, 1.0)
        assert not [name for name in volume.metadata if name.startswith("Seq_")]


def test_frames_of_plus_are_a_sequence_in_nrrd_too(tmp_path: Path) -> None:
    fields = [f"Seq_Frame{n:04d}_Timestamp:={n / 10}" for n in range(4)]
    matrix = "Seq_Frame0000_ImageToProbeTransform:=0.3 0 0 7 0 0.4 0 8 0 0 0.4 9 0 0 0 1"
    places = ("space dimension: 2", "space directions: (1,0) (0,1) none")
    path = write_nrrd(
        tmp_path / "a.nrrd", NOISE, "kinds: domain domain list", *places, matrix, *fields
    )
    sequence = ImageSequence.read(path)
    np.testing.assert_array_equal(sequence.array, NOISE[:, None])
    assert sequence.seconds == pytest.approx((0, 0.1, 0.2, 0.3))
    assert sequence.grid.spacing == (0.3, 0.4, 1.0)
    assert not sequence.metadata


def test_times_of_an_axis_in_seconds(tmp_path: Path) -> None:
    lines = ("kinds: domain domain time", "spacings: 0.5 0.5 40", 'units: "mm" "mm" "ms"')
    sequence = ImageSequence.read(write_nrrd(tmp_path / "a.nrrd", NOISE, *lines))
    assert sequence.seconds == pytest.approx((0, 0.04, 0.08, 0.12))


@pytest.mark.parametrize("kind", ["stub", "scalar", "none"])
@pytest.mark.parametrize("axis", [0, 3])
def test_axes_of_one_that_stand_for_nothing(tmp_path: Path, kind: str, axis: int) -> None:
    kinds, steps = ["domain"] * 3, ["0.5"] * 3
    kinds.insert(axis, kind)
    steps.insert(axis, "nan")
    path = write_nrrd(
        tmp_path / "a.nrrd",
        NOISE[None] if axis else NOISE[..., None],
        *(f"kinds: {' '.join(kinds)}", f"spacings: {' '.join(steps)}"),
    )
    np.testing.assert_array_equal(Volume.read(path).array, NOISE)


def test_the_pixel_size_of_plus_may_be_in_its_transform(tmp_path: Path) -> None:
    matrix = "Seq_Frame0000_ImageToProbeTransform = 0.3 0 0 7 0 0.4 0 8 0 0 0.4 9 0 0 0 1"
    path = write_meta_image(
        tmp_path / "a.mha", NOISE, "ElementSpacing = 1 1 1", "Kinds = domain domain list", matrix
    )
    assert Volume.read(path, frame=0).grid.spacing == (0.3, 0.4, 1.0)


# Wholeness


def damaged(path: Path, change: Any) -> str:
    """The outcome of reading a copy of a file whose last bytes are changed: a refusal."""
    content = bytearray(path.read_bytes())
    change(content)
    other = path.with_name(f"damaged{path.suffix}")
    other.write_bytes(content)
    return refusal(other)


@pytest.mark.parametrize("suffix", ["mha", "nrrd", "nii.gz"])
def test_damaged_compressed_voxels_are_noticed(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    Volume(NOISE, PLACED).write(path)
    length = path.stat().st_size
    random = np.random.default_rng(3)

    def zeros(content: bytearray) -> None:
        content[-length // 4 :] = bytes(len(content[-length // 4 :]))

    def flip(content: bytearray) -> None:
        content[random.integers(length - 3000, length - 10)] ^= 1 << random.integers(8)

    assert "damaged" in damaged(path, zeros)
    for _ in range(50):
        assert "damaged" in damaged(path, flip)


def test_a_compressed_meta_image_is_whole_without_its_size(tmp_path: Path) -> None:
    path = write_meta_image(tmp_path / "a.mha", NOISE, size=False)
    np.testing.assert_array_equal(Volume.read(path).array, NOISE)
    assert "damaged" in damaged(path, lambda content: content.__delitem__(slice(-40, None)))


@pytest.mark.parametrize("suffix", ["mhd", "nhdr"])
@pytest.mark.parametrize("there", [1, 3, 4])
@pytest.mark.parametrize("pattern", [False, True])
def test_all_slices_must_be_named(tmp_path: Path, suffix: str, there: int, pattern: bool) -> None:
    for n, plane in enumerate(NOISE):
        (tmp_path / f"s{n}.raw").write_bytes(plane.tobytes())
    named = "".join(f"s{n}.raw\n" for n in range(there))
    tail = f"s%d.raw 0 {there - 1} 1\n" if pattern else f"LIST\n{named}"
    path = tmp_path / f"a.{suffix}"
    if suffix == "mhd":
        head = "NDims = 3\nDimSize = 40 30 4\nElementSpacing = 1 1 1\nElementType = MET_UCHAR\n"
        path.write_text(f"{head}ElementDataFile = {tail}")
    else:
        head = "NRRD0004\ntype: uint8\ndimension: 3\nsizes: 40 30 4\nspacings: 1 1 1\n"
        path.write_text(f"{head}encoding: raw\ndata file: {tail}")
    if there == 4:
        np.testing.assert_array_equal(Volume.read(path).array, NOISE)
    else:
        assert "damaged" in refusal(path)


@pytest.mark.parametrize("suffix", ["mhd", "nhdr"])
def test_a_file_of_more_voxels_than_its_header_describes(tmp_path: Path, suffix: str) -> None:
    (tmp_path / "a.raw").write_bytes(b"a header" + NOISE.tobytes())
    skip = "HeaderSize = 8\n" if suffix == "mhd" else "byte skip: 8\n"
    head = (
        "NDims = 3\nDimSize = 40 30 4\nElementSpacing = 1 1 1\nElementType = MET_UCHAR\n"
        if suffix == "mhd"
        else "NRRD0004\ntype: uint8\ndimension: 3\nsizes: 40 30 4\nspacings: 1 1 1\nencoding: raw\n"
    )
    name = "ElementDataFile = a.raw\n" if suffix == "mhd" else "data file: a.raw\n"
    path = tmp_path / f"a.{suffix}"
    path.write_text(head + name)
    assert "holds 4808 bytes" in refusal(path)
    path.write_text(head + skip + name)
    np.testing.assert_array_equal(Volume.read(path).array, NOISE)


def test_compressed_voxels_in_several_streams(tmp_path: Path) -> None:
    content = NOISE.tobytes()
    packed = gzip.compress(content[:999]) + gzip.compress(content[999:])
    (tmp_path / "a.raw.gz").write_bytes(packed)
    head = "NRRD0004\ntype: uint8\ndimension: 3\nsizes: 40 30 4\nspacings: 1 1 1\n"
    (tmp_path / "a.nhdr").write_text(f"{head}encoding: gzip\ndata file: a.raw.gz\n")
    head = "NDims = 3\nDimSize = 40 30 4\nElementSpacing = 1 1 1\nElementType = MET_UCHAR\n"
    (tmp_path / "a.mhd").write_text(f"{head}CompressedData = True\nElementDataFile = a.raw.gz\n")
    for name in ("a.nhdr", "a.mhd"):
        np.testing.assert_array_equal(Volume.read(tmp_path / name).array, NOISE)
    (tmp_path / "a.raw.gz").write_bytes(packed[:-9])
    for name in ("a.nhdr", "a.mhd"):
        assert "damaged" in refusal(tmp_path / name)


@pytest.mark.parametrize("big", [False, True])
def test_a_byte_order_that_is_stated_twice(tmp_path: Path, big: bool) -> None:
    values = NOISE.astype(">i2" if big else "<i2") * 100
    values = values.astype(">i2" if big else "<i2")
    head = "NDims = 3\nDimSize = 40 30 4\nElementSpacing = 1 1 1\nElementType = MET_SHORT\n"
    orders = f"ElementByteOrderMSB = {not big}\nBinaryDataByteOrderMSB = {big}\n"
    path = tmp_path / "a.mha"
    path.write_bytes(f"{head}{orders}ElementDataFile = LOCAL\n".encode() + values.tobytes())
    image = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
    np.testing.assert_array_equal(Volume.read(path).array, image)
    np.testing.assert_array_equal(image, values)


# Locales

_IN_A_COMMA_LOCALE = """
import ctypes, ctypes.util, locale, sys
import numpy as np
from USToMRILib import Grid, Volume
locale.setlocale(locale.LC_ALL, "")
assert locale.localeconv()["decimal_point"] == ",", locale.localeconv()
grid = Grid((4, 3, 2), (1.25, 2.5, 0.13), (0.5, 1.5, 2.5))
for suffix in ("nrrd", "mha", "nii"):
    Volume(np.zeros(grid.shape, np.uint8), grid).write(f"{sys.argv[1]}/a.{suffix}")
    assert Volume.read(f"{sys.argv[1]}/a.{suffix}").grid.is_close(grid, 1e-5), suffix
"""


def test_a_comma_locale_changes_no_number(tmp_path: Path) -> None:
    source = Path("/usr/share/i18n/locales/de_DE")
    made = subprocess.run(
        ["localedef", "-i", "de_DE", "-f", "UTF-8", str(tmp_path / "de_DE.UTF-8")],
        capture_output=True,
        check=False,
    ) if source.exists() else None  # fmt: skip
    if made is None or not (tmp_path / "de_DE.UTF-8").is_dir():
        pytest.skip("there is no locale with a decimal comma here")
    environment = {**os.environ, "LOCPATH": str(tmp_path), "LC_ALL": "de_DE.UTF-8"}
    done = subprocess.run(
        [sys.executable, "-c", _IN_A_COMMA_LOCALE, str(tmp_path)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert b"space directions: (1.25,0.0,0.0)" in (tmp_path / "a.nrrd").read_bytes()


# Names, units and rarer forms


@pytest.mark.parametrize(
    "suffix", ["MHA", "Mha", "NII", "NII.GZ", "nii.GZ", "Nii.gz", "NRRD", "PNG", "Tif"]
)
def test_capitals_in_a_suffix_mean_the_same(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    Volume(NOISE[:1], Grid((40, 30, 1))).write(path)
    assert list(tmp_path.iterdir()) == [path]
    pixel_size = 1.0 if suffix.lower() in ("png", "tif") else None
    np.testing.assert_array_equal(Volume.read(path, pixel_size).array, NOISE[:1])


@pytest.mark.parametrize("suffix", ["mhd", "nhdr", "hdr"])
def test_headers_in_capitals_are_read_with_their_voxels(tmp_path: Path, suffix: str) -> None:
    written = tmp_path / f"a.{suffix}"
    image = sitk.GetImageFromArray(NOISE)
    image.SetSpacing((0.52, 0.6, 2))
    sitk.WriteImage(image, str(written))
    assert len(list(tmp_path.iterdir())) == 2
    written.rename(tmp_path / f"a.{suffix.upper()}")
    volume = Volume.read(tmp_path / f"a.{suffix.upper()}")
    np.testing.assert_array_equal(volume.array, NOISE)
    np.testing.assert_allclose(volume.grid.spacing, (0.52, 0.6, 2), rtol=1e-6)


@pytest.mark.parametrize(
    ("unit", "scale"), [("um", 1000), ("µm", 1000), ("cm", 0.1), ("m", 0.001), ("mm", 1)]
)
def test_lengths_in_other_units_become_millimetres(tmp_path: Path, unit: str, scale: float) -> None:
    step, far = 0.52 * scale, 3 * scale
    quoted = " ".join([f'"{unit}"'] * 3)
    oriented = write_nrrd(
        tmp_path / "a.nrrd",
        NOISE,
        *("space: RAS", f"space directions: ({step},0,0) (0,{step},0) (0,0,{far})"),
        *(f"space units: {quoted}", f"space origin: ({far},0,0)"),
    )
    plain = write_nrrd(
        tmp_path / "b.nrrd", NOISE, f"spacings: {step} {step} {far}", f"units: {quoted}"
    )
    lines = (f"ElementSpacing = {step} {step} {far}", f"DistanceUnits = {unit}")
    meta_image = write_meta_image(tmp_path / "c.mha", NOISE, *lines)
    for path in (oriented, plain, meta_image) if unit in ("um", "mm", "cm") else (oriented, plain):
        np.testing.assert_allclose(Volume.read(path).grid.spacing, (0.52, 0.52, 3), rtol=1e-12)
    np.testing.assert_allclose(Volume.read(oriented).grid.origin, (-3, 0, 0))


def test_whole_files_of_rarer_forms_are_read(tmp_path: Path) -> None:
    affine = np.diag([-0.52, -0.6, 2.0, 1])
    turned = NOISE.T
    for kind, name in (
        (nibabel.Nifti2Image, "a.nii"),
        (nibabel.Nifti2Image, "b.nii.gz"),
        (nibabel.Nifti1Pair, "c.hdr"),
        (nibabel.Nifti1Pair, "d.img"),
        (nibabel.AnalyzeImage, "e.hdr"),
    ):
        nibabel.save(kind(turned, affine), tmp_path / name)
        volume = Volume.read(tmp_path / name)
        np.testing.assert_array_equal(volume.array, NOISE)
        np.testing.assert_allclose(volume.grid.spacing, (0.52, 0.6, 2), rtol=1e-6)
    whole = (tmp_path / "a.nii").read_bytes()
    (tmp_path / "plain.nii.gz").write_bytes(whole)
    (tmp_path / "packed.nii").write_bytes(gzip.compress(whole))
    packed = write_nrrd(tmp_path / "f.nrrd", NOISE, "spacings: 1 1 1", encoding="bzip2")
    for path in (tmp_path / "plain.nii.gz", tmp_path / "packed.nii", packed):
        np.testing.assert_array_equal(Volume.read(path).array, NOISE)


def test_a_picture_in_space_keeps_its_place(tmp_path: Path) -> None:
    path = write_nrrd(
        tmp_path / "a.nrrd",
        NOISE[0],
        *("space: LPS", "space directions: (0,0.52,0) (0,0,0.6)", "space origin: (1,2,3)"),
    )
    direction = (0, 0, 1, 1, 0, 0, 0, 1, 0)
    assert Volume.read(path).grid == Grid((40, 30, 1), (0.52, 0.6, 1), (1, 2, 3), direction)


def test_a_header_without_its_voxels_names_the_missing_file(tmp_path: Path) -> None:
    (tmp_path / "a.nhdr").write_text(
        "NRRD0004\ntype: uint8\ndimension: 2\nsizes: 4 3\nencoding: raw\ndata file: gone.raw\n"
    )
    (tmp_path / "b.mhd").write_text(
        "NDims = 2\nDimSize = 4 3\nElementType = MET_UCHAR\nElementDataFile = gone.raw\n"
    )
    for name in ("a.nhdr", "b.mhd"):
        assert "gone.raw" in refusal(tmp_path / name)
    nibabel.save(nibabel.Nifti1Pair(NOISE.T, np.eye(4)), tmp_path / "c.hdr")
    (tmp_path / "c.img").unlink()
    assert "c.img" in refusal(tmp_path / "c.hdr")
