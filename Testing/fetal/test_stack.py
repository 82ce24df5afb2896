"""The fetal methods on volumes: a drawn ellipsoid, cut along each axis, with known networks."""

from __future__ import annotations

import numpy as np
import pytest

from USToMRILib import Grid, Volume, translate
from USToMRILib.errors import Cancelled, InputError
from USToMRILib.fetal.ellipse import Ellipse
from USToMRILib.fetal.pipeline import LATENT_MM
from USToMRILib.fetal.stack import Stack
from USToMRILib.progress import CancelToken

C, S = np.cos(0.4), np.sin(0.4)
OBLIQUE = (C, 0.0, S, S, 0.0, -C, 0.0, 1.0, 0.0)
LANDMARK = np.array([12.0, -6.0, 5.0])  # mm from the middle, along (i, j, k)


def drawn_head(axis: str) -> Volume:
    """An ellipsoid with a bright ball inside, oblique, in 24 slices of 4 mm along the axis."""
    spacing = {"i": 1.3, "j": 1.1, "k": 1.5, axis: 4.0}
    size = {"i": 96, "j": 104, "k": 80, axis: 24}
    grid = Grid(
        (size["i"], size["j"], size["k"]),
        (spacing["i"], spacing["j"], spacing["k"]),
        (10, -20, 30),
        OBLIQUE,
    )
    k, j, i = np.meshgrid(
        *(np.arange(size[name]) - size[name] / 2 for name in "kji"), indexing="ij"
    )
    mm = {"i": i * spacing["i"], "j": j * spacing["j"], "k": k * spacing["k"]}
    first, second = (name for name in "ijk" if name != axis)
    head = (mm[first] / 48) ** 2 + (mm[second] / 40) ** 2 + (mm[axis] / 44) ** 2 <= 1
    ball = sum((mm[name] - at) ** 2 for name, at in zip("ijk", LANDMARK)) <= 9**2
    texture = 20 * np.sin(mm["i"] / 5) * np.cos(mm["j"] / 6) * np.cos(mm["k"] / 7)
    return Volume(np.where(ball, 420, np.where(head, 250 + texture, 20)).astype(np.int16), grid)


@pytest.mark.parametrize("axis", ["k", "j", "i"])
@pytest.mark.parametrize("method", ["ddic", "ddib"])
def test_a_landmark_stays_where_it_is_whatever_the_axis(tiny_models, axis, method) -> None:
    us = drawn_head(axis)
    result = translate(us, method, axis=axis, steps=5, device="cpu")
    mri = result.volume.array
    assert result.volume.grid == us.grid
    assert mri.shape == us.array.shape
    assert mri.dtype == np.float32
    inside, found = us.array > 100, mri > 0
    assert (inside & found).sum() > 0.85 * inside.sum()
    assert (found & ~inside).sum() < 0.1 * inside.sum()
    true = (LANDMARK / us.grid.spacing) + np.array(us.grid.size) / 2
    points = us.grid.index_to_physical(np.argwhere(mri > 0.9 * mri.max())[:, ::-1])
    far = np.abs((points - us.grid.index_to_physical(true)) @ us.grid.axes)
    across = "ijk".index(axis)  # grey levels are each slice's own: look in those of the ball
    near = points[(far[:, across] < 4) & (far.max(axis=1) < 15)]
    shift = near.mean(axis=0) - us.grid.index_to_physical(true)
    assert np.linalg.norm(shift) < 2.5
    assert result.provenance["parameters"]["axis"] == axis


def test_a_volume_is_the_same_whatever_the_number_of_threads(torch_threads) -> None:
    """With the bundled networks; events come as ever."""
    us = drawn_head("k")
    us.array[:10] = us.array[14:] = 20
    head = us.with_array((us.array > 100).astype(np.uint8))

    def on(threads: int) -> tuple[np.ndarray, list[tuple[str, int, int]]]:
        told: list[tuple[str, int, int]] = []
        torch_threads(threads)
        result = translate(
            us,
            "ddic",
            steps=3,
            axis="k",
            head=head,
            device="cpu",
            progress=lambda event: told.append((event.phase, event.step, event.of)),
        )
        return result.volume.array, told

    one, events = on(1)
    many, others = on(9)  # two for each of four slices
    assert one.any()
    assert np.array_equal(one, many)
    assert events == others


def test_slices_without_a_head_stay_background_and_are_named(tiny_models) -> None:
    us = drawn_head("k")
    us.array[:8] = 20
    result = translate(us, "ddib", axis="k", steps=2, device="cpu")
    assert not result.volume.array[:8].any()
    assert result.volume.array[12].any()
    (warning,) = [w for w in result.warnings if "No head was found" in w]
    assert "slices 0-7" in warning
    first, last = result.provenance["parameters"]["slices_with_head"].split("-")
    assert (int(first), int(last)) == (8, pytest.approx(20, abs=2))


def test_a_mask_gives_the_head_of_every_slice(tiny_models) -> None:
    us = drawn_head("k")
    mask = us.with_array((us.array > 100).astype(np.uint8))
    mask.array[:9] = 0
    result = translate(us, "ddib", axis="k", steps=2, head=mask, device="cpu")
    assert "fetal_head_seg" not in result.provenance["bundles"]
    assert not result.volume.array[:9].any()
    assert result.volume.array[10].any()
    other = Volume(mask.array, Grid(mask.grid.size))
    with pytest.raises(InputError, match="drawn on this image"):
        translate(us, "ddib", steps=2, head=other)
    with pytest.raises(InputError, match="'maybe' is unknown"):
        translate(us, "ddib", steps=2, head="maybe")
    one = Ellipse((62.4, 61.6), (40.0, 35.0), 0.0)
    everywhere = translate(us, "ddib", axis="k", steps=2, head=one, device="cpu").volume.array
    assert everywhere.any(axis=(1, 2)).all()


@pytest.mark.parametrize("method", ["ddic", "ddib", "cyclegan"])
def test_one_slice_with_a_head_gets_what_translate_gives_the_slice(tiny_models, method) -> None:
    us = drawn_head("k")
    us.array[np.arange(24) != 13] = 20
    options = {} if method == "cyclegan" else {"steps": 4}
    stack = translate(us, method, axis="k", device="cpu", **options)
    one = Stack(us, "k").slice(13)
    alone = translate(one, method, device="cpu", **options)
    np.testing.assert_array_equal(stack.volume.array[13], alone.volume.array[0])
    assert stack.provenance["parameters"]["slices_with_head"] == "13"


def test_how_far_latents_are_shared_is_on_record_where_there_are_latents(tiny_models) -> None:
    for method, steps, said in (("ddic", {"steps": 2}, LATENT_MM), ("cyclegan", {}, None)):
        result = translate(drawn_head("k"), method, axis="k", device="cpu", **steps)
        assert result.provenance["parameters"].get("latent_sharing_mm") == said


def test_auto_takes_thick_slices_and_else_where_heads_are_found(tiny_models) -> None:
    result = translate(drawn_head("j"), "ddib", steps=2, device="cpu")
    assert result.provenance["parameters"]["axis"] == "j"
    us = drawn_head("i")
    isotropic = Volume(us.array, Grid(us.grid.size, (1.5, 1.5, 1.5)))
    result = translate(isotropic, "ddib", steps=2, device="cpu")
    assert result.provenance["parameters"]["axis"] == "i"  # elsewhere it is 24 voxels wide


def test_a_volume_without_a_head_is_refused(tiny_models) -> None:
    bar = np.full((9, 60, 200), 10, np.int16)
    bar[:, 25:32, 4:196] = 300
    with pytest.raises(
        InputError, match=r"No fetal head was found in the 9 slices along k; choose"
    ):
        translate(Volume(bar, Grid((200, 60, 9))), "ddic", axis="k")
    with pytest.raises(InputError, match="'x' is unknown; choose from auto, k, j, i"):
        translate(Volume(bar, Grid((200, 60, 9))), "ddic", axis="x")


def test_cancel_takes_effect_within_a_step_and_progress_counts_all(tiny_models) -> None:
    us, token, events = drawn_head("k"), CancelToken(), []

    def listen(event) -> None:
        events.append(event)
        if event.phase == "slices" and event.step == 4:
            token.cancel()

    with pytest.raises(Cancelled):
        translate(us, "ddib", axis="k", steps=3, progress=listen, cancel=token, device="cpu")
    assert [e.step for e in events if e.phase == "head"] == list(range(1, 25))
    assert max(e.step for e in events if e.phase == "slices") <= 5


def test_the_same_volume_gives_the_same_voxels_and_a_residual_where_asked(tiny_models) -> None:
    us = drawn_head("k")
    one, two = (
        translate(us, "ddib", axis="k", steps=2, device="cpu", residual=residual)
        for residual in (False, True)
    )
    np.testing.assert_array_equal(one.volume.array, two.volume.array)
    assert one.residual is None
    assert two.residual.array.shape == us.array.shape
    assert not two.residual.array[two.volume.array == 0].any()


@pytest.mark.parametrize(("axis", "spacing"), [("k", (3, 4)), ("j", (3, 5)), ("i", (4, 5))])
def test_a_stack_is_cut_and_put_together_again(axis, spacing) -> None:
    array = np.arange(2 * 5 * 7).reshape(2, 5, 7)
    stack = Stack(Volume(array, Grid((7, 5, 2), (3, 4, 5))), axis)
    assert stack.spacing == spacing
    assert {3, 4, 5} - set(spacing) == {stack.distance}
    assert stack.slice(1).array.shape == (1, *stack.array.shape[1:])
    np.testing.assert_array_equal(stack.volume_array(stack.array), array)
