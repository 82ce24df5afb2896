"""Generators whose answers are known, and volumes for them."""

from __future__ import annotations

from typing import Callable

import numpy as np
import torch

from USToMRILib.compute.bundle import Bundle
from USToMRILib.image.grid import Grid
from USToMRILib.image.volume import Volume
from USToMRILib.pix2pix.generator import BUNDLE
from USToMRILib.pix2pix.memory import GIB
from USToMRILib.pix2pix.translation import DEFAULT_MEMORY_GIB

SKEWED = (0.0, 0.6, -0.8, 1.0, 0.0, 0.0, 0.0, -0.8, -0.6)


class Net(torch.nn.Module):
    """A function of the ultrasound in the place of a generator; keeps the shapes that it saw."""

    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor] = lambda x: x) -> None:
        super().__init__()
        self.function, self.seen = function, set()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        assert x.dtype == torch.float32
        assert x.abs().max() <= 1
        self.seen.add(tuple(x.shape))
        return self.function(x)


class Strided(torch.nn.Module):
    """Convolutions that halve and double every axis: what a voxel becomes depends on its phase."""

    REACH = (6, 6, 6)  # one voxel of the fine convolution, two of the coarse one, a block each

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.fine = torch.nn.Conv3d(1, 2, 3, padding=1)
        self.down = torch.nn.Conv3d(2, 3, 2, stride=2)
        self.coarse = torch.nn.Conv3d(3, 3, 3, padding=1)
        self.up = torch.nn.ConvTranspose3d(3, 1, 2, stride=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.tanh(3 * self.up(self.coarse(self.down(self.fine(x).sin()).sin())))


def bundle_of(
    net: torch.nn.Module,
    most_voxels: int = 8192,
    reach: tuple[int, ...] = (0, 0, 0),
    divisors: tuple[int, ...] = (2, 16, 16),
) -> Bundle:
    """A bundle around a network, as the loader makes it; the default memory holds such windows."""
    metadata = {
        "window": [8, 32, 32],
        "divisors": list(divisors),
        "spacing_mm": [1.0, 1.0, 1.0],
        "receptive_field": {"reach": list(reach)},
        "bytes_per_voxel": (DEFAULT_MEMORY_GIB - 0.7) * GIB / most_voxels,
    }
    return Bundle(BUNDLE, metadata, "0" * 64, net)  # type: ignore[arg-type]


def volume_of(array: np.ndarray, spacing: tuple[float, float, float] = (1, 1, 1)) -> Volume:
    """A volume on a skewed grid."""
    return Volume(array, Grid(array.shape[::-1], spacing, (5, -7, 9), SKEWED))


def textured(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """A volume of every byte, with some of the least value but no empty region."""
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)
