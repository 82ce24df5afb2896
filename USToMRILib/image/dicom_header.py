"""The header of a DICOM image, and its values where they can be relied on."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError

if TYPE_CHECKING:
    from pydicom.dataset import Dataset


def read_header(path: Path) -> Dataset:
    """Return the attributes of a DICOM image without its pixels."""
    import pydicom

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about values that break the standard, which are many
            header = pydicom.dcmread(path, stop_before_pixels=True, force=True)
            for part in (header.file_meta, header):
                list(part.iterall())  # decodes every value now, where a damaged one is caught
            extent = [header.get(keyword) for keyword in ("Rows", "Columns")]
            is_image = all(isinstance(n, int) and n > 0 for n in [*extent, frame_count(header)])
    except Exception as error:  # pydicom raises whatever it meets in a damaged file
        raise InputError(
            f"{path} is damaged or not a DICOM file; copy or export it again."
        ) from error
    if not is_image:
        raise InputError(
            f"{path} is DICOM without an image (a report or a directory) or damaged; "
            "give a DICOM image."
        )
    return header


def frame_count(header: Dataset) -> int:
    """Return the number of frames in a file."""
    return int(header.get("NumberOfFrames") or 1)


def items(dataset: Dataset, keyword: str) -> Sequence[Dataset]:
    """Return the items of a sequence attribute, none if it is absent or damaged."""
    element = dataset.get_item(keyword) if keyword in dataset else None
    return element.value if element is not None and element.VR == "SQ" else ()


def numbers(dataset: Dataset, keyword: str, count: int) -> tuple[float, ...]:
    """Return that many finite numbers of an attribute, or nothing if it does not hold them."""
    stated = dataset.get(keyword)
    try:
        values = tuple(map(float, stated if isinstance(stated, Sequence) else (stated,)))
    except (TypeError, ValueError):
        return ()
    return values if len(values) == count and all(map(math.isfinite, values)) else ()
