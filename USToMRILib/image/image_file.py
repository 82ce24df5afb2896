"""What an image file says before its voxels are read, and what follows from it.

Every format has a function that opens a file as an :class:`ImageFile`. Whether the file states its
spacing, whether it is a sequence and whether its values are colours is written there, and decided
here, once for all formats.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ..errors import InputError
from .grid import Grid
from .reading import (
    RawImage,
    check_bytes,
    choose_frame,
    luma,
    missing_pixel_size,
    needless_pixel_size,
)

GREY, COLOUR, VECTOR = "grey", "colour", "vector"

# Of three values a voxel that nobody calls colours: how much of what is not black must be grey,
# within how many levels of 255, for them to be taken for the colours of an ultrasound machine's
# screen all the same.
_GREY_PART = 0.75
_GREY_LEVELS = 8


@dataclass(frozen=True)
class ImageFile:
    """An image file whose header has been read.

    Attributes:
        path: of the file.
        grid: of each image in it; 1 mm where no spacing is stated.
        states_spacing: whether it says how far apart the pixels along i and j are.
        aspect: height of a pixel as a part of its width, where no spacing is stated.
        spacing_doubt: why what it states cannot be relied on, as the end of a sentence.
        dtype: of its values.
        load: the voxels of one image by its number, [k, j, i] or [k, j, i, values]; raises
            InputError if they are damaged or incomplete.
        count: how many images it holds; more than one is a sequence.
        images: what they are called in messages.
        components: values in each voxel.
        meaning: of several values: "colour" where the file says so, else "vector".
        seconds: when each image was taken, from the first; empty where it is not stated.
        metadata: header fields that people or programs put there.
        load_all: all images [n, k, j, i ...], of files that are decoded one after the other.
        each: where its images differ in size or kind, the file as if it held one of them alone.
    """

    path: Path
    grid: Grid
    states_spacing: bool
    dtype: np.dtype
    load: Callable[[int], np.ndarray]
    count: int = 1
    images: str = "time points (4D)"
    components: int = 1
    meaning: str = GREY
    seconds: tuple[float, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)
    spacing_doubt: str = ""
    aspect: float = 1.0
    load_all: Callable[[], np.ndarray] | None = None
    each: Callable[[int], ImageFile] | None = None

    def read(self, pixel_size: float | None, frame: int | None) -> RawImage:
        """Read one image as grey values.

        Args:
            pixel_size: mm, of files that do not state their spacing, and only of those.
            frame: which image; of vectors, which of their values where there is one image only.

        Raises:
            InputError: several images and no ``frame``; the pixel size is missing or needless;
                too large, damaged, or several values in each voxel that are no colours.
        """
        if frame is not None and self.count == 1 and self.meaning == VECTOR:
            part = choose_frame(self.path, self.components, frame, "values in each voxel")
            return self._load(0)[..., part], self.placed(pixel_size), self.metadata
        index = choose_frame(self.path, self.count, frame, self.images)
        if self.each is not None:
            return self.each(index).read(pixel_size, None)
        grid = self.placed(pixel_size)
        return self.grey(index), grid, self.metadata

    def placed(self, pixel_size: float | None) -> Grid:
        """Return the grid with the spacing that the file or the user states.

        Raises:
            InputError: neither or both do.
        """
        if self.spacing_doubt and pixel_size is None:
            raise InputError(
                f"{self.path} {self.spacing_doubt}; correct the file's header, or give the right "
                "one with --pixel-size MM (pixel_size=...)."
            )
        stated = self.states_spacing and not self.spacing_doubt
        if stated and pixel_size is not None:
            raise needless_pixel_size(self.path)
        if stated:
            return self.grid
        if pixel_size is None:
            raise missing_pixel_size(self.path)
        # A volume that states nothing has voxels as deep as they are wide.
        depth = self.grid.spacing[2] if self.grid.size[2] == 1 else pixel_size
        return replace(self.grid, spacing=(pixel_size, pixel_size * self.aspect, depth))

    def grey(self, index: int) -> np.ndarray:
        """Return the grey values [k, j, i] of one image; see :meth:`read` for what is refused."""
        self._check_grey()
        return self._shown(self._load(index))

    def all_grey(self) -> np.ndarray:
        """Return the grey values [n, k, j, i] of all images; as :meth:`grey`."""
        if self.load_all is None:
            return np.stack([self.grey(index) for index in range(self.count)])
        self._check_grey()
        return self._shown(self.load_all())

    def _check_grey(self) -> None:
        if self.meaning == VECTOR and (self.dtype != np.uint8 or self.components not in (3, 4)):
            raise self._vectors()

    def _shown(self, voxels: np.ndarray) -> np.ndarray:
        if self.meaning == GREY:
            return voxels
        if self.meaning == COLOUR or _shows_grey(voxels):
            return on_black(voxels)
        raise self._vectors()

    def _load(self, index: int) -> np.ndarray:
        check_bytes(self.path, (*self.grid.size, self.components), self.dtype.itemsize)
        return self.load(index)

    def _vectors(self) -> InputError:
        return InputError(
            f"{self.path} holds {self.components} values in each voxel that are not called "
            "colours (vectors or a sequence); pick one of them with --frame N (frame=N), N from 0 "
            f"to {self.components - 1}."
        )


def on_black(voxels: np.ndarray) -> np.ndarray:
    """Return the grey values [...] of grey or colour [..., 1 to 4] with or without an alpha last.

    What is transparent shows black, as around an ultrasound; an alpha that hides everything is
    taken for one that nobody filled in.
    """
    count = voxels.shape[-1]
    grey = luma(voxels) if count >= 3 else voxels[..., 0]
    alpha = voxels[..., -1]
    full = np.iinfo(alpha.dtype).max if alpha.dtype.kind in "iu" else 1
    if count % 2 or (alpha >= full).all() or not alpha.any():
        return grey
    shown = grey * (alpha / full)
    return (np.rint(shown) if grey.dtype.kind in "iu" else shown).astype(grey.dtype)


def _shows_grey(voxels: np.ndarray) -> bool:
    """Whether values in threes or fours are the colours of a picture that is mostly grey."""
    high, low = voxels[..., :3].max(axis=-1), voxels[..., :3].min(axis=-1)
    shown = high > _GREY_LEVELS
    return bool((high - low <= _GREY_LEVELS)[shown].mean() >= _GREY_PART) if shown.any() else True
