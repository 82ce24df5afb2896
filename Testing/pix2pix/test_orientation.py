"""pix2pix3d in whatever way a volume lies, and with volumes that are none."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from Testing.pix2pix.known_generators import Net, Strided, bundle_of, textured, volume_of
from training.simulation.ultrasound import ScanRanges
from USToMRILib import Grid, InputError, Volume, translate
from USToMRILib.pix2pix.cone import echoing
from USToMRILib.pix2pix.orientation import CONE, ECHO, UNSURE, Orientation, find_orientation
from USToMRILib.pix2pix.translation import translate_volume
from USToMRILib.progress import Progress

WAYS = [
    Orientation(axes, flipped, "")
    for axes in itertools.permutations(range(3))
    for number in range(4)
    for flipped in itertools.combinations(range(3), number)
]
# The rest are mirrored.
ROTATIONS = [w for w in WAYS if np.linalg.det(np.eye(3)[list(w.axes)]) * (-1) ** len(w.flipped) > 0]


def fan(
    shape: tuple[int, int, int] = (36, 48, 56),
    half_angles_deg: tuple[float, float] = (20.0, 35.0),
    radius: float = 15.0,
    seed: int = 0,
) -> np.ndarray:
    """Speckle in the cone of a convex probe at the top: k the sweep, j the depth, i lateral."""
    k, j, i = (np.arange(n, dtype=float) for n in shape)
    k, i = k[:, None, None] - shape[0] / 2, i[None, None, :] - shape[2] / 2
    j = j[None, :, None] - 3 + radius
    r = np.sqrt(k**2 + j**2 + i**2)
    sweep, lateral = np.radians(half_angles_deg)
    inside = (r > radius) & (r < radius + shape[1] - 8)
    inside &= (np.abs(np.arctan2(k, j)) < sweep) & (np.abs(np.arcsin(i / r)) < lateral)
    speckle = gaussian_filter(np.random.default_rng(seed).standard_normal(shape), 1.2)
    return np.where(inside, np.clip(120 + 300 * speckle, 1, 255), 0).astype(np.uint8)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.6, 0.5, 1.4)])
def test_the_answer_does_not_depend_on_how_a_volume_lies(
    spacing: tuple[float, float, float],
) -> None:
    volume, bundle = volume_of(fan(), spacing), bundle_of(Strided(), 10**6, divisors=(2, 2, 2))
    upright = translate_volume(volume, bundle, Progress(), spread=True)
    assert upright.array.std() > 10
    assert len(ROTATIONS) == 24
    for way in WAYS:
        found = translate_volume(way.turn_volume(volume), bundle, Progress(), spread=True)
        np.testing.assert_array_equal(way.turn_back(found.array), upright.array)
        np.testing.assert_array_equal(way.turn_back(found.spread), upright.spread)


def test_a_network_that_sees_the_volume_as_it_lies_answers_otherwise() -> None:
    """The test above can fail."""
    net, array = Strided(), fan()

    def answer(of: np.ndarray) -> np.ndarray:
        scaled = torch.from_numpy(np.ascontiguousarray(of).astype(np.float32) / 128 - 1)
        with torch.no_grad():
            return net(scaled[None, None])[0, 0].numpy()

    way = Orientation((1, 0, 2), (1,), "")
    assert np.abs(way.turn_back(answer(way.turn(array))) - answer(array)).mean() > 0.02


def test_a_turned_volume_lies_where_it_lay() -> None:
    volume = volume_of(textured((5, 7, 6)), (0.6, 0.5, 1.4))
    point = volume.grid.index_to_physical(np.array([4, 2, 3]))
    for way in WAYS:
        turned = way.turn_volume(volume)
        i, j, k = np.rint(turned.grid.physical_to_index(point)).astype(int)
        assert turned.array[k, j, i] == volume.array[3, 2, 4]
        np.testing.assert_allclose(turned.grid.index_to_physical(np.array([i, j, k])), point)
        np.testing.assert_array_equal(way.turn_back(turned.array), volume.array)


@pytest.mark.parametrize("seed", range(12))
def test_the_probe_of_simulated_scans_is_found_from_the_cone(seed: int) -> None:
    """Drawn scans; in half of them all beyond a third of the depth is in shadow on one side."""
    rng = np.random.default_rng(seed)
    scan = ScanRanges().draw((0.0, 0.0, 0.0), rng)
    shape = (50, 62, 72)  # of 2 mm
    angles = (scan.half_sweep_deg, scan.half_angle_deg)
    array = fan(shape, angles, scan.radius_mm / 2, seed)
    if seed % 2:
        array[:, 24:, :28] = np.minimum(array[:, 24:, :28], 1)
    way = WAYS[int(rng.integers(len(WAYS)))]
    turned = np.ascontiguousarray(way.turn(array))
    found = find_orientation(turned, echoing(turned), (2.0, 2.0, 2.0))
    assert found.told_by == CONE
    # Up to mirrors of sweep and lateral axis, the way back.
    assert [way.axes[axis] for axis in found.axes] == [0, 1, 2]
    again = found.turn(turned)
    depth_of = [np.flatnonzero(a.any((0, 2)))[0] for a in (again, array)]
    assert abs(depth_of[0] - depth_of[1]) <= 1
    assert (again > 0)[:, :8].sum() == (array > 0)[:, :8].sum()


def box(fading: float, seed: int = 0) -> np.ndarray:
    """Speckle that fills the volume, as of a linear probe, weaker by this part at its end."""
    shape = (28, 40, 36)
    speckle = gaussian_filter(np.random.default_rng(seed).standard_normal(shape), 1.2)
    weaker = 1 - fading * np.linspace(0, 1, shape[1])[:, None]
    return np.clip((120 + 200 * speckle) * weaker, 1, 255).astype(np.uint8)


def test_without_a_cone_the_side_is_where_the_echo_is_strong_and_the_user_is_told(
    tiny_models: Path,
) -> None:
    for way in ROTATIONS[::5]:
        turned = np.ascontiguousarray(way.turn(box(0.7)))
        found = find_orientation(turned, echoing(turned), (1.0, 1.0, 1.0))
        assert found.told_by == ECHO
        assert found.turn(turned)[:, :9].mean() > found.turn(turned)[:, -9:].mean() + 30
    result = translate(Volume(box(0.7), Grid((36, 40, 28))), "pix2pix3d")
    assert UNSURE in result.warnings
    assert (result.volume.array > 0).mean() > 0.99  # no background, so nothing is cut away


def test_a_linear_probe_looks_along_the_longest_side_though_the_echo_fades_more_across() -> None:
    shaded = box(0.3) * np.linspace(1, 0.4, 36)
    for way in ROTATIONS[::5]:
        turned = np.ascontiguousarray(way.turn(np.clip(shaded, 1, 255).astype(np.uint8)))
        found = find_orientation(turned, echoing(turned), (1.0, 1.0, 1.0))
        assert found.told_by == ECHO
        assert found.turn(turned).shape[1] == 40
        assert found.turn(turned)[:, :9].mean() > found.turn(turned)[:, -9:].mean() + 10


def test_the_record_says_how_the_volume_lay(tiny_models: Path) -> None:
    way = Orientation((1, 0, 2), (0,), "")  # the depth is stored as k, from the far side
    volume = way.turn_volume(volume_of(fan()))
    result = translate(volume, "pix2pix3d")
    found = result.provenance["parameters"]["orientation"]
    assert found["depth"] == "-k"
    assert found["sweep"][1] + found["lateral"][1] == "ji"
    assert found["probe_side_from"] == CONE
    assert UNSURE not in result.warnings
    assert json.loads(json.dumps(found)) == found


@pytest.mark.parametrize("thin", [1, 3])
def test_few_slices_are_swept_through_whichever_axis_they_are_along(thin: int) -> None:
    """The generator sees them along its first axis, with the probe at the top."""
    plane = fan()[18:19]
    tops = []

    def top(x: torch.Tensor) -> torch.Tensor:
        tops.append(float((x[0, 0, :, :12] > -1).float().mean()))
        return x

    bundle = bundle_of(net := Net(top), 10**6)
    for way in ROTATIONS:
        volume = way.turn_volume(volume_of(np.repeat(plane, thin, axis=0), (1.0, 1.0, 1.0)))
        found = translate_volume(volume, bundle, Progress())
        assert found.array.max() > 200
    assert {shape[3:] for shape in net.seen} == {(48, 64)}
    assert max(tops) == pytest.approx(min(tops))


def test_a_stack_of_separate_images_is_refused_along_whichever_axis() -> None:
    images = np.stack([fan(seed=seed)[18] for seed in range(20)])
    for way in ROTATIONS[::3]:
        net = Net()
        stack = way.turn_volume(Volume(images, Grid(images.shape[::-1])))
        axis = "kji"[way.axes.index(0)]
        with pytest.raises(InputError, match=f"along {axis} have little in common.*one by one"):
            translate_volume(stack, bundle_of(net), Progress())
        assert not net.seen


def test_a_volume_that_the_memory_cannot_hold_is_refused_before_it_is_looked_at() -> None:
    """8 GB of voxels of 0.1 mm; they are one, seen many times."""
    array = np.broadcast_to(np.uint8(7), (2000, 2000, 2000))
    with pytest.raises(InputError, match=r"about \d+\.\d GiB of memory and 4 GiB are allowed"):
        translate_volume(Volume(array, Grid((2000,) * 3, (0.1,) * 3)), bundle_of(Net()), Progress())


@pytest.mark.parametrize(("thin", "words"), [(1, "1 slice thick"), (3, "3 slices thick")])
def test_the_user_is_told_of_a_volume_that_is_hardly_one(
    tiny_models: Path, thin: int, words: str
) -> None:
    few = Volume(fan()[:thin] + 1, Grid((56, 48, thin)))
    assert any(words in warning for warning in translate(few, "pix2pix3d").warnings)
    assert not any("thick" in warning for warning in translate(volume(), "pix2pix3d").warnings)


def volume() -> Volume:
    """A fan along the volume's axes."""
    return Volume(fan(), Grid((56, 48, 36)))
