"""What the network that finds the fetal head is shown in training: views of annotated images.

A view is the square that the network sees, laid anywhere on the image: the whole of it, as in the
first look of :func:`USToMRILib.fetal.head.find_head`, or the head close up, as in the second.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from training.data.hc18 import HeadImage
from USToMRILib.fetal.ellipse import Ellipse
from USToMRILib.fetal.head import CLOSE_WIDTHS, NET_SIZE, net_grid, to_net

# The images are kept this much finer than the network sees them, for the close view.
FINE = 2


@dataclass(frozen=True)
class HeadExamples:
    """Prepared images of one part of the data.

    Attributes:
        pixels: float16 [N, 384, 384] in [0, 2], 0 beyond the image: the square of
            :func:`USToMRILib.fetal.head.net_grid`.
        ellipses: as annotated, in units of the square's width from its centre.
        circumferences_mm: [N].
    """

    pixels: np.ndarray
    ellipses: list[Ellipse]
    circumferences_mm: np.ndarray

    @classmethod
    def of(cls, heads: Iterable[HeadImage]) -> HeadExamples:
        """Resample the images and take down their ellipses."""
        prepared = [(*_prepare(head), head.circumference_mm) for head in heads]
        pixels, ellipses, circumferences = zip(*prepared)
        return cls(np.stack(pixels), list(ellipses), np.array(circumferences))

    def save(self, path: Path) -> None:
        """Write them to one file."""
        rows = [[*e.centre, *e.semi_axes, e.angle] for e in self.ellipses]
        np.savez(path, pixels=self.pixels, ellipses=np.array(rows), sizes=self.circumferences_mm)

    @classmethod
    def load(cls, path: Path) -> HeadExamples:
        """Read what :meth:`save` wrote."""
        with np.load(path) as file:
            rows = file["ellipses"].tolist()
            ellipses = [Ellipse((x, y), (long, short), angle) for x, y, long, short, angle in rows]
            return cls(file["pixels"], ellipses, file["sizes"])


def _prepare(head: HeadImage) -> tuple[np.ndarray, Ellipse]:
    pixels, spacing = head.pixels, (head.pixel_size_mm, head.pixel_size_mm)
    grid = net_grid(pixels.shape, spacing, FINE * NET_SIZE)
    size, pixel = FINE * NET_SIZE, grid.GetSpacing()[0]
    middle = np.array(grid.GetOrigin()) + (size - 1) / 2 * pixel
    x, y = (np.array(head.ellipse.centre) - middle) / (size * pixel)
    long, short = np.array(head.ellipse.semi_axes) / (size * pixel)
    relative = Ellipse((float(x), float(y)), (float(long), float(short)), head.ellipse.angle)
    return (to_net(pixels, spacing, grid) + 1).astype(np.float16), relative


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
    def random(cls, ellipse: Ellipse, rng: np.random.Generator) -> View:
        """Turned, sheared, mirrored and moved; half of them close, as wrong as a first look is."""
        angle, shear = math.radians(30) * rng.uniform(-1, 1), rng.uniform(-0.1, 0.1)
        turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        matrix = turn @ [[1, shear], [0, 1]] @ np.diag(rng.choice([-1.0, 1.0], 2))
        if rng.random() < 0.5:
            return cls(rng.uniform(-0.1, 0.1, 2), rng.uniform(0.75, 1.3), matrix)
        close = cls.close(ellipse)
        moved = close.centre + close.width * rng.uniform(-0.06, 0.06, 2)
        return cls(moved, close.width * rng.uniform(0.85, 1.2), close.matrix @ matrix)

    def show(self, pixels: np.ndarray, ellipse: Ellipse) -> tuple[torch.Tensor, torch.Tensor]:
        """Image in [-1, 1] and the part of every pixel that is head, float32 [1, 192, 192] each."""
        size = FINE * NET_SIZE
        axis = (np.arange(size) + 0.5) / size - 0.5
        q = np.stack(np.meshgrid(axis, axis, indexing="xy"), axis=-1)
        p = self.centre + self.width * q @ self.matrix.T
        grid = torch.from_numpy(2 * p).float()[None]  # grid_sample's coordinates end at -1 and 1
        source = torch.from_numpy(pixels.astype(np.float32))[None, None]
        image = F.grid_sample(source, grid, padding_mode="zeros", align_corners=False)
        inside = torch.from_numpy(ellipse.radius(p[..., 0], p[..., 1]) <= 1).float()[None, None]
        return F.avg_pool2d(image, FINE)[0] - 1, F.avg_pool2d(inside, FINE)[0]
