"""The methods that learned from pairs, with networks whose answers are known."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from Testing.conftest import HEAD, SizedEps
from USToMRILib import Grid, InputError, Volume, translate
from USToMRILib.bridge.refinement import refine
from USToMRILib.bridge.schedule import CLEAN, Schedule
from USToMRILib.cli.command import main
from USToMRILib.compute.bundle import load_bundle
from USToMRILib.fetal.ellipse import Ellipse
from USToMRILib.fetal.guided import GuidedOptions
from USToMRILib.fetal.pix2pix2d import Views, all_views, one_pass
from USToMRILib.fetal.skull import brain_inside
from USToMRILib.fetal.tissues import (
    Tissue,
    TissueMeasures,
    describe_sizes,
    measure_tissues,
    measured_record,
    size_errors,
)

SCHEDULE = Schedule.cosine()


@pytest.mark.parametrize("method", ["pix2pix2d", "ddic-guided"])
def test_the_picture_lies_on_the_brain_and_says_what_it_measured(
    tiny_models: Path, head_slice: Volume, method: str
) -> None:
    result = translate(head_slice, method, head=HEAD, tissues=True)
    brain = brain_inside(HEAD).mask(head_slice.array.shape[1:], head_slice.grid.spacing[:2])
    assert result.volume.grid == head_slice.grid
    assert ((result.tissues.array[0] > 0) == brain).mean() > 0.99
    assert ((result.volume.array[0] > 0) <= (result.tissues.array[0] > 0)).all()
    measured = result.provenance["parameters"]["tissues_measured"]
    pixel = np.prod(head_slice.grid.spacing[:2])
    for tissue in (Tissue.WHITE_MATTER, Tissue.VENTRICLES):
        area = (result.tissues.array == tissue).sum() * pixel
        assert measured["areas_mm2"][tissue.title] == pytest.approx(area, abs=0.1)


def test_without_the_map_the_tissues_are_measured_all_the_same(
    tiny_models: Path, head_slice: Volume
) -> None:
    result = translate(head_slice, "pix2pix2d", head=HEAD)
    assert result.tissues is None
    assert result.provenance["parameters"]["tissues_measured"]["areas_mm2"]


@pytest.mark.parametrize("method", ["pix2pix2d", "ddic-guided"])
def test_ventricle_widths_come_with_the_error_that_the_bundle_states(
    tiny_models: Path,
    head_slice: Volume,
    method: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """In the record and on the command line; where it was not measured, that is said."""
    j, i = np.indices(head_slice.array.shape[1:]) * np.array([0.3, 0.35])[:, None, None]
    c, s = math.cos(HEAD.angle), math.sin(HEAD.angle)
    x, y = i - HEAD.centre[0], j - HEAD.centre[1]
    along, aside = c * x + s * y, c * y - s * x
    holes = np.hypot(along - 10, np.abs(aside) - 10) < 5
    head_slice.with_array(np.where(holes, 0, head_slice.array)[...]).write(tmp_path / "us.mha")
    words = ["translate", str(tmp_path / "us.mha"), str(tmp_path / "mri.nrrd"), "--method", method]
    words += ["--head-mask", str(tmp_path / "head.nrrd"), "--progress", "none"]
    mask = HEAD.mask(head_slice.array.shape[1:], head_slice.grid.spacing[:2])
    head_slice.with_array(mask[None].astype(np.uint8)).write(tmp_path / "head.nrrd")
    for stated in (False, True):
        if stated:
            state_width_error(tiny_models, tmp_path, monkeypatch)
        assert main(words) == 0
        record = json.loads((tmp_path / "mri.nrrd.json").read_text())
        measured = record["parameters"]["tissues_measured"]
        assert measured["lateral_ventricle_widths_mm"]
        told = capsys.readouterr().out
        assert "SYNTHETIC" in told
        assert ("+/- 0.6 mm" in told) == stated
        assert ("not measured" in told) != stated
        error = {"median": 0.6, "percentile_90": 1.71, "measured_on": "simulated pairs"}
        assert measured.get("lateral_ventricle_width_error_mm") == (error if stated else None)


def state_width_error(models: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use the bundles with an error of ventricle widths in their metadata."""
    shutil.copytree(models, folder / "models")
    monkeypatch.setenv("USTOMRI_MODELS", str(folder / "models"))
    path = folder / "models" / "pix2pix2d" / "configs" / "metadata.json"
    metadata = json.loads(path.read_text())
    errors = {"atrium_width_error_mm": 0.6, "atrium_width_error_mm_p90": 1.71}
    path.write_text(json.dumps({**metadata, "metrics": {"usual": errors}}))


def test_a_network_that_answers_alike_from_all_sides_has_no_spread(
    tiny_models: Path, head_slice: Volume
) -> None:
    result = translate(head_slice, "pix2pix2d", head=HEAD, uncertainty=True)
    assert result.uncertainty.array.max() < 1e-3


@pytest.mark.parametrize("flip", [[2], [3], [2, 3]], ids=["down", "across", "both"])
def test_the_picture_of_a_mirrored_image_is_the_mirrored_picture(flip: list[int]) -> None:
    """With the bundled network, which by itself answers a little otherwise."""
    net = load_bundle("pix2pix2d", "cpu").net
    images = torch.rand(2, 1, 128, 128, generator=torch.Generator().manual_seed(0)) * 2 - 1
    sizes = torch.tensor([70.0, 100.0])
    views = all_views(net, images, sizes, "cpu")
    plain, spread = views.mean, views.spread
    mirrored = all_views(net, images.flip(flip), sizes, "cpu").mean
    torch.testing.assert_close(mirrored.images.flip(flip), plain.images, atol=1e-4, rtol=0)
    torch.testing.assert_close(mirrored.tissues.flip(flip), plain.tissues, atol=1e-4, rtol=0)
    assert spread.mean() > 0.01
    one = one_pass(net, images, sizes, "cpu")
    assert (one.images - plain.images).abs().mean() > 0.01


def test_the_typical_view_is_the_nearest_to_the_mean_within_the_same_outline() -> None:
    generator = torch.Generator().manual_seed(1)
    images = 0.3 * torch.randn(4, 2, 1, 128, 128, generator=generator)
    common = images.mean(dim=0)
    for view, share in enumerate((0.2, 0.9, 0.5, 0.0)):  # how much each has of the mean
        images[view] = share * common + (1 - share) * images[view]
    probability = torch.zeros(4, 2, 9, 128, 128)
    probability[:, :, 0] = 1
    for view in range(4):  # brains that are larger from view to view
        inside = slice(40 - 2 * view, 90 + 2 * view)
        probability[view, :, 0, inside, inside] = 0
        probability[view, :, Tissue.EXTERNAL_CSF, inside, inside] = 1
    views = Views(images, probability)
    for rank, view in enumerate((1, 2, 0, 3, 1)):
        typical = views.typical(rank)
        core = (..., slice(50, 80), slice(50, 80))
        torch.testing.assert_close(typical.images[core], images[view][core])
        torch.testing.assert_close(typical.tissues[:, 0], views.mean.tissues[:, 0])


def test_samples_begin_with_views_of_their_own(head_slice: Volume) -> None:
    """With the bundled networks, from so little noise that it changes next to nothing."""
    options = GuidedOptions(samples=4, start=20)
    four = translate(head_slice, "ddic-guided", options=options, head=HEAD).samples
    again = translate(
        head_slice, "ddic-guided", options=replace(options, seed=5), head=HEAD
    ).samples
    apart = [abs(sample.array - four[0].array).mean() for sample in four[1:]]
    same = [abs(one.array - other.array).mean() for one, other in zip(four, again)]
    assert max(same) < 0.5 * min(apart)


def test_a_volume_is_a_stack_of_slices(tiny_models: Path, head_slice: Volume) -> None:
    array = np.repeat(head_slice.array, 3, axis=0)
    columns, rows = head_slice.grid.size[:2]
    grid = Grid((columns, rows, 3), (*head_slice.grid.spacing[:2], 2.0))
    several = translate(Volume(array, grid), "pix2pix2d", head="none", tissues=True)
    measured = several.provenance["parameters"]["tissues_measured"]["volumes_ml"]
    voxel_ml = np.prod(grid.spacing) / 1000
    volume = (several.tissues.array == Tissue.VENTRICLES).sum() * voxel_ml
    assert measured[Tissue.VENTRICLES.title] == pytest.approx(volume, abs=0.01)


def test_a_seed_draws_one_sample_and_another_seed_another(
    tiny_models: Path, head_slice: Volume
) -> None:
    one, same, other = (
        translate(head_slice, "ddic-guided", head=HEAD, seed=seed).volume.array
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 1


def test_several_samples_come_with_their_mean_and_spread(
    tiny_models: Path, head_slice: Volume, tmp_path: Path
) -> None:
    result = translate(head_slice, "ddic-guided", head=HEAD, samples=5, uncertainty=True)
    assert len(result.samples) == 5
    drawn = np.stack([sample.array for sample in result.samples])
    inside = drawn.min(axis=0) > 0
    # Each is clipped by itself on the way back, the mean as a whole.
    difference = np.abs(result.volume.array - drawn.mean(axis=0))[inside]
    assert np.percentile(difference, 99) < 2
    spread = drawn.std(axis=0, ddof=1)[inside].mean()
    assert result.uncertainty.array[inside].mean() == pytest.approx(spread, rel=0.2)
    result.write(tmp_path / "mri.nii.gz")
    for number, sample in enumerate(result.samples, start=1):
        written = Volume.read(tmp_path / f"mri_SAMPLE_{number}.nii.gz").array
        np.testing.assert_allclose(written, sample.array, atol=1e-4)
    single = translate(head_slice, "ddic-guided", head=HEAD, uncertainty=True)
    assert single.samples == ()
    assert single.uncertainty.array.max() > 0


def test_bundles_of_different_frames_are_refused(
    tiny_models: Path, head_slice: Volume, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shutil.copytree(tiny_models, tmp_path / "models")
    monkeypatch.setenv("USTOMRI_MODELS", str(tmp_path / "models"))
    path = tmp_path / "models" / "fetal_brain_mri_eps" / "configs" / "metadata.json"
    metadata = json.loads(path.read_text())
    metadata["frame"]["long_axis_pixels"] = 100
    path.write_text(json.dumps(metadata))
    with pytest.raises(InputError, match="different frames"):
        translate(head_slice, "ddic-guided", head=HEAD)


def exact_net(deviation: float):
    net = SizedEps(deviation)
    return lambda x, t: net(x, t, torch.full((len(x),), 100 * deviation))


@pytest.mark.parametrize("start", [150, 400, 800])
def test_refinement_follows_the_exact_ode(start: int) -> None:
    """Of pixels N(0, s^2) every level scales: y_0 = s / sqrt(a^2 s^2 + b^2) y_t."""
    s, generator = 0.4, torch.Generator().manual_seed(0)
    guess = 0.2 * torch.randn(1, 1, 16, 16, generator=generator)
    noise = 0.3 * torch.randn(1, 1, 16, 16, generator=generator)
    a, b = SCHEDULE.signal_noise(start)
    wanted = s / math.sqrt(a**2 * s**2 + b**2) * (a * guess + b * noise)
    errors = [
        (refine(guess, exact_net(s), SCHEDULE, start, steps, 0.0, noise) - wanted).abs().max()
        for steps in (10, 40, 160)
    ]
    assert errors[2] < 0.01
    assert errors[0] > errors[1] > errors[2]


def test_the_pull_brings_the_picture_nearer_to_the_guess() -> None:
    generator = torch.Generator().manual_seed(0)
    guess, noise = (torch.randn(2, 1, 24, 24, generator=generator) for _ in range(2))
    guess = (0.3 * guess).clamp(-1, 1)

    def correlation(pull: float) -> float:
        made = refine(guess, exact_net(0.3), SCHEDULE, 600, 12, pull, noise)
        return float(np.corrcoef(made.flatten(), guess.flatten())[0, 1])

    reached = [correlation(pull) for pull in (0.0, 0.3, 1.0)]
    assert reached[0] + 0.05 < reached[1]
    assert reached[1] + 0.02 < reached[2]


@settings(max_examples=40)
@given(start=st.integers(1, 999), steps=st.integers(2, 60))
def test_levels_go_down_from_the_start_to_the_clean_image(start: int, steps: int) -> None:
    levels = SCHEDULE.levels_below(start, steps)
    assert levels[0] == start
    assert levels[-1] == CLEAN
    assert all(a > b for a, b in zip(levels, levels[1:]))
    assert len(levels) <= steps + 1


@settings(max_examples=30)
@given(
    angle=st.floats(-1.5, 1.5),
    radii=st.tuples(st.floats(3.0, 9.0), st.floats(3.0, 9.0)),
    spacing=st.floats(0.15, 0.5),
)
def test_areas_and_widths_of_drawn_ventricles_are_measured(
    angle: float, radii: tuple[float, float], spacing: float
) -> None:
    """Two ellipses beside the midline, their width known, the head turned anyhow."""
    side = int(110 / spacing)
    middle = side * spacing / 2
    brain = Ellipse((middle, middle), (50.0, 40.0), angle)
    shape = (side, side)
    tissues = brain.mask(shape, (spacing, spacing)).astype(np.uint8)
    area = 0.0
    for sign, radius in zip((-1, 1), radii):
        centre = np.array([middle, middle]) + brain.rotation @ np.array([-10.0, 18.0 * sign])
        ventricle = Ellipse((float(centre[0]), float(centre[1])), (14.0, radius), angle)
        tissues[ventricle.mask(shape, (spacing, spacing))] = Tissue.VENTRICLES
        area += math.pi * 14 * radius
    measured = measure_tissues(tissues, (spacing, spacing), brain)
    assert measured.areas_mm2[Tissue.VENTRICLES] == pytest.approx(area, rel=0.03)
    wider, narrower = measured.ventricle_widths_mm
    assert wider == pytest.approx(2 * max(radii), abs=2 * spacing)
    assert narrower == pytest.approx(2 * min(radii), abs=2 * spacing)


@settings(max_examples=30)
@given(
    angle=st.floats(-1.5, 1.5),
    midline=st.floats(-1.5, 1.5),
    half=st.floats(13.0, 20.0),
    spacing=st.floats(0.15, 0.5),
)
def test_the_transcerebellar_diameter_of_a_drawn_cerebellum_is_measured(
    angle: float, midline: float, half: float, spacing: float
) -> None:
    """Across the midline, wherever that lies in the outline; one half alone has none."""
    side = int(110 / spacing)
    middle = side * spacing / 2
    brain = Ellipse((middle, middle), (50.0, 45.0), angle, midline)
    shape = (side, side)
    tissues = brain.mask(shape, (spacing, spacing)).astype(np.uint8)
    without = measure_tissues(tissues, (spacing, spacing), brain)
    assert without.transcerebellar_diameter_mm is None

    def drawn(aside: float, short: float = 10.0) -> np.ndarray:
        centre = np.array([middle, middle]) + brain.head_axes @ np.array([-28.0, aside])
        across = Ellipse(tuple(centre), (half, short), brain.midline_angle + math.pi / 2)
        place = across.mask(shape, (spacing, spacing))
        return np.where(place, np.uint8(Tissue.CEREBELLUM), tissues)

    whole = measure_tissues(drawn(2.0), (spacing, spacing), brain)
    assert whole.transcerebellar_diameter_mm == pytest.approx(2 * half, abs=2 * spacing)
    for part in (drawn(half + 2.0), drawn(2.0, short=3.0)):  # one half; a thin slice of it
        measured = measure_tissues(part, (spacing, spacing), brain)
        assert measured.transcerebellar_diameter_mm is None


def test_sizes_are_said_with_their_errors_or_that_there_is_none_known() -> None:
    measures = TissueMeasures({Tissue.CEREBELLUM: 300.0}, (7.3, 6.1), 24.04)
    stated = {"median": 0.61, "percentile_90": 1.7, "measured_on": "simulated pairs"}
    metrics = {
        "usual": {"atrium_width_error_mm": 0.5, "atrium_width_error_mm_p90": 1.5},
        "transcerebellar": {
            "transcerebellar_diameter_error_mm": 0.61,
            "transcerebellar_diameter_error_mm_p90": 1.7,
        },
    }
    record = measured_record(measures, size_errors({"metrics": metrics}))
    assert record["transcerebellar_diameter_mm"] == 24.0
    assert record["transcerebellar_diameter_error_mm"] == stated
    ventricles, cerebellum = describe_sizes(record)
    assert "7.3, 6.1 mm, each +/- 0.5 mm" in ventricles
    assert "24.0 mm, +/- 0.6 mm" in cerebellum
    assert "SYNTHETIC" in cerebellum
    ventricles, cerebellum = describe_sizes(measured_record(measures, size_errors({})))
    assert "not measured" in ventricles
    assert "not measured" in cerebellum
    assert describe_sizes({"areas_mm2": {}}) == []
