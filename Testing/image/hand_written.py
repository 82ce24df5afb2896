"""Files of small images whose headers are written by hand."""

from __future__ import annotations

import bz2
import gzip
import zlib
from pathlib import Path

import nibabel
import numpy as np

from USToMRILib.image.grid import Grid

SHAPE = (4, 30, 40)
NOISE = np.random.default_rng(7).integers(0, 256, SHAPE).astype(np.uint8)
PLACED = Grid((40, 30, 4), (0.52, 0.6, 2.0), (3.0, -4.0, 5.0))


def write_nrrd(path: Path, array: np.ndarray, *lines: str, encoding: str = "raw") -> Path:
    """An NRRD file of bytes, its header written by hand."""
    sizes = " ".join(str(n) for n in array.shape[::-1])
    header = ["NRRD0005", "type: uint8", f"dimension: {array.ndim}", f"sizes: {sizes}"]
    packed = {"raw": bytes, "gzip": gzip.compress, "bzip2": bz2.compress}[encoding]
    head = "\n".join([*header, *lines, f"encoding: {encoding}"]) + "\n\n"
    path.write_bytes(head.encode() + packed(array.tobytes()))
    return path


def write_meta_image(path: Path, array: np.ndarray, *lines: str, size: bool = True) -> Path:
    """A compressed MetaImage file of bytes, its header written by hand."""
    packed = zlib.compress(array.tobytes())
    header = [
        *("ObjectType = Image", f"NDims = {array.ndim}", "CompressedData = True"),
        *([f"CompressedDataSize = {len(packed)}"] if size else []),
        f"DimSize = {' '.join(str(n) for n in array.shape[::-1])}",
        *(lines or (f"ElementSpacing = {' '.join(['0.5'] * array.ndim)}",)),
        *("ElementType = MET_UCHAR", "ElementDataFile = LOCAL"),
    ]
    path.write_bytes(("\n".join(header) + "\n").encode() + packed)
    return path


def write_nifti(path: Path, pixdim: float, sform: float | None, qform: bool = False) -> Path:
    """A NIfTI slice that states these spacings in mm; a pixdim of 0 is none."""
    image = nibabel.Nifti1Image(NOISE[0].T[:, :, None], None)
    image.header.set_xyzt_units("mm")
    image.header["pixdim"][1:4] = (1, 1, 1)
    image.set_qform(np.eye(4) if qform else None, int(qform))
    image.set_sform(None if sform is None else np.diag([-sform, -sform, 1, 1]), int(bool(sform)))
    nibabel.save(image, path)
    header = bytearray(path.read_bytes())
    header[80:92] = np.array([pixdim, pixdim, 1 if pixdim else 0], np.float32).tobytes()
    path.write_bytes(header)
    return path
