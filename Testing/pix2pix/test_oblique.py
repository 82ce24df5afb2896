"""pix2pix3d with ultrasound that lies obliquely in its volume."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import binary_dilation, binary_erosion
from scipy.spatial.transform import Rotation

from Testing.pix2pix.known_generators import Net, bundle_of, textured
from USToMRILib import Grid, InputError, Volume, translate
from USToMRILib.pix2pix.cone import echoing
from USToMRILib.pix2pix.straight import cone_axes
from USToMRILib.pix2pix.translation import translate_volume
from USToMRILib.progress import Progress

TURNS = list(Rotation.random(6, random_state=0))


def grid_of(turn: Rotation, spacing: tuple[float, float, float] = (1, 1, 1)) -> Grid:
    """A grid about the origin, turned, that holds :func:`cone`."""
    size = np.ceil(84 / np.array(spacing)).astype(int)
    middle = turn.as_matrix() @ ((size - 1) / 2 * spacing)
    return Grid.of(size.tolist(), spacing, -middle, turn.as_matrix())


def cone(grid: Grid) -> Volume:
    """A cone whose probe lies at -y, swept along z, over a pattern of some 12 mm."""
    x, y, z = np.moveaxis(grid.points(), -1, 0)
    depth = y + 40
    r = np.sqrt(x**2 + depth**2 + z**2)
    inside = (r > 15) & (r < 70) & (np.abs(np.arctan2(z, depth)) < np.radians(18))
    inside &= np.abs(np.arcsin(x / np.maximum(r, 1))) < np.radians(32)
    seen = 130 - depth / 2 + 60 * np.sin(x / 2) * np.sin(y / 2.2 + 1) * np.sin(z / 2.4 + 2)
    return Volume(np.where(inside, np.clip(seen, 1, 255), 0).astype(np.uint8), grid)


def change_with_depth(x: torch.Tensor) -> torch.Tensor:
    """By how much ultrasound is brighter 4 voxels deeper: it depends on how a volume is seen."""
    deeper = torch.nn.functional.pad(x, (0, 0, 0, 4), mode="constant", value=-1.0)[:, :, :, 4:]
    return (deeper - x).clamp(-1, 1)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.5, 0.5, 0.5), (0.6, 1.8, 0.6)])
@pytest.mark.parametrize("turn", TURNS[:2])
def test_an_oblique_volume_gets_the_answer_of_the_straight_one(
    turn: Rotation, spacing: tuple[float, float, float]
) -> None:
    bundle = bundle_of(Net(change_with_depth), 10**7)
    straight = cone(grid_of(Rotation.identity()))
    known = translate_volume(straight, bundle, Progress()).array
    inner = binary_erosion(straight.array > 0, iterations=4)
    oblique = cone(grid_of(turn, spacing))
    found = translate_volume(oblique, bundle, Progress())
    back = straight.grid.resample(oblique.with_array(found.array).to_sitk())
    assert known[inner].std() > 30
    assert np.abs(back - known)[inner].mean() < 0.04 * 255
    assert not found.array[~binary_dilation(oblique.array > 0, iterations=8)].any()


def test_what_is_oblique_is_recorded(tiny_models: Path) -> None:
    record = translate(cone(grid_of(TURNS[0])), "pix2pix3d").provenance["parameters"]
    lies = record["orientation"]
    assert json.loads(json.dumps(lies)) == lies
    found = np.array([lies["sweep"], lies["depth"], lies["lateral"]])
    np.testing.assert_allclose(found[1], [0, 1, 0], atol=0.03)  # away from the probe
    np.testing.assert_allclose(np.abs(found), [[0, 0, 1], [0, 1, 0], [1, 0, 0]], atol=0.03)


@pytest.mark.parametrize("turn", TURNS[:3])
def test_the_axes_of_a_linear_probes_block_are_found(turn: Rotation) -> None:
    grid = grid_of(turn)
    inside = (np.abs(grid.points()) < [20, 30, 12]).all(axis=-1)
    axes = cone_axes(inside, grid.spacing)
    assert axes is not None
    cosines = np.abs(grid.axes @ axes)
    np.testing.assert_allclose(np.sort(cosines, axis=0)[-1], 1, atol=2e-3)


def test_a_volume_along_its_own_axes_or_without_a_shape_is_left_as_it_lies() -> None:
    straight = grid_of(Rotation.from_euler("z", 2, degrees=True))
    assert cone_axes(echoing(cone(straight).array), (1, 1, 1)) is None
    assert cone_axes(echoing(textured((20, 24, 28))), (1, 1, 1)) is None
    thin = cone(grid_of(Rotation.from_euler("z", 30, degrees=True))).array[40:43]
    assert cone_axes(echoing(thin), (1, 1, 1)) is None
    ball = np.linalg.norm(grid_of(TURNS[0]).points(), axis=-1) < 30
    assert cone_axes(ball, (1, 1, 1)) is None
    for few in (np.zeros((9, 9, 9), bool), np.eye(9, dtype=bool)[None].repeat(9, axis=0)):
        assert cone_axes(few, (3, 3, 3)) is None


def test_the_turned_volume_counts_to_the_memory() -> None:
    oblique, bundle = cone(grid_of(TURNS[0], (2, 2, 2))), bundle_of(Net(), 10**7)
    with pytest.raises(InputError, match="are allowed"):
        translate_volume(oblique, bundle, Progress(), memory_gib=0.6001)
