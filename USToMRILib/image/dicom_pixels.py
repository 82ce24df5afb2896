"""The pixels of DICOM images as grey values.

pydicom reads what is not compressed, whatever its header says besides; GDCM, inside SimpleITK,
decodes the compressed transfer syntaxes, because it knows them without plug-ins. Either way
MONOCHROME1, palettes, YCbCr and rescaled values become grey as a viewer shows it.
"""

from __future__ import annotations

import io
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from . import itk_files
from .image_file import on_black
from .reading import UnreadableError

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_PALETTE = "PALETTE COLOR"

# Keywords of lengths that GDCM refuses to be zero, though the pixels do not depend on them.
_LENGTHS = ("PixelSpacing", "ImagerPixelSpacing", "SpacingBetweenSlices", "SliceThickness")

# Markers of a JPEG stream that tell what its components are.
_ADOBE, _JFIF, _SCAN = 0xEE, 0xE0, 0xDA
_FRAMES = (0xC0, 0xC1, 0xC2)


def decode(path: Path, header: Dataset, frame: int | None = None) -> np.ndarray:
    """Return the grey values [k, j, i] of one frame or, without ``frame``, of all of them.

    Raises:
        InputError: damaged, incomplete, compressed in a way that cannot be decoded, or of values
            that are neither grey nor colour.
    """
    syntax = header.file_meta.get("TransferSyntaxUID")
    compressed = syntax is not None and syntax.is_transfer_syntax and syntax.is_encapsulated
    rare = compressed and syntax.name == "RLE Lossless" and _unused_low_bits(header)
    if not compressed or rare:
        try:
            return _grey(_stored(path, frame), header)
        except (ValueError, TypeError, IndexError, ArithmeticError) as error:
            if isinstance(error, InputError):
                raise
            raise UnreadableError(path) from error
    if _contradicts_its_label(path, header, syntax):
        return _jpeg_frames(path, header, frame)
    try:
        return _decompressed(path, frame)
    except UnreadableError as error:
        raise InputError(
            f"{path} is compressed as {syntax.name}, which could not be decoded; export it "
            "again without compression."
        ) from error


def _stored(path: Path, frame: int | None) -> np.ndarray:
    """Return the values as they are stored, [k, j, i] or [k, j, i, sample], of a frame or of all.

    Raises:
        UnreadableError: they are damaged or incomplete.
    """
    import pydicom

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = pydicom.dcmread(path, force=True)
            if _unused_low_bits(dataset):  # which pydicom would take for those that are used
                dataset.BitsStored = dataset.BitsAllocated
                dataset.HighBit = dataset.BitsAllocated - 1
            if hasattr(dataset, "pixel_array_options"):
                dataset.pixel_array_options(raw=True, index=frame)
                values, chosen = dataset.pixel_array, frame is not None
            else:  # pydicom 2, which Slicer 5.8 has
                values, chosen = dataset.pixel_array, False
    except Exception as error:  # pydicom raises whatever it meets in a damaged file
        raise UnreadableError(path) from error
    count = int(dataset.get("NumberOfFrames") or 1)
    if chosen or count == 1:
        return values[np.newaxis]
    return values if frame is None else values[frame : frame + 1]


def _unused_low_bits(header: Dataset) -> int:
    """Return how many bits lie below the values of a pixel; none, in most files."""
    stored = int(header.get("BitsStored") or 0)
    return max(0, int(header.get("HighBit") or 0) + 1 - stored) if stored else 0


def _grey(values: np.ndarray, header: Dataset) -> np.ndarray:
    """Return the grey values of what is stored, as the header says that it is to be shown."""
    if values.dtype.byteorder not in "=|":
        values = values.astype(values.dtype.newbyteorder("="))
    values = values >> _unused_low_bits(header) if _unused_low_bits(header) else values
    photometric = str(header.get("PhotometricInterpretation", ""))
    if photometric == _PALETTE:
        return on_black(_through_palette(values, header))
    if values.ndim == 4:
        return values[..., 0] if photometric.startswith("YBR") else on_black(values)
    values = _inverted(values, header) if photometric == "MONOCHROME1" else values
    return _rescaled(values, header)


def _through_palette(values: np.ndarray, header: Dataset) -> np.ndarray:
    """Return the colours, 8 bits each, of a palette of 8 or 16 bits."""
    from pydicom.pixel_data_handlers.util import apply_color_lut

    try:
        colours = apply_color_lut(values, header)
    except Exception as error:  # pydicom raises whatever it meets in a damaged palette
        raise InputError(
            "The palette of the image is damaged; export it again in grey or RGB."
        ) from error
    if colours.dtype == np.uint8:
        return colours
    # Some devices write 8-bit colours into tables of 16 bits.
    tables = [header.get(f"{name}PaletteColorLookupTableData") for name in ("Red", "Green", "Blue")]
    most = max((np.frombuffer(t, np.uint16).max() for t in tables if t), default=colours.max())
    return (colours if most < 256 else colours >> 8).astype(np.uint8)


def _rescaled(values: np.ndarray, header: Dataset) -> np.ndarray:
    slope = float(header.get("RescaleSlope") or 1)
    intercept = float(header.get("RescaleIntercept") or 0)
    if (slope, intercept) == (1.0, 0.0):
        return values
    rescaled = values * slope + intercept
    whole = slope.is_integer() and intercept.is_integer() and values.dtype.kind in "iu"
    return rescaled.astype(np.int32 if whole and abs(rescaled).max() < 2**31 else np.float64)


def _inverted(values: np.ndarray, header: Dataset) -> np.ndarray:
    """Return the values with black and white exchanged, in the range of the stored bits."""
    bits = int(header.get("BitsStored") or 8 * values.dtype.itemsize)
    if values.dtype.kind == "u":
        return (2**bits - 1 - values.astype(np.int64)).astype(values.dtype)
    return -1 - values if values.dtype.kind == "i" else -values


def _decompressed(path: Path, frame: int | None) -> np.ndarray:
    """Return the grey values of what GDCM decodes."""
    try:
        return _by_gdcm(path, frame)
    except UnreadableError:
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "image.dcm"
            if not _copy_without_zero_lengths(path, copy):
                raise
            return _by_gdcm(copy, frame)


def _by_gdcm(path: Path, frame: int | None) -> np.ndarray:
    reader = itk_files.open_header(path, "GDCMImageIO")
    size = tuple(reader.GetSize())
    if frame is not None:
        reader.SetExtractSize([size[0], size[1], 1])
        reader.SetExtractIndex([0, 0, frame])
    voxels = itk_files.load(path, reader, size)  # GDCM takes the room of all frames at once
    return voxels.reshape(-1, size[1], size[0])


def _copy_without_zero_lengths(path: Path, copy: Path) -> bool:
    """Write the same image without lengths of 0; return whether there are any."""
    import pydicom

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = pydicom.dcmread(path, force=True)
        zero = [k for k in _LENGTHS if k in dataset and not np.all(np.ravel(dataset.get(k)))]
        for keyword in zero:
            del dataset[keyword]
        if zero:
            dataset.save_as(copy)
    return bool(zero)


def _contradicts_its_label(path: Path, header: Dataset, syntax: Any) -> bool:
    """Whether a JPEG image is labelled RGB and its stream holds YCbCr, or the other way round."""
    photometric = str(header.get("PhotometricInterpretation", ""))
    if not syntax.name.startswith("JPEG Baseline") or int(header.get("SamplesPerPixel") or 1) != 3:
        return False
    is_ycbcr = _jpeg_is_ycbcr(_streams(path, header)[0])
    return is_ycbcr is not None and is_ycbcr != photometric.startswith("YBR")


def _streams(path: Path, header: Dataset) -> list[bytes]:
    """Return the compressed stream of each frame."""
    import pydicom
    from pydicom import encaps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            data = pydicom.dcmread(path, force=True).PixelData
            count = int(header.get("NumberOfFrames") or 1)
            if hasattr(encaps, "generate_frames"):
                return list(encaps.generate_frames(data, number_of_frames=count))
            return list(encaps.generate_pixel_data_frame(data, count))
    except Exception as error:  # pydicom raises whatever it meets in a damaged file
        raise UnreadableError(path) from error


def _jpeg_is_ycbcr(stream: bytes) -> bool | None:
    """Return what a JPEG stream says of its three components, None where it says nothing.

    Adobe's marker says it, a JFIF header means YCbCr, components can be called R, G and B, and
    only chroma is ever stored at a lower resolution (ITU-T T.81 and T.871).
    """
    at = 2
    found: bool | None = None
    while at + 4 <= len(stream) and stream[at] == 0xFF:
        marker, length = stream[at + 1], int.from_bytes(stream[at + 2 : at + 4], "big")
        segment = stream[at + 4 : at + 2 + length]
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
        if marker == _SCAN:
            break
        at += 2 + length
    return found


def _jpeg_frames(path: Path, header: Dataset, frame: int | None) -> np.ndarray:
    """Return the grey values of a JPEG image by what its streams say of themselves."""
    from PIL import Image

    streams = _streams(path, header)
    chosen = streams if frame is None else streams[frame : frame + 1]
    try:
        frames = [np.array(Image.open(io.BytesIO(stream)).convert("RGB")) for stream in chosen]
    except Exception as error:  # Pillow raises whatever it meets in a damaged stream
        raise UnreadableError(path) from error
    return np.stack([on_black(colours) for colours in frames])
