"""A whole head in a volume, in any position, with a network that names tissues by their grey."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from Testing.conftest import brain_metadata
from training.export.bundle import export_bundle
from USToMRILib import Grid, Volume, translate
from USToMRILib.errors import Cancelled, InputError
from USToMRILib.fetal.tissues import Tissue
from USToMRILib.fetal.volume_head.anatomy import LONG_AXIS_RISE_DEG
from USToMRILib.fetal.volume_head.ellipsoid import Ellipsoid
from USToMRILib.fetal.volume_head.method import KNOWN
from USToMRILib.progress import CancelToken

# To the front, the left and the top, in mm from the middle of the skull.
SEMI_AXES = np.array([48.0, 38.0, 40.0])
THALAMI, THALAMUS_MM = np.array([7.0, 9.0, -2.0]), 8.0
ATRIA, ATRIUM_MM = np.array([-13.0, 14.0, 7.0]), 9.0
# In every slice there is some fluid, in front and behind.
CISTERN_FROM_MM, CISTERN_MM = 34.0, 4.0
# And vessels, thin and bright: what is black and white is the same in all.
VESSELS_MM, VESSEL_MM = (36.0, 28.5), 2.0
FLUID, BRAIN, GREY, SKULL = 20, 100, 250, 240


class TissuesByGrey(torch.nn.Module):
    """Dark is fluid, what is bright and wide deep grey; MRI is the negative of ultrasound."""

    def forward(self, us: torch.Tensor, size: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        outside = (us <= -1).float()
        fluid = (1 - outside) * (us < -0.75).float()
        wide = torch.nn.functional.avg_pool2d(us, 9, 1, 4)
        grey = (1 - outside - fluid) * (wide > 0).float()
        none = torch.zeros_like(us)
        white = 1 - outside - fluid - grey
        labels = [outside, white, fluid, none, none, none, grey, none, none]
        return torch.where(us <= -1, us, -us), 20 * torch.cat(labels, dim=1)


class BrighterThanFluidIsHead(torch.nn.Module):
    """Probability of head in a slice."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(20 * (torch.nn.functional.avg_pool2d(x, 5, 1, 2) + 0.5))


@pytest.fixture
def by_grey(tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for bundle in tiny_models.iterdir():
        (tmp_path / "models").mkdir(exist_ok=True)
        if bundle.name not in ("pix2pix2d", "fetal_head_seg"):
            (tmp_path / "models" / bundle.name).symlink_to(bundle)
    net = torch.jit.script(TissuesByGrey().eval())
    export_bundle("pix2pix2d", net, brain_metadata(), "card", "licence", tmp_path / "models")
    finder = torch.jit.script(BrighterThanFluidIsHead().eval())
    metadata = {"version": "0.0.0", "task": "test"}
    export_bundle("fetal_head_seg", finder, metadata, "card", "licence", tmp_path / "models")
    monkeypatch.setenv("USTOMRI_MODELS", str(tmp_path / "models"))


GRID = Grid((112, 108, 116), (1.0, 1.0, 1.0), (-55.0, -54.0, -58.0))


def drawn(
    turn: Rotation,
    middle: tuple[float, float, float] = (3.0, -2.0, 1.0),
    grid: Grid = GRID,
    around: bool = False,
) -> Volume:
    """A head whose front, left and top lie along the columns of ``turn``.

    Outside of the skull all is 0, or what lies around it scatters a little.
    """
    kji = np.moveaxis(np.indices(grid.shape), 0, -1)
    places = (grid.index_to_physical(kji[..., ::-1]) - middle) @ turn.as_matrix()
    radius = np.linalg.norm(places / SEMI_AXES, axis=-1)
    x, y, z = np.moveaxis(places, -1, 0)
    texture = 8 * np.sin(x / 4) * np.sin(z / 5) * np.cos(y / 3)
    seen = BRAIN + texture
    for turned in np.radians(np.arange(22.5, 360, 45)):
        aside = np.hypot(x - VESSELS_MM[0] * np.cos(turned), y - VESSELS_MM[1] * np.sin(turned))
        seen[aside < VESSEL_MM] = GREY
    seen[is_fluid(places)] = FLUID
    seen += np.where(seen == FLUID, texture, 0)
    seen[in_ball(places, THALAMI, THALAMUS_MM)] = GREY
    seen[radius > 0.97] = SKULL
    noise = np.random.default_rng(0).integers(1, 30, grid.shape)
    seen[radius > 1] = noise[radius > 1] if around else 0
    return Volume(seen.astype(np.uint8), grid)


def is_fluid(places: np.ndarray) -> np.ndarray:
    """Bool: where fluid is drawn."""
    aside = np.hypot(np.abs(places[..., 0]) - CISTERN_FROM_MM, places[..., 1])
    return in_ball(places, ATRIA, ATRIUM_MM) | (aside < CISTERN_MM)


def in_ball(places: np.ndarray, centre: np.ndarray, radius: float) -> np.ndarray:
    """Bool: in one of two balls, left and right."""
    sides = (centre, centre * [1, -1, 1])
    return np.any([np.linalg.norm(places - side, axis=-1) < radius for side in sides], axis=0)


@pytest.mark.parametrize(
    "turn",
    [Rotation.from_euler("y", 180, degrees=True), Rotation.random(random_state=1)],
    ids=["upside down", "oblique"],
)
def test_a_head_is_found_however_it_lies_and_its_picture_lies_on_it(
    by_grey: None, turn: Rotation
) -> None:
    us = drawn(turn)
    result = translate(us, tissues=True, device="cpu")
    assert result.volume.grid == us.grid
    found = result.provenance["parameters"]
    rise = Rotation.from_euler("y", LONG_AXIS_RISE_DEG, degrees=True).as_matrix()
    true = turn.as_matrix() @ rise
    axes = np.array(found["head"]["to_front_left_top"]).T
    cosines = np.abs((axes * true).sum(axis=0))
    assert (axes[:, [0, 2]] * true[:, [0, 2]]).sum(axis=0).min() > 0.99
    assert cosines.min() > np.cos(np.radians(5))
    thalami = (3.0, -2.0, 1.0) + turn.as_matrix() @ (THALAMI * [1, 0, 1])
    assert np.linalg.norm(found["head"]["thalami_mm"] - thalami) < 5
    # Where it is covered, fluid is where fluid was drawn.
    places = us.grid.index_to_physical(np.moveaxis(np.indices(us.grid.shape), 0, -1)[..., ::-1])
    height = (places - found["head"]["thalami_mm"]) @ axes[:, 2]
    covered = (height > found["covered"]["from_mm"]) & (height < found["covered"]["to_mm"])
    middle = (places - (3.0, -2.0, 1.0)) @ turn.as_matrix()
    fluid = covered & is_fluid(middle)
    made = covered & (result.tissues.array == Tissue.VENTRICLES)
    assert 2 * (fluid & made).sum() > 0.8 * (fluid.sum() + made.sum())
    assert result.volume.array[fluid].mean() > result.volume.array[covered & ~fluid].mean() + 40
    volumes = found["tissues_measured"]["volumes_ml"]
    assert volumes[Tissue.VENTRICLES.title] == pytest.approx(fluid.sum() / 1000, rel=0.25)


def test_beyond_the_planes_that_are_known_the_picture_fades_to_nothing(by_grey: None) -> None:
    us = drawn(Rotation.identity())
    result = translate(us, tissues=True, device="cpu")
    found = result.provenance["parameters"]
    top = np.array(found["head"]["to_front_left_top"])[2]
    places = us.grid.index_to_physical(np.moveaxis(np.indices(us.grid.shape), 0, -1)[..., ::-1])
    height = (places - found["head"]["thalami_mm"]) @ top
    low, high = found["covered"]["from_mm"], found["covered"]["to_mm"]
    fade = (high - low) / (KNOWN[1] - KNOWN[0]) * 0.03 + 1
    assert not result.volume.array[(height < low - fade) | (height > high + fade)].any()
    assert not result.tissues.array[(height < low - fade) | (height > high + fade)].any()
    just, further = ((height > high + d) & (height < high + d + 0.5) for d in (0.5, 2.0))
    inner = np.linalg.norm(places - (3.0, -2.0, 1.0), axis=-1) < 30
    means = [float(result.volume.array[part & inner].mean()) for part in (just, further)]
    assert means[0] > 1.5 * means[1]
    (warning,) = [w for w in result.warnings if "the networks know no planes beyond" in w]
    assert f"{-low:.0f} mm below to {high:.0f} mm above" in warning


@pytest.mark.parametrize("skull", [0.97, 0.85], ids=["a thin skull", "a thick one"])
def test_the_picture_reaches_to_the_skull(by_grey: None, skull: float) -> None:
    us = drawn(Rotation.random(random_state=1))
    places = us.grid.points() - (3.0, -2.0, 1.0)
    radius = np.linalg.norm(
        places @ Rotation.random(random_state=1).as_matrix() / SEMI_AXES, axis=-1
    )
    us.array[(radius > skull) & (radius < 1)] = SKULL
    result = translate(us, device="cpu")
    found = result.provenance["parameters"]
    height = (us.grid.points() - found["head"]["thalami_mm"]) @ found["head"]["to_front_left_top"][
        2
    ]
    covered = (height > found["covered"]["from_mm"]) & (height < found["covered"]["to_mm"])
    shown, within = result.volume.array > 0, radius < skull
    assert (shown & within & covered).sum() > 0.96 * (within & covered).sum()
    assert (shown & ~within & covered).sum() < 0.1 * (within & covered).sum()


def test_slices_along_an_axis_are_translated_where_they_are_asked_for(by_grey: None) -> None:
    us = drawn(Rotation.identity())
    us.array[:50] = us.array[70:] = 0
    whole = translate(us, axis="k", device="cpu", head="none").provenance["parameters"]
    slab = translate(us, device="cpu", head="none").provenance["parameters"]
    assert whole["axis"] == slab["axis"] == "k"
    assert "slices_with_head" in slab


def test_a_mask_says_which_part_of_a_volume_is_the_head(by_grey: None) -> None:
    us = drawn(Rotation.identity())
    mask = us.with_array((us.array > 0).astype(np.uint8))
    noise = np.random.default_rng(0).integers(20, 200, us.array.shape)
    us.array[mask.array == 0] = noise[mask.array == 0]
    result = translate(us, head=mask, device="cpu")
    assert result.provenance["parameters"]["axis"] == "head"
    assert "fetal_head_seg" not in result.provenance["bundles"]
    with pytest.raises(InputError, match="drawn on this image"):
        translate(us, head=replace(mask, grid=Grid(mask.grid.size)), device="cpu")


@pytest.mark.parametrize(
    "grid",
    [GRID, Grid((160, 154, 83), (0.7, 0.7, 1.4), GRID.origin)],
    ids=["as fine in all directions", "twice as far apart along one"],
)
def test_a_head_is_found_among_its_surroundings(by_grey: None, grid: Grid) -> None:
    turn = Rotation.random(random_state=1)
    result = translate(drawn(turn, grid=grid, around=True), device="cpu")
    assert result.volume.grid == grid
    found = result.provenance["parameters"]["head"]
    assert found["found_by"] == "slices of three directions"
    front, _, top = np.array(found["to_front_left_top"])
    rise = Rotation.from_euler("y", LONG_AXIS_RISE_DEG, degrees=True).as_matrix()
    true = turn.as_matrix() @ rise
    assert front @ true[:, 0] > 0.99
    assert top @ true[:, 2] > 0.99
    thalami = (3.0, -2.0, 1.0) + turn.as_matrix() @ (THALAMI * [1, 0, 1])
    assert np.linalg.norm(found["thalami_mm"] - thalami) < 5
    np.testing.assert_allclose(found["skull_semi_axes_mm"], [48, 40, 38], atol=2)
    assert not [w for w in result.warnings if "Another head" in w]


def test_the_picture_of_a_turned_volume_is_the_turned_picture(by_grey: None) -> None:
    us = drawn(Rotation.random(random_state=1))
    straight = translate(us, device="cpu").volume.array
    # i becomes j, j becomes k, k becomes i: a turn, for a scanner that knows nothing of it.
    array = np.ascontiguousarray(us.array.transpose(1, 2, 0))
    turned = Volume(array, Grid(array.shape[::-1]))
    made = translate(turned, device="cpu").volume.array.transpose(2, 0, 1)
    assert np.abs(made - straight).mean() < 0.01 * np.ptp(straight)
    covered = straight > 0
    assert np.corrcoef(made[covered], straight[covered])[0, 1] > 0.97


def test_a_head_that_is_cut_off_a_little_is_continued_and_half_a_head_is_none(
    by_grey: None,
) -> None:
    us = drawn(Rotation.random(random_state=1), around=True)
    whole = translate(us, device="cpu").provenance["parameters"]["head"]

    def without(slices: int) -> Volume:
        grid = Grid.of([112, 108, 116 - slices], [1, 1, 1], (-55, -54, -58 + slices), np.eye(3))
        return Volume(np.ascontiguousarray(us.array[slices:]), grid)

    most = translate(without(24), device="cpu").provenance["parameters"]
    assert most["axis"] == "head"
    np.testing.assert_allclose(most["head"]["thalami_mm"], whole["thalami_mm"], atol=3)
    np.testing.assert_allclose(
        most["head"]["skull_semi_axes_mm"], whole["skull_semi_axes_mm"], atol=4
    )
    assert translate(without(58), device="cpu").provenance["parameters"]["axis"] != "head"


def test_of_two_heads_one_is_taken_and_the_other_is_warned_of(by_grey: None) -> None:
    turn = Rotation.random(random_state=1)
    both = np.concatenate([drawn(turn, around=True).array] * 2, axis=2)
    grid = Grid.of(both.shape[::-1], GRID.spacing, GRID.origin, np.eye(3))
    result = translate(Volume(both, grid), device="cpu")
    assert result.provenance["parameters"]["axis"] == "head"
    assert [w for w in result.warnings if "Another head" in w]


@pytest.mark.parametrize("mm", [0.2, 10.0])
def test_a_volume_that_cannot_hold_a_head_is_refused_at_once(by_grey: None, mm: float) -> None:
    us = drawn(Rotation.identity())
    with pytest.raises(InputError, match="check the spacing of its voxels"):
        translate(Volume(us.array, Grid(us.grid.size, (mm, mm, mm))), device="cpu")


def test_what_looks_like_a_head_three_times_too_large_is_refused(by_grey: None) -> None:
    us = drawn(Rotation.random(random_state=1), around=True)
    with pytest.raises(InputError, match=r"is 2[89]\d mm long.*check the spacing of its voxels"):
        translate(Volume(us.array, Grid(us.grid.size, (3.0, 3.0, 3.0))), device="cpu")


def test_a_volume_of_noise_is_refused_without_a_search_slice_by_slice(by_grey: None) -> None:
    noise = np.random.default_rng(0).integers(0, 60, (60, 70, 80)).astype(np.uint8)
    noise[30, 30, 30] = 255
    seen = []
    with pytest.raises(InputError, match=r"5 slices along each axis.*--axis"):
        translate(Volume(noise, Grid(noise.shape[::-1])), device="cpu", progress=seen.append)
    assert max(event.of for event in seen) < len(noise)


def test_voxels_far_smaller_than_the_network_sees_make_the_same_picture(by_grey: None) -> None:
    us = drawn(Rotation.random(random_state=1))
    i, j, k = GRID.size
    fine = Grid((i, j, 5 * k), (1.0, 1.0, 0.2), (*GRID.origin[:2], GRID.origin[2] - 0.4))
    finer = Volume(us.array.repeat(5, axis=0), fine)
    coarse, made = (translate(each, device="cpu") for each in (us, finer))
    heads = [each.provenance["parameters"]["head"] for each in (coarse, made)]
    assert np.linalg.norm(np.subtract(*[head["thalami_mm"] for head in heads])) < 2
    assert made.volume.grid == fine
    middles = made.volume.array[2::5]
    covered = (coarse.volume.array > 0) & (middles > 0)
    assert covered.sum() > 0.9 * (coarse.volume.array > 0).sum()
    assert np.corrcoef(middles[covered], coarse.volume.array[covered])[0, 1] > 0.9


def test_the_picture_lies_in_every_part_of_an_oblique_volume(by_grey: None) -> None:
    turn = Rotation.random(random_state=2).as_matrix()
    us = drawn(Rotation.random(random_state=1))
    straight = translate(us, device="cpu").volume.array
    grid = Grid.of(us.grid.size, us.grid.spacing, turn @ np.array(us.grid.origin), turn)
    turned = translate(Volume(us.array, grid), device="cpu").volume.array
    covered = straight > 0
    assert np.corrcoef(turned[covered], straight[covered])[0, 1] > 0.97


def test_a_cancel_stops_the_search_of_the_midline(by_grey: None) -> None:
    token = CancelToken()
    with pytest.raises(Cancelled):
        translate(
            drawn(Rotation.identity()),
            progress=lambda event: token.cancel(),
            cancel=token,
            device="cpu",
        )


def test_an_ellipsoid_goes_through_points_though_some_lie_far_off() -> None:
    rng = np.random.default_rng(0)
    sphere = rng.standard_normal((300, 3))
    sphere /= np.linalg.norm(sphere, axis=1, keepdims=True)
    turn = Rotation.random(random_state=3).as_matrix()
    points = np.array([10.0, -20.0, 5.0]) + (sphere * [55, 44, 38]) @ turn.T
    points[:60] += rng.normal(0, 25, (60, 3))
    found = Ellipsoid.through(points)
    np.testing.assert_allclose(found.centre, [10, -20, 5], atol=1)
    np.testing.assert_allclose(found.semi_axes, [55, 44, 38], atol=1)
    assert np.abs((found.axes * turn).sum(axis=0)).min() > 0.99


DATA = Path(os.environ.get("USTOMRI_DATA", "data"))


@pytest.mark.slow
@pytest.mark.skipif(not (DATA / "fetal_mri").exists(), reason="no atlas volumes (USTOMRI_DATA)")
@pytest.mark.parametrize(
    ("subject", "seed", "masked"),
    [("CRL_GA27", 1, True), ("CRL_GA27", 1, False), ("Wu_GA25", 5, False)],
)
def test_the_bundled_network_finds_the_ventricles_of_a_simulated_head(
    subject: str, seed: int, masked: bool
) -> None:
    from benchmarks.fetal_volume_scans import Case, scan
    from benchmarks.fetal_volumes import measure

    measured = measure(scan(DATA, Case(subject, seed, masked)))
    assert measured is not None
    assert measured.off_mm < 6
    assert max(measured.off_deg) < 10
    assert measured.correlation_core > 0.7
    assert measured.flicker < 1.2
    true, made = measured.ventricles_ml
    assert made == pytest.approx(true, rel=0.35)
