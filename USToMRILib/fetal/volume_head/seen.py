"""Where the network that finds heads in slices sees one in a volume."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import SimpleITK as sitk

from ...compute.bundle import load_bundle
from ...image.grid import Grid
from ...image.volume import Volume
from ...progress import Progress
from ..head import BUNDLE, NET_SIZE, net_grid, probability, to_net

# Slices that are looked at in each of the three directions.
_SLICES = 16
# The network knows heads that lie: it sees every slice turned by these parts of half a turn.
_TURNS = (0.0, 0.25, 0.5, 0.75)
# Voxels of the answer along every side.
_VOXELS = 48


@dataclass(frozen=True)
class Cube:
    """A part of space that is looked at.

    Attributes:
        centre: [3] in LPS mm.
        axes: [3, 3], unit vectors along its sides as columns.
        side: in mm.
    """

    centre: np.ndarray
    axes: np.ndarray
    side: float

    @classmethod
    def around(cls, grid: Grid) -> Cube:
        """The one that holds all of a volume, along its axes."""
        middle = grid.index_to_physical((np.array(grid.size) - 1) / 2)
        return cls(middle, grid.axes, float((np.array(grid.size) * grid.spacing).max()))

    def grid(self, size: list[int]) -> Grid:
        """So many voxels along its sides."""
        spacing = self.side / np.array(size)
        return Grid.of(
            size, spacing, self.centre + self.axes @ (spacing - self.side) / 2, self.axes
        )


def seen_head(volume: Volume, cube: Cube, device: str, progress: Progress) -> Volume:
    """How much of a head the network sees in every place of a cube.

    Away from the standard planes it sees a part of the head only, here one and there another, and
    hardly anything that is none: what it sees in slices of three directions is fused.

    Args:
        volume: ultrasound.
        cube: in it.
        device: "cpu", "cuda" or "mps".
        progress: phase "head".

    Returns:
        float32 in 0 .. 1, coarse: the mean of the directions, the most of all turns in each.

    Raises:
        InputError: the search's bundle cannot be used.
        Cancelled: when the progress' token is set.
    """
    net = load_bundle(BUNDLE, device).net
    steps = [
        min(max(1, int(cube.side / NET_SIZE / mm)), n)
        for mm, n in zip(volume.grid.spacing, volume.grid.size)
    ]
    image = sitk.Cast(sitk.BinShrink(volume.to_sitk(), steps), sitk.sitkFloat32)
    answer = cube.grid([_VOXELS] * 3)
    fused = np.zeros(answer.shape, np.float32)
    looks = [(axis, number) for axis in range(3) for number in range(_SLICES)]
    for axis, number in progress.track("head", looks):
        if number == 0:
            grid = cube.grid([_SLICES if axis == a else NET_SIZE for a in range(3)])
            seen = _on(grid, image, float(volume.array.min()))
            # A view: the slices of the direction.
            slices = np.moveaxis(seen, 2 - axis, 0)
        slices[number] = _most(
            partial(probability, net, device=device), slices[number], cube.side / NET_SIZE
        )
        if number == _SLICES - 1:
            fused += _on(answer, Volume(seen, grid).to_sitk()) / 3
    return Volume(fused, answer)


def _on(grid: Grid, image: sitk.Image, beyond: float = 0.0) -> np.ndarray:
    """An image on a grid, [k, j, i]."""
    like = Volume(np.zeros(grid.shape, np.uint8), grid).to_sitk()
    return sitk.GetArrayFromImage(
        sitk.Resample(image, like, sitk.Transform(), sitk.sitkLinear, beyond)
    )


def _most(net: Callable[[np.ndarray], np.ndarray], pixels: np.ndarray, mm: float) -> np.ndarray:
    """The most that a network sees in each pixel of a slice [192, 192], however it is turned."""
    most = np.zeros_like(pixels)
    if pixels.min() == pixels.max():
        return most
    upright = net_grid(pixels.shape, (mm, mm))
    for turn in _TURNS:
        grid = net_grid(pixels.shape, (mm, mm), turn=turn * np.pi)
        seen = sitk.GetImageFromArray(net(to_net(pixels, (mm, mm), grid)))
        seen.CopyInformation(grid)
        np.maximum(most, sitk.GetArrayViewFromImage(sitk.Resample(seen, upright)), out=most)
    return most
