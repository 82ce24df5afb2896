"""What the network that finds the fetal head is shown in training: views of annotated images.

A view is the square that the network sees, laid anywhere on the image: the whole of it, as in the
first look of :func:`USToMRILib.fetal.head.find_head`, or the head close up, as in the second. Some
images are cropped before, so that the head fills them or is cut by their edge.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from USToMRILib import Volume
from USToMRILib.fetal.ellipse import Ellipse
from USToMRILib.fetal.head import CLOSE_WIDTHS, NET_SIZE, net_grid, to_net

# The images are kept this much finer than the network sees them, for the close view.
FINE = 2

# How often an image is cropped about its head, and how far from the head then, in lengths of it.
# Below 0 a side of the head is lost.
_CROPPED = 0.4
_MARGINS = (-0.08, 0.2)
# Probes see heads wider and narrower than they are where the speed of sound is set wrong, and the
# pixels of exported pictures are not always square.
_STRETCH = 0.12


@dataclass(frozen=True)
class HeadExamples:
    """Prepared images of one part of the data.

    Attributes:
        pixels: float16 [N, 384, 384] in [0, 2], 0 beyond the image: the square of
            :func:`USToMRILib.fetal.head.net_grid`.
        ellipses: as annotated, in units of the square's width from its centre.
        circumferences_mm: [N]; nan where the pixel size is not known.
        others: images without a head, as ``pixels``, [M, 384, 384].
    """

    pixels: np.ndarray
    ellipses: list[Ellipse]
    circumferences_mm: np.ndarray
    others: np.ndarray

    @classmethod
    def of(
        cls, heads: Iterable[tuple[Volume, Ellipse, float]], others: Iterable[Volume]
    ) -> HeadExamples:
        """Resample images of one slice and take down their ellipses and circumferences in mm."""
        prepared = [(*_prepare(image, ellipse), size) for image, ellipse, size in heads]
        pixels, ellipses, circumferences = zip(*prepared)
        without = np.stack([_prepare_pixels(image) for image in others])
        return cls(np.stack(pixels), list(ellipses), np.array(circumferences), without)

    def save(self, path: Path) -> None:
        """Write them to one file."""
        rows = np.array([[*e.centre, *e.semi_axes, e.angle] for e in self.ellipses])
        sizes, others = self.circumferences_mm, self.others
        np.savez(path, pixels=self.pixels, ellipses=rows, sizes=sizes, others=others)

    @classmethod
    def load(cls, path: Path) -> HeadExamples:
        """Read what :meth:`save` wrote."""
        with np.load(path) as file:
            rows = file["ellipses"].tolist()
            ellipses = [Ellipse((x, y), (long, short), angle) for x, y, long, short, angle in rows]
            return cls(file["pixels"], ellipses, file["sizes"], file["others"])


def _prepare_pixels(image: Volume) -> np.ndarray:
    """An image of one slice as in :attr:`HeadExamples.pixels`, [384, 384]."""
    pixels, spacing = image.array[0], image.grid.spacing[:2]
    grid = net_grid(pixels.shape, spacing, FINE * NET_SIZE)
    return (to_net(pixels, spacing, grid) + 1).astype(np.float16)


def _prepare(image: Volume, ellipse: Ellipse) -> tuple[np.ndarray, Ellipse]:
    grid = net_grid(image.array.shape[1:], image.grid.spacing[:2], FINE * NET_SIZE)
    size, pixel = FINE * NET_SIZE, grid.GetSpacing()[0]
    middle = np.array(grid.GetOrigin()) + (size - 1) / 2 * pixel
    x, y = (np.array(ellipse.centre) - middle) / (size * pixel)
    long, short = np.array(ellipse.semi_axes) / (size * pixel)
    relative = Ellipse((float(x), float(y)), (float(long), float(short)), ellipse.angle)
    return _prepare_pixels(image), relative


@dataclass(frozen=True)
class Crop:
    """What is left of a prepared image.

    Attributes:
        low, high: (x, y) of its corners, in units of the square's width from its centre.
    """

    low: np.ndarray
    high: np.ndarray

    @classmethod
    def none(cls) -> Crop:
        """All of the image."""
        return cls(np.full(2, -0.5), np.full(2, 0.5))

    @classmethod
    def random(cls, ellipse: Ellipse, rng: np.random.Generator) -> Crop:
        """Mostly all of it; else so much that the head fills it or is cut by its edge."""
        if rng.random() >= _CROPPED:
            return cls.none()
        reach = np.linalg.norm(ellipse.rotation * ellipse.semi_axes, axis=1)
        low, high = (2 * ellipse.semi_axes[0] * rng.uniform(*_MARGINS, 2) for _ in range(2))
        centre = np.array(ellipse.centre)
        corners = centre - reach - low, centre + reach + high
        return cls(*(np.clip(corner, -0.5, 0.5) for corner in corners))

    def applied(self, pixels: np.ndarray) -> np.ndarray:
        """The image [384, 384], 0 beyond the crop."""
        rows, columns = (
            slice(*(round((edge + 0.5) * len(pixels)) for edge in edges))
            for edges in zip(self.low[::-1].tolist(), self.high[::-1].tolist())
        )
        cropped = np.zeros_like(pixels)
        cropped[rows, columns] = pixels[rows, columns]
        return cropped


@dataclass(frozen=True)
class View:
    """A square laid on a prepared image: p = centre + width * matrix @ q, q in [-1/2, 1/2]^2."""

    centre: np.ndarray
    width: float
    matrix: np.ndarray

    @classmethod
    def whole(cls) -> View:
        """All of the image."""
        return cls(np.zeros(2), 1.0, np.eye(2))

    @classmethod
    def close(cls, ellipse: Ellipse) -> View:
        """The head close up and lying, as in the middle one of the library's close looks."""
        width = CLOSE_WIDTHS[1] * 2 * ellipse.semi_axes[0]
        return cls(np.array(ellipse.centre), width, ellipse.rotation)

    @classmethod
    def random(cls, ellipse: Ellipse, crop: Crop, rng: np.random.Generator) -> View:
        """Turned, sheared, mirrored and moved; half of them close, as wrong as a first look is."""
        matrix = _random_matrix(rng)
        if rng.random() < 0.5:
            width = float((crop.high - crop.low).max())
            centre = (crop.low + crop.high) / 2 + width * rng.uniform(-0.1, 0.1, 2)
            return cls(centre, width * rng.uniform(0.85, 1.3), matrix)
        close = cls.close(ellipse)
        moved = close.centre + close.width * rng.uniform(-0.06, 0.06, 2)
        return cls(moved, close.width * rng.uniform(0.85, 1.2), close.matrix @ matrix)

    @classmethod
    def anywhere(cls, rng: np.random.Generator) -> View:
        """On an image without head: all of it or a part, as a close look at anything in it."""
        quarter = float(rng.choice([0, math.pi / 2]))
        matrix = _rotation(quarter) @ _random_matrix(rng)
        return cls(rng.uniform(-0.2, 0.2, 2), rng.uniform(0.45, 1.2), matrix)

    def show(
        self, pixels: np.ndarray, ellipse: Ellipse | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Image in [-1, 1] and the part of every pixel that is head, float32 [1, 192, 192] each.

        Args:
            pixels: a prepared image.
            ellipse: of its head; None where it shows none.
        """
        size = FINE * NET_SIZE
        axis = (np.arange(size) + 0.5) / size - 0.5
        q = np.stack(np.meshgrid(axis, axis, indexing="xy"), axis=-1)
        p = self.centre + self.width * q @ self.matrix.T
        grid = torch.from_numpy(2 * p).float()[None]  # grid_sample's coordinates end at -1 and 1
        source = torch.from_numpy(pixels.astype(np.float32))[None, None]
        image = F.grid_sample(source, grid, padding_mode="zeros", align_corners=False)
        seen = F.avg_pool2d(image, FINE)[0] - 1
        if ellipse is None:
            return seen, torch.zeros_like(seen)
        inside = torch.from_numpy(ellipse.radius(p[..., 0], p[..., 1]) <= 1).float()[None, None]
        return seen, F.avg_pool2d(inside, FINE)[0]


def _rotation(angle: float) -> np.ndarray:
    return np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])


def _random_matrix(rng: np.random.Generator) -> np.ndarray:
    """Up to 30 degrees turned, sheared, stretched, and mirrored or not."""
    turn = _rotation(math.radians(30) * rng.uniform(-1, 1))
    shear = np.array([[1, rng.uniform(-0.1, 0.1)], [0, 1]])
    stretch = np.exp(rng.uniform(-_STRETCH, _STRETCH, 2))
    return turn @ shear @ np.diag(stretch * rng.choice([-1.0, 1.0], 2))
