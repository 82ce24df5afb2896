"""Volume translation by windows, with networks whose answer is known; and the bundle itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Optional

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from Testing.pix2pix.known_generators import SKEWED, Net, Strided, bundle_of, textured, volume_of
from USToMRILib.compute.bundle import list_bundles, load_bundle
from USToMRILib.errors import Cancelled, InputError
from USToMRILib.image.grid import Grid
from USToMRILib.image.intensity import rescale
from USToMRILib.image.volume import Volume
from USToMRILib.pix2pix.cone import ultrasound_cone
from USToMRILib.pix2pix.echo import ultrasound_range
from USToMRILib.pix2pix.generator import BUNDLE
from USToMRILib.pix2pix.memory import GIB
from USToMRILib.pix2pix.spacing import grid_of_spacing
from USToMRILib.pix2pix.translation import DEFAULT_MEMORY_GIB, translate_volume
from USToMRILib.pix2pix.windows import Window, plan_windows
from USToMRILib.progress import CancelToken, Progress, ProgressEvent

SHAPES = st.tuples(st.integers(1, 19), st.integers(1, 41), st.integers(1, 41))


@settings(max_examples=40)
@given(shape=SHAPES, seed=st.integers(0, 99))
@example(shape=(2, 2, 2), seed=1)  # too few voxels to tell whether its slices belong together
def test_identity_returns_the_normalised_input_whatever_the_size(
    shape: tuple[int, int, int], seed: int
) -> None:
    array = textured(shape, seed)
    array.flat[0] = 1 + array.flat[0] // 2  # whatever it drew, one voxel is not the least
    net = Net()
    found = translate_volume(volume_of(array), bundle_of(net), Progress()).array
    low, high = ultrasound_range(array)
    expected = (rescale(array, low, high) + 1) * 127.5
    expected[~ultrasound_cone(array)] = 0
    assert found.dtype == np.float32
    assert found.shape == shape
    np.testing.assert_allclose(found, expected, atol=1e-3)
    for _, _, d, h, w in net.seen:
        assert (d % 2, h % 16, w % 16) == (0, 0, 0)
        assert d * h * w <= 1.2 * 8192


@settings(max_examples=25)
@given(
    shape=st.tuples(*[st.integers(1, 40)] * 3),
    most_voxels=st.integers(14**3, 50**3),
    seed=st.integers(0, 99),
)
def test_windows_answer_what_one_pass_over_everything_does(
    shape: tuple[int, int, int], most_voxels: int, seed: int
) -> None:
    volume, net = volume_of(textured(shape, seed)), Strided()
    exact = {"reach": Strided.REACH, "divisors": (2, 2, 2)}
    windows = translate_volume(volume, bundle_of(net, most_voxels, **exact), Progress())
    whole = translate_volume(volume, bundle_of(net, 10**6, **exact), Progress())
    np.testing.assert_allclose(windows.array, whole.array, atol=0.01)


def test_a_reach_that_is_told_too_small_shows() -> None:
    """The test above can fail."""
    volume, net = volume_of(textured((30, 30, 30))), Strided()
    short = bundle_of(net, 14**3, reach=(2, 2, 2), divisors=(2, 2, 2))
    whole = bundle_of(net, 10**6, divisors=(2, 2, 2))
    windows, exact = (translate_volume(volume, b, Progress()).array for b in (short, whole))
    assert np.abs(windows - exact).max() > 1


def test_result_does_not_depend_on_the_order_of_the_windows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    array = textured((20, 50, 70))
    bundle = bundle_of(Net(lambda x: torch.tanh(x + 0.1 * x.mean())))

    class Backwards(Progress):
        def track(self, phase: str, items: Any, of: Optional[int] = None) -> Any:
            return super().track(phase, list(items)[::-1], of)

    forwards = translate_volume(volume_of(array), bundle, Progress()).array
    backwards = translate_volume(volume_of(array), bundle, Backwards()).array
    np.testing.assert_allclose(forwards, backwards, atol=1e-3)


def test_cancel_takes_effect_before_the_next_window() -> None:
    token, calls = CancelToken(), []

    def cancel_at_third(x: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        if len(calls) == 3:
            token.cancel()
        return x

    with pytest.raises(Cancelled):
        translate_volume(
            volume_of(textured((30, 60, 60))),
            bundle_of(Net(cancel_at_third)),
            Progress(cancel=token),
        )
    assert len(calls) == 3


def test_progress_counts_every_window() -> None:
    events: list[ProgressEvent] = []
    net_calls: list[int] = []
    net = Net(lambda x: net_calls.append(1) or x)  # type: ignore[func-returns-value]
    translate_volume(volume_of(textured((20, 40, 40))), bundle_of(net), Progress(events.append))
    assert {event.phase for event in events} == {"windows"}
    assert [event.step for event in events] == list(range(1, events[0].of + 1))
    assert len(net_calls) == events[0].of > 4


def test_outside_the_cone_is_zero_and_fluid_inside_is_not() -> None:
    k, j, i = np.ogrid[:24, :48, :48]
    cone = (np.abs(i - 24) <= j / 2) & (np.abs(k - 12) <= 8)
    array = np.where(cone, textured((24, 48, 48)) // 2 + 60, 0).astype(np.uint8)
    ventricle = np.zeros_like(cone)
    ventricle[9:15, 30:36, 20:28] = True
    ventricle[9:15, 42:, 20:28] = True  # the volume ends in the middle of this one
    array[ventricle] = 0
    assert (ultrasound_cone(array) == cone).all()
    found = translate_volume(volume_of(array), bundle_of(Net(torch.ones_like)), Progress()).array
    np.testing.assert_allclose(found[cone], 255, atol=1e-3)
    assert not found[~cone].any()


def test_a_shadow_open_to_the_edge_is_inside_and_letters_apart_are_not_joined() -> None:
    k, j, i = np.ogrid[:24, :48, :48]
    cone = (np.abs(i - 24) <= j / 2) & (np.abs(k - 12) <= 8) & (j < 44)
    array = np.where(cone, textured((24, 48, 48)) // 2 + 60, 0).astype(np.uint8)
    shadow = cone & (i - 24 > j / 4) & (j > 16) & (j < 36)
    array[shadow] = 0
    letters = np.zeros_like(cone)
    letters[4:20, 2:6, 2:6] = True
    array[letters] = 200
    assert (ultrasound_cone(array) == cone | letters).all()


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 1, 9), (1, 9, 1), (5, 7, 1), (1, 6, 6)])
def test_a_cone_is_found_in_flat_volumes_too(shape: tuple[int, int, int]) -> None:
    assert ultrasound_cone(np.zeros(shape, np.uint8)).shape == shape
    array = np.ones(shape, np.uint8)
    array.flat[0] = 0
    assert ultrasound_cone(array)[array > 0].all()


def test_empty_windows_are_not_computed() -> None:
    array = np.zeros((8, 32, 320), np.uint8)
    array[:, :, :32] = textured((8, 32, 32)) | 1
    calls: list[int] = []
    net = Net(lambda x: calls.append(1) or x)  # type: ignore[func-returns-value]
    translate_volume(volume_of(array), bundle_of(net, 4 * 16 * 16), Progress())
    assert 0 < len(calls) <= 16


def test_a_constant_volume_is_left_without_a_result() -> None:
    constant = np.full((9, 20, 20), 7, np.int16)
    assert not translate_volume(volume_of(constant), bundle_of(Net()), Progress()).array.any()


def test_memory_that_does_not_suffice_is_refused_with_what_would() -> None:
    volume = volume_of(textured((40, 40, 40)))
    net = Net()
    bundle = bundle_of(net, most_voxels=512)
    with pytest.raises(InputError, match=r"about (\d+\.\d) GiB .* 1 GiB are allowed; allow more"):
        translate_volume(volume, bundle, Progress(), memory_gib=1)
    for useless in (0, -1, float("nan")):
        with pytest.raises(InputError, match="GiB are allowed"):
            translate_volume(volume, bundle, Progress(), memory_gib=useless)
    assert not net.seen
    translate_volume(volume, bundle, Progress(), memory_gib=4.1)


def test_spread_is_the_deviation_over_mirrored_volumes() -> None:
    """A network that answers with the lateral place: mirrored, it answers with the other end."""

    def place(x: torch.Tensor) -> torch.Tensor:
        return torch.linspace(-1, 1, x.shape[-1]).expand_as(x)

    array = textured((32, 32, 32)) | 1
    done = translate_volume(volume_of(array), bundle_of(Net(place), 10**6), Progress(), spread=True)
    assert done.spread is not None
    turn, ramp = done.orientation.turn, (np.linspace(-1, 1, 32) + 1) * 127.5
    np.testing.assert_allclose(turn(done.array), np.broadcast_to(ramp, array.shape), atol=1e-3)
    expected = np.abs(ramp - ramp[::-1]) / 2
    np.testing.assert_allclose(turn(done.spread), np.broadcast_to(expected, array.shape), atol=1e-3)


@pytest.mark.parametrize("shape", [(9, 21, 37), (20, 50, 70)])
def test_a_network_that_does_not_mind_the_mirror_has_no_spread(shape: tuple[int, ...]) -> None:
    array = textured(shape)
    alone = translate_volume(volume_of(array), bundle_of(Net(torch.tanh)), Progress())
    both = translate_volume(volume_of(array), bundle_of(Net(torch.tanh)), Progress(), spread=True)
    assert alone.spread is None
    assert both.spread is not None
    np.testing.assert_array_equal(alone.array, both.array)
    np.testing.assert_allclose(both.spread, 0, atol=1e-4)


@pytest.mark.parametrize("spacing", [(0.4, 0.5, 0.8), (2.0, 1.0, 3.0), (0.3, 0.3, 1.0)])
def test_other_voxel_sizes_are_seen_at_the_trained_one_and_come_back_in_place(
    spacing: tuple[float, float, float],
) -> None:
    """A smooth ball returns to where it is; the network saw about 1 mm."""
    grid = Grid(tuple(int(60 / s) for s in spacing), spacing, (5, -7, 9), SKEWED)  # type: ignore[arg-type]
    ijk = np.stack(np.meshgrid(*map(np.arange, grid.shape), indexing="ij")[::-1], axis=-1)
    points = grid.index_to_physical(ijk)
    middle = grid.index_to_physical(np.array([0.4, 0.55, 0.5]) * grid.size)
    ball = 20 + 200 * np.exp(-((points - middle) ** 2).sum(-1) / (2 * 12**2))
    net = Net()
    us = Volume(ball.astype(np.float32), grid)
    found = translate_volume(us, bundle_of(net), Progress()).array
    weights = np.where(found > 60, found, 0)[..., None]
    centre = (points * weights).sum((0, 1, 2)) / weights.sum()
    assert np.linalg.norm(centre - middle) < 0.1
    low, high = ultrasound_range(ball)
    expected = (rescale(ball, low, high) + 1) * 127.5
    assert np.abs(found - expected)[found > 0].max() < 12


def test_the_grid_of_another_spacing_covers_the_same_extent() -> None:
    grid = Grid((100, 40, 1), (0.25, 1.1, 5.0), (1, 2, 3), SKEWED)
    coarse = grid_of_spacing(grid, (1, 1, 1))
    assert coarse.size == (25, 40, 1)
    for ends in ([-0.5, -0.5, -0.5], [99.5, 39.5, 0.5]):
        corner = grid.index_to_physical(np.array(ends))
        found = coarse.physical_to_index(corner)
        np.testing.assert_allclose(
            found, np.where(np.array(ends) < 0, -0.5, np.array(coarse.size) - 0.5), atol=1e-9
        )


def test_normalisation_ignores_gain_offset_and_background() -> None:
    array = np.pad(textured((6, 20, 20)) // 2 + 10, 5)
    reference = rescale(array, *ultrasound_range(array))
    louder = array.astype(np.int32) * 7 - 100
    wider = np.pad(array, 20)
    np.testing.assert_allclose(rescale(louder, *ultrasound_range(louder)), reference, atol=1e-5)
    assert ultrasound_range(wider) == ultrasound_range(array)
    assert reference.min() == -1
    assert reference.max() == 1


@pytest.mark.skipif(BUNDLE not in list_bundles(), reason="the bundle pix2pix3d is not installed")
class TestBundle:
    """The generator that ships."""

    def test_runs_on_any_multiple_of_its_divisors(self) -> None:
        bundle = load_bundle(BUNDLE)
        d, h, w = bundle.metadata["divisors"]
        for shape in ((2 * d, h, 3 * w), (4 * d, 2 * h, w)):
            out = bundle.net(torch.zeros(1, 1, *shape))
            assert out.shape == (1, 1, *shape)
            assert out.abs().max() <= 1

    def test_voxel_does_not_depend_on_what_lies_far_away(self) -> None:
        """Normalisation is frozen: a bright corner changes nothing beyond the receptive field."""
        bundle = load_bundle(BUNDLE)
        reach = bundle.metadata["receptive_field"]["reach"][2]
        size = 2 * 16 * (reach // 16 + 2)
        dark = torch.full((1, 1, 8, 32, size), -0.5)
        bright = dark.clone()
        bright[..., 0] = 1
        with torch.no_grad():
            changed = (bundle.net(dark) - bundle.net(bright)).abs().amax((0, 1, 2, 3)) > 1e-6
        assert changed[0]
        assert not changed[reach + 1 :].any()

    def test_no_border_of_its_windows_shows(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The mean jump into a window's first slice is that of one pass over everything."""
        bundle = load_bundle(BUNDLE)
        array = gaussian_filter(textured((40, 48, 64)).astype(np.float32), 1) + 1
        small = {**bundle.metadata, "bytes_per_voxel": (DEFAULT_MEMORY_GIB - 0.7) * GIB / 90_000}
        planned: list[Window] = []

        def plan(*arguments: Any) -> list[Window]:
            planned[:] = plan_windows(*arguments)
            return planned

        monkeypatch.setattr("USToMRILib.pix2pix.translation.plan_windows", plan)
        joined = translate_volume(volume_of(array), replace(bundle, metadata=small), Progress())
        borders = sorted({window.core[0].start for window in planned} - {0})
        assert borders
        whole = translate_volume(volume_of(array), bundle, Progress())
        assert len(planned) == 1
        np.testing.assert_allclose(joined.array, whole.array, atol=0.01)
        jumps, smooth = (np.abs(np.diff(r.array, axis=0)) for r in (joined, whole))
        before = [k - 1 for k in borders]
        assert jumps[before].mean() == pytest.approx(smooth[before].mean(), rel=0.02)
