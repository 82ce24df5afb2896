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
from .orientation import is_turned, orientation_of, upright
from .reading import UnreadableError

SUFFIXES = (
    *(".mp4", ".avi", ".mov", ".mkv", ".m4v", ".mpg", ".mpeg", ".wmv", ".webm", ".asf", ".flv"),
    *(".3gp", ".ogv", ".ts", ".mts", ".m2ts", ".vob"),
)
WRITE_SUFFIXES = (".mp4", ".avi")

# What shows the frames of a video without loss that can be seen.
_QUALITY = {"crf": "12", "preset": "fast"}
_TICKS = 90_000
_FRAMES_A_SECOND = 25.0

# How many times the longest of a video's frames its last may be shown.
_MOST_MISSING = 2.5


def open_video(path: Path) -> ImageFile:
    """Read the times of a video's frames, which lie at the origin and state no pixel size.

    Raises:
        InputError: no video, or PyAV is not installed.
    """
    with _opened(path) as (container, stream):
        base = stream.time_base or Fraction(1, _TICKS)
        # What a cut of the video leaves out is discarded once it is decoded.
        stamps = sorted(
            packet.pts * base
            for packet in container.demux(stream)
            if packet.pts is not None and not packet.is_discard
        )
        about = container.metadata.get("comment", "")
        ratio = stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio
        is_cut = _is_cut(container, stamps)
    first = next(_frames(path), None)
    if not stamps or first is None or is_cut:
        raise UnreadableError(path)
    frame, turned = first
    aspect = 1 / float(ratio) if ratio else 1.0

    def load(index: int) -> np.ndarray:
        for number, (frame, _) in enumerate(_frames(path)):
            if number == index:
                return frame[np.newaxis]
        raise UnreadableError(path)

    def load_all() -> np.ndarray:
        frames = [frame for frame, _ in _frames(path)]
        if len(frames) != len(stamps) or any(each.shape != frame.shape for each in frames):
            raise UnreadableError(path)
        return np.stack(frames)[:, np.newaxis]

    return ImageFile(
        path=path,
        grid=Grid((frame.shape[1], frame.shape[0], 1)),
        states_spacing=False,
        aspect=1 / aspect if turned else aspect,
        dtype=np.dtype(np.uint8),
        load=load,
        load_all=load_all,
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


def _is_cut(container: Any, stamps: Sequence[Fraction]) -> bool:
    """Whether a Matroska file of a video only ends before the time that its header states.

    FFmpeg reads it to where it ends; of other containers it misses an index or frames.
    """
    if "matroska" not in container.format.name or len(container.streams) > 1 or len(stamps) < 2:
        return False
    longest = max(after - before for before, after in zip(stamps, stamps[1:]))
    missing = Fraction(container.duration or 0, 1_000_000) - stamps[-1]
    return missing > _MOST_MISSING * longest


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


def _frames(path: Path) -> Iterator[tuple[np.ndarray, bool]]:
    """Yield every frame as RGB bytes [j, i, 3] as players show it, and whether it was turned.

    Raises:
        UnreadableError: FFmpeg had to invent parts of it.
    """
    with _opened(path) as (container, stream):
        for frame in container.decode(stream):
            if frame.is_corrupt:
                raise UnreadableError(path)
            orientation = _orientation(frame)
            yield upright(frame.to_ndarray(format="rgb24"), orientation), is_turned(orientation)


def _orientation(frame: Any) -> int:
    """Return how a frame is to be turned by the matrix that telephones write, as EXIF says it."""
    for data in frame.side_data:
        if data.type.name == "DISPLAYMATRIX":
            return orientation_of(np.frombuffer(bytes(data), np.int32).reshape(3, 3)[:2, :2])
    return 1
