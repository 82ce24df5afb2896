"""Videos as telephones and ultrasound machines write them."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from Testing.image.refused import refusal
from USToMRILib.errors import InputError
from USToMRILib.image.sequence import ImageSequence
from USToMRILib.image.video_files import write_video
from USToMRILib.image.volume import Volume


def frames(rows: int = 48, columns: int = 64) -> np.ndarray:
    """A disk that moves, below a mark in the corner, [n, j, i] of bytes."""
    j, i = np.mgrid[:rows, :columns]
    moving = [30 + 180 * np.exp(-((j - 30) ** 2 + (i - 20 - n) ** 2) / 90) for n in range(6)]
    shown = np.stack(moving).astype(np.uint8)
    shown[:, :16, :16] = 240
    return shown


def turned(path: Path, matrix: tuple[int, int, int, int]) -> None:
    """Write a matrix into the header of an MP4, as telephones do that were held upright."""
    content = bytearray(path.read_bytes())
    start = content.find(b"tkhd") + 44
    (a, b, c, d), one = matrix, 1 << 16
    content[start : start + 36] = struct.pack(
        ">9i", a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30
    )
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("matrix", "shown"),
    [
        ((1, 0, 0, 1), lambda frame: frame),
        ((0, 1, -1, 0), lambda frame: np.rot90(frame, -1)),
        ((-1, 0, 0, -1), lambda frame: np.rot90(frame, 2)),
        ((0, -1, 1, 0), lambda frame: np.rot90(frame, 1)),
        ((-1, 0, 0, 1), np.fliplr),
        ((1, 0, 0, -1), np.flipud),
    ],
    ids=["upright", "90", "180", "270", "mirrored", "flipped"],
)
def test_a_video_is_turned_as_players_show_it(tmp_path: Path, matrix, shown) -> None:  # type: ignore[no-untyped-def]
    write_video(tmp_path / "a.mp4", frames(), ())
    turned(tmp_path / "a.mp4", matrix)
    expected = np.stack([shown(frame) for frame in frames()])
    sequence = ImageSequence.read(tmp_path / "a.mp4", 0.5)
    assert sequence.grid.size == (*expected.shape[:0:-1], 1)
    assert np.abs(sequence.array[:, 0].astype(int) - expected).mean() < 3
    one = Volume.read(tmp_path / "a.mp4", 0.5, 3)
    np.testing.assert_array_equal(one.array, sequence.array[3])


def test_pixels_that_are_not_square(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(2, 1)
        for grey in frames():
            rgb = np.repeat(grey[..., None], 3, axis=-1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, "rgb24")))
        container.mux(stream.encode())
    assert Volume.read(tmp_path / "a.mp4", 0.5, 0).grid.spacing == (0.5, 0.25, 1.0)
    turned(tmp_path / "a.mp4", (0, 1, -1, 0))
    assert Volume.read(tmp_path / "a.mp4", 0.5, 0).grid.spacing == (0.5, 1.0, 1.0)


def test_frames_that_had_to_be_invented_are_refused(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", frames(), ())
    content = bytearray((tmp_path / "a.mp4").read_bytes())
    start = content.find(b"mdat")
    length = int.from_bytes(content[start - 4 : start], "big")
    content[start + length // 2 : start + length - 8] = bytes(length - 8 - length // 2)
    (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(InputError, match="damaged"):
        ImageSequence.read(tmp_path / "a.mp4", 0.5)
    assert "damaged" in refusal(tmp_path / "a.mp4", pixel_size=0.5, frame=5)


def test_a_size_that_changes_is_refused(tmp_path: Path) -> None:
    parts = []
    for rows in (48, 32):
        with av.open(str(tmp_path / "a.mpg"), "w", format="mpeg") as container:
            stream = container.add_stream("mpeg2video", rate=25)
            stream.width, stream.height, stream.pix_fmt = 64, rows, "yuv420p"
            for grey in frames(rows):
                rgb = np.repeat(grey[..., None], 3, axis=-1)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, "rgb24")))
            container.mux(stream.encode())
        parts.append((tmp_path / "a.mpg").read_bytes())
    (tmp_path / "a.mpg").write_bytes(b"".join(parts))
    with pytest.raises(InputError, match="damaged"):
        ImageSequence.read(tmp_path / "a.mpg", 0.5)


def test_what_was_cut_off_a_video_is_not_shown(tmp_path: Path) -> None:
    """Telephones trim a video by an edit list: the frames before it are there, for the decoder."""
    write_video(tmp_path / "whole.mp4", frames(), ())
    with (
        av.open(str(tmp_path / "whole.mp4")) as whole,
        av.open(str(tmp_path / "a.mp4"), "w") as trimmed,
    ):
        source = whole.streams.video[0]
        stream = trimmed.add_stream_from_template(source)
        for packet in whole.demux(source):
            if packet.dts is not None:
                earlier = int(Fraction(2, 25) / source.time_base)
                packet.pts, packet.dts = packet.pts - earlier, packet.dts - earlier
                packet.stream = stream
                trimmed.mux(packet)
    sequence = ImageSequence.read(tmp_path / "a.mp4", 0.5)
    assert np.abs(sequence.array[:, 0].astype(int) - frames()[2:]).mean() < 3
    assert sequence.seconds == pytest.approx((0, 0.04, 0.08, 0.12))
    one = Volume.read(tmp_path / "a.mp4", 0.5, 1)
    np.testing.assert_array_equal(one.array, sequence.array[1])


@pytest.mark.parametrize("name", ["a.mkv", "a.webm"])
def test_a_recording_that_ends_before_its_header_says_is_damaged(tmp_path: Path, name: str) -> None:
    with av.open(str(tmp_path / name), "w") as container:
        stream = container.add_stream("libvpx-vp9", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for grey in np.concatenate([frames()] * 4):
            rgb = np.repeat(grey[..., None], 3, axis=-1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, "rgb24")))
        container.mux(stream.encode())
    assert len(ImageSequence.read(tmp_path / name, 0.5)) == 24
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) * 2 // 3])
    assert "damaged" in refusal(tmp_path / name, pixel_size=0.5, frame=0)
