"""What JPEG streams say of themselves, in pictures and in DICOM, and whether they are whole."""

from __future__ import annotations

from collections.abc import Iterator

_START, _END, _SCAN = b"\xff\xd8", b"\xff\xd9", b"\xff\xda"
_JPEG_2000_DATA = b"\xff\x93"

# Codes of markers: of what its components are; of its size, where Huffman codes follow; of notes.
_ADOBE, _JFIF = 0xEE, 0xE0
_FRAMES = (0xC0, 0xC1, 0xC2)
_NOTES = (*range(0xE0, 0xF0), 0xFE)


def is_whole(stream: bytes) -> bool:
    """Whether a JPEG, JPEG-LS or JPEG 2000 stream has an end, and its data make sense.

    Decoders invent pixels where it has none. There is no checksum: data that were changed into
    others that make sense cannot be told.
    """
    scan = _SCAN if stream.startswith(_START) else _JPEG_2000_DATA
    return stream.rfind(_END) > stream.rfind(scan) and _makes_sense(stream)


def _makes_sense(stream: bytes) -> bool:
    """Whether libjxl takes a stream, as it does not where it could not restore it bit by bit."""
    import imagecodecs

    frame = _frame(stream)
    is_ordinary = len(frame) > 5 and frame[0] == 8 and frame[5] in (1, 3)
    encode = getattr(imagecodecs, "jpegxl_encode_jpeg", None)
    if not is_ordinary or encode is None:
        return True
    notes, scan = bytearray(_START), 2
    for marker, part, end in _segments(stream):
        scan = end
        if marker not in _NOTES:
            notes += bytes((0xFF, marker)) + (len(part) + 2).to_bytes(2, "big") + part
    try:
        encode(bytes(notes) + stream[scan:])
    except ImportError:  # a build without libjxl
        return True
    except imagecodecs.JpegxlError:
        return False
    return True


def component_count(stream: bytes) -> int:
    """Return how many values a pixel of a JPEG stream has, 0 where it does not say."""
    frame = _frame(stream)
    return frame[5] if len(frame) > 5 else 0


def is_ycbcr(stream: bytes) -> bool | None:
    """Return what a JPEG stream says of its three components, None where it says nothing.

    Adobe's marker says it, a JFIF header means YCbCr, components can be called R, G and B, and
    only chroma is ever stored at a lower resolution (ITU-T T.81 and T.871).
    """
    found: bool | None = None
    for marker, segment, _ in _segments(stream):
        if marker == _ADOBE and segment[:5] == b"Adobe" and len(segment) >= 12:
            return segment[11] == 1
        if marker == _JFIF and segment[:4] == b"JFIF":
            found = True
        if marker in _FRAMES and len(segment) >= 15 and found is None:
            names, factors = bytes(segment[6:15:3]), bytes(segment[7:15:3])
            if names == b"RGB":
                found = False
            elif len(set(factors)) > 1:
                found = True
    return found


def _frame(stream: bytes) -> bytes:
    """Return the segment of precision, size and components, empty where there is none."""
    return next((part for marker, part, _ in _segments(stream) if marker in _FRAMES), b"")


def _segments(stream: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Yield marker, content and end of the segments of a JPEG stream, up to its first scan."""
    at = 2
    while at + 4 <= len(stream) and stream[at] == 0xFF and stream[at + 1] != _SCAN[1]:
        if stream[at + 1] == 0xFF:  # to fill
            at += 1
            continue
        length = int.from_bytes(stream[at + 2 : at + 4], "big")
        yield stream[at + 1], stream[at + 4 : at + 2 + length], at + 2 + length
        at += 2 + length
