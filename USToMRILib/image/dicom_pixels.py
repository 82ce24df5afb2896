"""The pixels of DICOM images as grey values.

pydicom reads what is not compressed, whatever its header says besides; imagecodecs decodes run
lengths; GDCM, inside SimpleITK, decodes the other transfer syntaxes, because it knows them without
plug-ins. Either way MONOCHROME1, palettes, YCbCr and rescaled values become grey as a viewer shows
it.
"""

from __future__ import annotations

import io
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from . import itk_files, jpeg_streams
from .dicom_header import frame_count, numbers
from .image_file import on_black
from .reading import UnreadableError

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_PALETTE = "PALETTE COLOR"
_SHOWN = ("MONOCHROME", "RGB", "YBR_", _PALETTE)

# Keywords of lengths that GDCM refuses to be zero, though the pixels do not depend on them.
_LENGTHS = ("PixelSpacing", "ImagerPixelSpacing", "SpacingBetweenSlices", "SliceThickness")


def decode(path: Path, header: Dataset, frame: int | None = None) -> np.ndarray:
    """Return the grey values [k, j, i] of one frame or, without ``frame``, of all of them.

    Raises:
        InputError: damaged, incomplete, compressed in a way that cannot be decoded, or of values
            that are neither grey nor colour.
    """
    _check_meaning(path, header)
    frames = _decoded(path, header, frame)
    if frames.shape[1:] != (header.Rows, header.Columns):
        raise UnreadableError(path)
    return _with_black_padding(frames, header)


def _check_meaning(path: Path, header: Dataset) -> None:
    """Raise InputError if it is not known how what is stored is to be shown."""
    photometric = str(header.get("PhotometricInterpretation") or "")
    if photometric and not photometric.startswith(_SHOWN):
        raise InputError(
            f"{path} stores its colours as {photometric}, which is not read; export it in grey or "
            "RGB."
        )
    if header.get("ModalityLUTSequence"):
        raise InputError(
            f"{path} has a table of what its values mean (Modality LUT), which is not read; export "
            "it with the table applied."
        )


def _with_black_padding(frames: np.ndarray, header: Dataset) -> np.ndarray:
    """Return grey values of which those that stand for no image are the least of the others.

    Of 0 it is left: it is black already.
    """
    first = numbers(header, "PixelPaddingValue", 1)
    if not first or not str(header.get("PhotometricInterpretation")).startswith("MONOCHROME"):
        return frames
    last = numbers(header, "PixelPaddingRangeLimit", 1) or first
    kind = "i" if header.get("PixelRepresentation") else "u"
    stored = np.array([[[*first, *last]]]).astype(f"{kind}{max(8, header.BitsAllocated) // 8}")
    low, high = np.sort(_grey(stored, header).ravel())
    padding = (frames >= low) & (frames <= high) & (frames != 0)
    if padding.any() and not padding.all():
        frames = np.where(padding, frames[~padding].min(), frames)
    return frames


def _decoded(path: Path, header: Dataset, frame: int | None) -> np.ndarray:
    """Return the grey values of a frame or of all, of the size that the pixel data have."""
    syntax = header.file_meta.get("TransferSyntaxUID")
    compressed = syntax is not None and syntax.is_transfer_syntax and syntax.is_encapsulated
    if not compressed:
        return _shown(path, header, _stored(path, frame))
    if syntax.name == "RLE Lossless":
        return _shown(path, header, _run_lengths(path, header, frame))
    try:
        streams = _chosen_streams(path, header, frame) if "JPEG" in syntax.name else []
        if not all(map(jpeg_streams.is_whole, streams)):
            raise UnreadableError(path)
        if streams and _contradicts_its_label(streams[0], header, syntax):
            return _jpeg_frames(path, streams)
        return _decompressed(path, frame, streams)
    except UnreadableError as error:
        raise InputError(
            f"{path} is compressed as {syntax.name}, which could not be decoded; copy it again, or "
            "export it without compression."
        ) from error


def _shown(path: Path, header: Dataset, values: np.ndarray) -> np.ndarray:
    """Return the grey values of what is stored; UnreadableError if the header makes no sense."""
    try:
        return _grey(values, header)
    except (ValueError, TypeError, IndexError, ArithmeticError) as error:
        if isinstance(error, InputError):
            raise
        raise UnreadableError(path) from error


def _run_lengths(path: Path, header: Dataset, frame: int | None) -> np.ndarray:
    """Return run-length encoded values, [k, j, i] or [k, j, i, sample], of a frame or of all.

    GDCM goes on where they end too early.

    Raises:
        UnreadableError: they do.
    """
    import imagecodecs

    kind = "i" if header.get("PixelRepresentation") else "u"
    samples = int(header.get("SamplesPerPixel") or 1)
    streams = _chosen_streams(path, header, frame)
    try:
        dtype = np.dtype(f"<{kind}{header.BitsAllocated // 8}")
        decoded = [
            np.frombuffer(imagecodecs.dicomrle_decode(stream, dtype), dtype) for stream in streams
        ]
        values = np.stack(decoded).reshape(-1, samples, header.Rows, header.Columns)
    except Exception as error:  # imagecodecs raises whatever it meets in a damaged stream
        raise UnreadableError(path) from error
    if kind == "u":  # bits above the values may hold something else
        values = values & dtype.type(2 ** (int(header.HighBit) + 1) - 1)
    return values[:, 0] if samples == 1 else np.moveaxis(values, 1, -1)


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
            if "TransferSyntaxUID" not in dataset.file_meta:  # as before there was a preamble
                dataset.file_meta.TransferSyntaxUID = _plain_syntax(dataset)
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
    if values.ndim == (3 if int(dataset.get("SamplesPerPixel") or 1) > 1 else 2):
        values = values[np.newaxis]
    # pydicom returns what the file holds beyond its number of frames, too
    values = values if chosen else values[: frame_count(dataset)]
    return values if chosen or frame is None else values[frame : frame + 1]


def _plain_syntax(dataset: Dataset) -> Any:
    """Return the transfer syntax of a file that does not name it, as its attributes are written."""
    from pydicom import uid

    if hasattr(dataset, "original_encoding"):
        implicit, little = dataset.original_encoding
    else:  # pydicom 2, which Slicer 5.8 has
        implicit, little = dataset.is_implicit_VR, dataset.is_little_endian
    explicit = uid.ExplicitVRLittleEndian if little else uid.ExplicitVRBigEndian
    return uid.ImplicitVRLittleEndian if implicit else explicit


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


def _decompressed(path: Path, frame: int | None, streams: list[bytes]) -> np.ndarray:
    """Return the grey values of what GDCM decodes, with the file put right where it refuses it.

    Args:
        path: of the file.
        frame: which one; all of them without.
        streams: those of the frames that are wanted, where it is known how to find them.
    """
    try:
        return _by_gdcm(path, frame)
    except UnreadableError:
        if not streams:
            raise
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "image.dcm"
            _copy_put_right(path, copy, streams)
            return _by_gdcm(copy, None)


def _by_gdcm(path: Path, frame: int | None) -> np.ndarray:
    reader = itk_files.open_header(path, "GDCMImageIO")
    size = tuple(reader.GetSize())
    if frame is not None:
        reader.SetExtractSize([size[0], size[1], 1])
        reader.SetExtractIndex([0, 0, frame])
    voxels = itk_files.load(path, reader, size)  # GDCM takes the room of all frames at once
    return voxels.reshape(-1, size[1], size[0])


def _copy_put_right(path: Path, copy: Path, streams: list[bytes]) -> None:
    """Write these frames of an image, each in one fragment, and without lengths of 0."""
    import pydicom
    from pydicom.encaps import encapsulate

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = pydicom.dcmread(path, force=True)
        for keyword in _LENGTHS:
            if keyword in dataset and not np.all(np.ravel(dataset.get(keyword))):
                del dataset[keyword]
        dataset.PixelData = encapsulate(streams)
        dataset["PixelData"].is_undefined_length = True
        dataset.NumberOfFrames = len(streams)
        dataset.save_as(copy)


def _contradicts_its_label(stream: bytes, header: Dataset, syntax: Any) -> bool:
    """Whether the stream of a JPEG image has other colours than its header says, or none."""
    if not syntax.name.startswith("JPEG Baseline"):
        return False
    samples = int(header.get("SamplesPerPixel") or 1)
    components = jpeg_streams.component_count(stream)
    if components != samples:
        return components in (1, 3)
    is_ycbcr = jpeg_streams.is_ycbcr(stream) if samples == 3 else None
    photometric = str(header.get("PhotometricInterpretation", ""))
    return is_ycbcr is not None and is_ycbcr != photometric.startswith("YBR")


def _chosen_streams(path: Path, header: Dataset, frame: int | None) -> list[bytes]:
    """Return the compressed stream of one frame or, without ``frame``, of all of them.

    Raises:
        UnreadableError: there are fewer than the header counts.
    """
    import pydicom
    from pydicom import encaps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            data = pydicom.dcmread(path, force=True).PixelData
            count = frame_count(header)
            if hasattr(encaps, "generate_frames"):
                frames = encaps.generate_frames(data, number_of_frames=count)
            else:  # pydicom 2, which Slicer 5.8 has
                frames = encaps.generate_pixel_data_frame(data, count)
            streams = list(frames)[:count]
    except Exception as error:  # pydicom raises whatever it meets in a damaged file
        raise UnreadableError(path) from error
    if len(streams) < count:
        raise UnreadableError(path)
    return streams if frame is None else streams[frame : frame + 1]


def _jpeg_frames(path: Path, streams: list[bytes]) -> np.ndarray:
    """Return the grey values of a JPEG image by what its streams say of themselves."""
    from PIL import Image

    try:
        frames = [np.array(Image.open(io.BytesIO(stream)).convert("RGB")) for stream in streams]
    except Exception as error:  # Pillow raises whatever it meets in a damaged stream
        raise UnreadableError(path) from error
    return np.stack([on_black(colours) for colours in frames])
