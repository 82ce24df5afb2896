"""Images of one place that follow each other in time: cines, and sequences of volumes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional

import numpy as np

from .. import files
from ..errors import InputError
from . import (
    dicom,
    dicom_writing,
    meta_image_files,
    nrrd_writing,
    picture_files,
    video_files,
)
from .formats import has_suffix, open_image
from .grid import Grid
from .image_file import ImageFile
from .reading import check_bytes, check_pixel_size
from .volume import PathLike, Volume, common_dtype

WRITE_SUFFIXES = (
    *(".seq.nrrd", ".nrrd", ".mha"),
    *dicom_writing.SUFFIXES,
    *video_files.WRITE_SUFFIXES,
)


@dataclass
class ImageSequence:
    """Images on one grid that follow each other in time.

    Attributes:
        array: voxel values [n, k, j, i] of any real dtype, one image after the other.
        grid: where the voxels of each image lie.
        seconds: when each was taken, from the first; empty where that is not known.
        metadata, source: as of a :class:`~.volume.Volume`.

    Raises:
        InputError: array, grid and times do not belong together.
    """

    array: np.ndarray
    grid: Grid
    seconds: tuple[float, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)
    source: Optional[Path] = None

    def __post_init__(self) -> None:
        """Check that array, grid and times belong together."""
        if self.array.ndim != 4 or self.array.shape[1:] != self.grid.shape:
            raise InputError(
                f"The array's shape {self.array.shape} is not that of images of (k, j, i) "
                f"{self.grid.shape} one after the other; give an array [n, k, j, i]."
            )
        if self.seconds and len(self.seconds) != len(self.array):
            raise InputError(
                f"There are {len(self.seconds)} times for {len(self.array)} images; give one of "
                "each, or none."
            )

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.array)

    def __getitem__(self, number: int) -> Volume:
        """Return one image."""
        return Volume(self.array[number], self.grid, dict(self.metadata), self.source)

    def __iter__(self) -> Iterator[Volume]:
        """Return the images as volumes, one after the other."""
        return (self[number] for number in range(len(self)))

    @classmethod
    def of(cls, volumes: Sequence[Volume], seconds: tuple[float, ...] = ()) -> ImageSequence:
        """Return the sequence of volumes on one grid.

        Raises:
            InputError: there is none, or they lie on several grids.
        """
        if not volumes or any(not volume.grid.lies_on(volumes[0].grid) for volume in volumes):
            raise InputError("A sequence is made of images on one grid; give some.")
        first = volumes[0]
        array = np.stack([volume.array for volume in volumes])
        return cls(array, first.grid, seconds, dict(first.metadata), first.source)

    @classmethod
    def read(
        cls, path: PathLike, pixel_size: float | None = None, region: int | None = None
    ) -> ImageSequence:
        """Read all images of a cine, a 4D file, a sequence of Slicer or PLUS, or a video.

        A file of one image is a sequence of one.

        Args:
            path: a file.
            pixel_size, region: as for :meth:`.volume.Volume.read`.

        Raises:
            InputError: as :meth:`.volume.Volume.read`; or its images differ in size.
        """
        source = files.expanded(path)
        check_pixel_size(pixel_size)
        files.check_readable(source)
        image = open_image(source)
        try:
            if image is None and dicom.is_dicom(source):
                return cls(*dicom.read_cine(source, pixel_size, region), source)
            if image is None or region is not None:
                volume = Volume.read(source, pixel_size, region=region)  # which says what is wrong
                return cls.of([volume])
            return cls(
                _grey(image), image.placed(pixel_size), image.seconds, image.metadata, source
            )
        except InputError as error:
            if str(source) in str(error):
                raise
            raise InputError(f"{source}: {error}") from error

    def write(
        self, path: PathLike, metadata: dict[str, str] | None = None, compress: bool = True
    ) -> None:
        """Write the images as a sequence of Slicer or PLUS, a DICOM cine or a video.

        The file appears complete or not at all; metadata as in :meth:`.volume.Volume.write`.
        DICOM and videos hold bytes: values are taken as 0..255, rounded and clipped.

        Raises:
            InputError: as :func:`check_sequence_writable`; a dtype that the format cannot hold; a
                full disk.
        """
        target = files.expanded(path)
        check_sequence_writable(target, self.grid)
        fields = {**self.metadata, **(metadata or {})}
        fields = {key: " ".join(value.split()) for key, value in fields.items()}
        described = fields.get("description", "Derived images")
        with files.atomic(target) as temporary:
            if has_suffix(target, (".nrrd",)):
                array = common_dtype(self.array)
                nrrd_writing.write_nrrd(temporary, array, self.grid, fields, compress, self.seconds)
            elif has_suffix(target, (".mha",)):
                array = common_dtype(self.array[:, 0])
                of = self.grid, self.seconds, fields, compress
                meta_image_files.write_frames(temporary, array, *of)
            elif has_suffix(target, dicom_writing.SUFFIXES):
                frames = picture_files.as_bytes(self.array)[:, 0]
                sources = dicom_writing.read_sources(self.source)
                dicom_writing.write_dicom(
                    temporary, frames, self.grid, described, sources, _times(self)
                )
            else:
                frames = picture_files.as_bytes(self.array)[:, 0]
                video_files.write_video(temporary, frames, self.seconds, described)


def check_sequence_writable(path: PathLike, grid: Grid | None = None) -> None:
    """Raise InputError unless a sequence can be written to this path; call it before long work."""
    target = files.expanded(path)
    if not has_suffix(target, WRITE_SUFFIXES):
        known = " ".join(WRITE_SUFFIXES)
        raise InputError(f"{target} cannot hold a sequence; use one of {known}.")
    if grid is not None and grid.size[2] > 1 and not has_suffix(target, (".nrrd",)):
        raise InputError(f"{target} can hold flat images, not volumes; write .seq.nrrd.")
    files.check_creatable(target)


def _grey(image: ImageFile) -> np.ndarray:
    """Return the grey values [n, k, j, i] of all images of a file."""
    if image.each is not None:
        raise InputError(f"The images of {image.path} differ in size or kind; give one by --frame.")
    check_bytes(image.path, (*image.grid.size, image.count), image.dtype.itemsize)
    return image.all_grey()


def _times(sequence: ImageSequence) -> tuple[float, ...]:
    """Return when each image was taken, 25 a second where that is not known."""
    return sequence.seconds or tuple(n / 25 for n in range(len(sequence)))
