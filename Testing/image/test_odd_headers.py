"""Headers that say something odd: read as the format's own reader does, or a true sentence."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import nibabel
import numpy as np
import pytest

from Testing.image.hand_written import NOISE, PLACED, write_meta_image, write_nrrd
from Testing.image.refused import refusal
from USToMRILib.image.sequence import ImageSequence
from USToMRILib.image.volume import Volume

LPS = "space: left-posterior-superior"
DIRECTIONS = "space directions: (0.5,0,0) (0,0.6,0) (0,0,2)"
PLUS_LIST = ("ElementSpacing = 0.5 0.6 1", "Kinds = domain domain list")


def nifti_with(path: Path, at: int, *numbers: float) -> Path:
    """A NIfTI file with other float32 numbers from a byte of its header on."""
    Volume(NOISE, PLACED).write(path)
    content = bytearray(path.read_bytes())
    content[at : at + 4 * len(numbers)] = struct.pack(f"<{len(numbers)}f", *numbers)
    path.write_bytes(content)
    return path


# NIfTI


@pytest.mark.parametrize("numbers", [(2, np.nan), (1, np.inf)])
def test_a_nifti_scale_without_an_intercept_is_damaged(
    tmp_path: Path, numbers: tuple[float, float]
) -> None:
    assert "damaged" in refusal(nifti_with(tmp_path / "a.nii", 112, *numbers))


def test_a_nifti_that_does_not_say_where_its_voxels_begin_is_damaged(tmp_path: Path) -> None:
    assert "damaged" in refusal(nifti_with(tmp_path / "a.nii", 108, np.nan))


def test_vectors_of_nifti_are_scaled_as_images_are(tmp_path: Path) -> None:
    vectors = np.stack([NOISE, NOISE // 2, NOISE // 3])[:, np.newaxis].astype(np.int16)
    image = nibabel.Nifti1Image(vectors.T, np.diag([-0.5, -0.6, 2, 1]))
    image.header.set_slope_inter(2, 3)
    nibabel.save(image, tmp_path / "a.nii")
    expected = np.asarray(nibabel.load(tmp_path / "a.nii").dataobj)[:, :, :, 0, 1].T
    np.testing.assert_allclose(Volume.read(tmp_path / "a.nii", frame=1).array, expected)


# NRRD


@pytest.mark.parametrize("space", ["RAI", "LPI", "right-anterior-inferior", "foo"])
def test_a_space_that_nrrd_does_not_have_is_not_guessed(tmp_path: Path, space: str) -> None:
    path = write_nrrd(tmp_path / "a.nrrd", NOISE, f"space: {space}", DIRECTIONS)
    assert f"the space {space!r}" in refusal(path)


@pytest.mark.parametrize("space", ["RAS", "LAS", "left-anterior-superior", "RAST"])
def test_spaces_of_patients_become_lps(tmp_path: Path, space: str) -> None:
    path = write_nrrd(
        tmp_path / "a.nrrd", NOISE, f"space: {space}", DIRECTIONS, "space origin: (1,2,3)"
    )
    x = 1 if space[0] in "lL" else -1
    assert Volume.read(path).grid.origin == (x, -2, 3)
    assert Volume.read(path).grid.direction == (x, 0, 0, 0, -1, 0, 0, 0, 1)


@pytest.mark.parametrize(
    ("lines", "word"),
    [(("encoding: zrl",), "'zrl'"), (("type: block",), "'block'"), (("type: int16",), "endian")],
)
def test_what_an_nrrd_header_says_and_is_not_read_is_named(
    tmp_path: Path, lines: tuple[str, ...], word: str
) -> None:
    path = write_nrrd(tmp_path / "a.nrrd", NOISE, LPS, DIRECTIONS)
    name = lines[0].partition(":")[0]
    header, _, voxels = path.read_bytes().partition(b"\n\n")
    kept = [line for line in header.decode().split("\n") if not line.startswith(f"{name}:")]
    path.write_bytes("\n".join([*kept, *lines]).encode() + b"\n\n" + voxels)
    assert word in refusal(path)


@pytest.mark.parametrize("axis", [0, 3])
@pytest.mark.parametrize(
    "how", ["a direction in time", "domain without a direction", "a spacing of nan"]
)
def test_the_axis_of_four_that_has_no_place_is_a_sequence(
    tmp_path: Path, axis: int, how: str
) -> None:
    frames = np.stack([NOISE, NOISE // 2])
    stored = frames if axis else np.moveaxis(frames, 0, -1)
    if how == "a direction in time":
        steps, last = ["(0.5,0,0,0)", "(0,0.6,0,0)", "(0,0,2,0)"], "(0,0,0,40)"
        lines = ["space: left-posterior-superior-time", "space directions: {}"]
    elif how == "a spacing of nan":
        steps, last, lines = ["0.5", "0.6", "2"], "nan", ["spacings: {}"]
    else:
        steps, last = ["(0.5,0,0)", "(0,0.6,0)", "(0,0,2)"], "none"
        lines = [LPS, "space directions: {}", "kinds: domain domain domain domain"]
    steps.insert(axis, last)
    lines = [line.format(" ".join(steps)) for line in lines]
    path = write_nrrd(tmp_path / "a.nrrd", np.ascontiguousarray(stored), *lines)
    np.testing.assert_array_equal(ImageSequence.read(path).array, frames)
    assert Volume.read(path, frame=1).grid.spacing == (0.5, 0.6, 2.0)


def test_an_origin_of_none_is_none(tmp_path: Path) -> None:
    path = write_nrrd(tmp_path / "a.nrrd", NOISE, LPS, DIRECTIONS, "space origin: none")
    assert Volume.read(path).grid.origin == (0, 0, 0)


@pytest.mark.parametrize("unit", ["s", "ms", "pixels", "arbitrary"])
def test_what_is_no_length_is_no_spacing(tmp_path: Path, unit: str) -> None:
    units = " ".join([f'"{unit}"'] * 3)
    nrrd = write_nrrd(tmp_path / "a.nrrd", NOISE, "spacings: 1 1 1", f"units: {units}")
    lines = ("ElementSpacing = 1 1 1", f"DistanceUnits = {unit}")
    for path in (nrrd, write_meta_image(tmp_path / "a.mha", NOISE, *lines)):
        assert "has no pixel size" in refusal(path)
        assert Volume.read(path, 0.4).grid.spacing == (0.4, 0.4, 0.4)


# Texts


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_headers_that_an_editor_on_windows_has_saved(tmp_path: Path, mark: bytes) -> None:
    (tmp_path / "d.raw").write_bytes(NOISE.tobytes())
    nrrd = f"NRRD0004\ntype: uint8\ndimension: 3\nsizes: 40 30 4\n{LPS}\n{DIRECTIONS}\n"
    meta = "NDims = 3\nDimSize = 40 30 4\nElementSpacing = 0.5 0.6 2\nElementType = MET_UCHAR\n"
    for name, text in (
        ("a.nhdr", f"{nrrd}encoding: raw\ndata file: d.raw\n"),
        ("a.mhd", f"{meta}ElementDataFile = d.raw\n"),
    ):
        (tmp_path / name).write_bytes(mark + text.replace("\n", "\r\n").encode())
        np.testing.assert_array_equal(Volume.read(tmp_path / name).array, NOISE)
        assert Volume.read(tmp_path / name).grid.spacing == (0.5, 0.6, 2.0)


@pytest.mark.parametrize("word", ["300", "1.5", "-1", "x"])
def test_numbers_that_the_type_has_no_room_for_are_damage(tmp_path: Path, word: str) -> None:
    words = " ".join([*map(str, NOISE.ravel()[:-1]), word])
    nrrd = "NRRD0004\ntype: uint8\ndimension: 3\nsizes: 40 30 4\nspacings: 1 1 1\nencoding: ascii"
    meta = "NDims = 3\nDimSize = 40 30 4\nElementSpacing = 1 1 1\nElementType = MET_UCHAR\n"
    (tmp_path / "a.nrrd").write_text(f"{nrrd}\n\n{words}\n")
    (tmp_path / "a.mha").write_text(f"{meta}BinaryData = False\nElementDataFile = LOCAL\n{words}")
    for name in ("a.nrrd", "a.mha"):
        assert "damaged" in refusal(tmp_path / name)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_voxels_in_a_pipe_are_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "d.raw")
    nrrd = "NRRD0004\ntype: uint8\ndimension: 2\nsizes: 4 3\nspacings: 1 1\nencoding: raw\n"
    meta = "NDims = 2\nDimSize = 4 3\nElementSpacing = 1 1\nElementType = MET_UCHAR\n"
    (tmp_path / "a.nhdr").write_text(f"{nrrd}data file: d.raw\n")
    (tmp_path / "a.mhd").write_text(f"{meta}ElementDataFile = d.raw\n")
    for name in ("a.nhdr", "a.mhd"):
        assert "a pipe or a device" in refusal(tmp_path / name)


# MetaImage and PLUS


def test_types_of_meta_image_by_other_names_and_others(tmp_path: Path) -> None:
    path = write_meta_image(tmp_path / "a.mha", NOISE)
    content = path.read_bytes()
    path.write_bytes(content.replace(b"MET_UCHAR", b"MET_UCHAR_ARRAY"))
    np.testing.assert_array_equal(Volume.read(path).array, NOISE)
    path.write_bytes(content.replace(b"MET_UCHAR", b"MET_STRING"))
    assert "MET_STRING" in refusal(path)


def test_a_list_along_another_axis_than_the_last_is_not_taken_for_a_volume(tmp_path: Path) -> None:
    path = write_meta_image(
        tmp_path / "a.mha", NOISE, "ElementSpacing = 1 1 1", "Kinds = list domain domain"
    )
    assert "save it with the list last" in refusal(path)


def test_frames_with_fields_are_a_sequence_however_many_there_are(tmp_path: Path) -> None:
    fields = [f"Seq_Frame{n:04d}_ImageStatus = OK" for n in range(2)]
    path = write_meta_image(tmp_path / "a.mha", NOISE, PLUS_LIST[0], *fields)
    np.testing.assert_array_equal(Volume.read(path, frame=3).array, NOISE[3:])


@pytest.mark.parametrize("times", ["x x x x", "nan nan nan nan", "3 2 1 0", "0 1 1 2"])
def test_times_that_do_not_rise_are_none(tmp_path: Path, times: str) -> None:
    fields = [f"Seq_Frame{n:04d}_Timestamp = {time}" for n, time in enumerate(times.split())]
    sequence = ImageSequence.read(write_meta_image(tmp_path / "a.mha", NOISE, *PLUS_LIST, *fields))
    assert len(sequence) == 4
    assert sequence.seconds == ()


@pytest.mark.parametrize(
    ("orientation", "shown"),
    [
        ("MF", lambda frame: frame),
        ("UF", lambda frame: frame[:, ::-1]),
        ("MN", lambda frame: frame[::-1]),
        ("UNA", lambda frame: frame[::-1, ::-1]),
        ("FM", lambda frame: frame.T),
        ("NM", lambda frame: frame[:, ::-1].T),
        ("FU", lambda frame: frame[::-1].T),
        ("XX", lambda frame: frame),
    ],
)
@pytest.mark.parametrize("suffix", ["mha", "nrrd"])
def test_frames_of_plus_are_shown_with_the_marked_side_and_far_along_their_axes(
    tmp_path: Path,
    orientation: str,
    shown,  # type: ignore[no-untyped-def]
    suffix: str,
) -> None:
    path = tmp_path / f"a.{suffix}"
    if suffix == "mha":
        write_meta_image(path, NOISE, *PLUS_LIST, f"UltrasoundImageOrientation = {orientation}")
    else:
        lines = ("kinds: domain domain list", "spacings: 0.5 0.6 nan")
        write_nrrd(path, NOISE, *lines, f"UltrasoundImageOrientation:={orientation}")
    sequence = ImageSequence.read(path)
    np.testing.assert_array_equal(sequence.array[:, 0], np.stack([shown(f) for f in NOISE]))
    spacing = (0.6, 0.5) if orientation[0] in "FN" else (0.5, 0.6)
    assert sequence.grid.spacing[:2] == spacing
    sequence.write(tmp_path / "b.mha")  # which must not be turned once more
    np.testing.assert_array_equal(ImageSequence.read(tmp_path / "b.mha").array, sequence.array)


def test_slices_of_plus_that_descend_are_turned_around(tmp_path: Path) -> None:
    lines = ("ElementSpacing = 0.5 0.6 2", "UltrasoundImageOrientation = MFD")
    volume = Volume.read(write_meta_image(tmp_path / "a.mha", NOISE, *lines))
    np.testing.assert_array_equal(volume.array, NOISE[::-1])


def test_the_transform_of_plus_is_that_of_the_image_as_it_is_shown(tmp_path: Path) -> None:
    matrix = "Seq_Frame0000_ImageToProbeTransform = 0.3 0 0 7 0 0.4 0 8 0 0 0.4 9 0 0 0 1"
    lines = ("ElementSpacing = 1 1 1", PLUS_LIST[1], matrix, "UltrasoundImageOrientation = FM")
    volume = Volume.read(write_meta_image(tmp_path / "a.mha", NOISE, *lines), frame=0)
    np.testing.assert_array_equal(volume.array[0], NOISE[0].T)
    assert volume.grid.spacing[:2] == (0.3, 0.4)
