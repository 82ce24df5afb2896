"""Videos (MP4, AVI ...), read and written by PyAV."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from .grid import Grid
from .image_file import COLOUR, ImageFile
from .reading import UnreadableError

SUFFIXES = (".mp4", ".avi", ".mov", ".mkv", ".m4v", ".mpg", ".mpeg", ".wmv")
WRITE_SUFFIXES = (".mp4", ".avi")

# What shows the frames of a video without loss that can be seen.
_QUALITY = {"crf": "12", "preset": "fast"}
_TICKS = 90_000
_FRAMES_A_SECOND = 25.0


def open_video(path: Path) -> ImageFile:
    """Read the times of a video's frames, which lie at the origin and state no pixel size.

    Raises:
        InputError: no video, or PyAV is not installed.
    """
    with _opened(path) as (container, stream):
        width, height = stream.codec_context.width, stream.codec_context.height
        base = stream.time_base or Fraction(1, _TICKS)
        stamps = sorted(
            packet.pts * base for packet in container.demux(stream) if packet.pts is not None
        )
        about = container.metadata.get("comment", "")
    if not stamps or not width or not height:
        raise UnreadableError(path)

    def load(index: int) -> np.ndarray:
        for number, frame in enumerate(_frames(path)):
            if number == index:
                return frame[np.newaxis]
        raise UnreadableError(path)

    return ImageFile(
        path=path,
        grid=Grid((width, height, 1)),
        states_spacing=False,
        dtype=np.dtype(np.uint8),
        load=load,
        load_all=lambda: np.stack(list(_frames(path)))[:, np.newaxis],
        count=len(stamps),
        images="frames of a video",
        components=3,
        meaning=COLOUR,
        seconds=tuple(float(stamp - stamps[0]) for stamp in stamps),
        metadata={"description": about} if about else {},
    )


def write_video(
    path: Path, frames: np.ndarray, seconds: Sequence[float], description: str = ""
) -> None:
    """Write grey frames.

    Args:
        path: is overwritten; ``.mp4`` keeps the times of single frames, ``.avi`` their mean rate.
        frames: uint8 [n, j, i].
        seconds: when each was taken; 25 frames a second where it is empty.
        description: goes into the file's comment.
    """
    av = _library(path)
    rate = _rate(seconds)
    times = seconds or [n / rate for n in range(len(frames))]
    is_mp4 = path.suffix.lower() == ".mp4"
    # H.264 halves the resolution of colour: sizes are even.
    rows, columns = (2 * ((size + 1) // 2) for size in frames.shape[1:])
    with av.open(str(path), "w") as container:
        container.metadata["comment"] = description
        speed = Fraction(rate).limit_denominator(1000)
        stream = container.add_stream("libx264" if is_mp4 else "mjpeg", rate=speed)
        stream.width, stream.height = columns, rows
        stream.pix_fmt = "yuv420p" if is_mp4 else "yuvj420p"
        stream.options = _QUALITY if is_mp4 else {"qscale": "2"}
        if is_mp4:
            stream.codec_context.time_base = Fraction(1, _TICKS)
        for number, grey in enumerate(frames):
            padded = np.zeros((rows, columns), np.uint8)
            padded[: grey.shape[0], : grey.shape[1]] = grey
            frame = av.VideoFrame.from_ndarray(np.repeat(padded[..., None], 3, axis=-1), "rgb24")
            if is_mp4:
                frame.time_base = Fraction(1, _TICKS)
                frame.pts = round((times[number] - times[0]) * _TICKS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def _rate(seconds: Sequence[float]) -> float:
    """Return frames a second."""
    if len(seconds) < 2 or seconds[-1] <= seconds[0]:
        return _FRAMES_A_SECOND
    return (len(seconds) - 1) / (seconds[-1] - seconds[0])


def _library(path: Path) -> Any:
    try:
        import av
    except ModuleNotFoundError as error:
        raise InputError(
            f"{path} is a video, which needs the Python package av; install it."
        ) from error
    return av


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, Any]]:
    """Open a video and its first stream of pictures.

    Raises:
        UnreadableError: FFmpeg cannot read it.
    """
    av = _library(path)
    try:
        with av.open(str(path)) as container:
            yield container, container.streams.video[0]
    except (InputError, MemoryError):
        raise
    except Exception as error:  # FFmpeg's errors are of many kinds
        raise UnreadableError(path) from error


def _frames(path: Path) -> Iterator[np.ndarray]:
    """Yield every frame as RGB bytes [j, i, 3]."""
    with _opened(path) as (container, stream):
        for frame in container.decode(stream):
            yield frame.to_ndarray(format="rgb24")
