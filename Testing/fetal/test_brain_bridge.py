"""DDIC and DDIB between networks in the head-scaled frame, whose exact answers are known."""

from __future__ import annotations

import json
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import center_of_mass

from Testing.bridge.reference_bridge import reference_ddic
from Testing.conftest import HEAD, brain_metadata
from training.export.bundle import export_bundle
from USToMRILib import Grid, InputError, Volume, translate
from USToMRILib.bridge.imposed import GRADIENT_STEP, MEDIAN_KERNEL
from USToMRILib.bridge.schedule import Schedule
from USToMRILib.compute.bundle import METADATA_FILE, load_bundle
from USToMRILib.fetal.brain import normalise_brain
from USToMRILib.fetal.diffusion import BRAINS, HEADS
from USToMRILib.fetal.ellipse import Ellipse
from USToMRILib.fetal.envelope import drawn_brains
from USToMRILib.fetal.frame import HeadFrame
from USToMRILib.fetal.frame_spec import FrameSpec
from USToMRILib.image.intensity import to_mri_values
from USToMRILib.methods import METHODS

STEPS = 40
SCHEDULE = Schedule.cosine(STEPS)
EXACT = {"solver": "ddim", "steps": STEPS}


class SmoothBrains(torch.nn.Module):
    """The exact eps of smooth Gaussian images around -1, of more contrast the larger the brain."""

    def __init__(self, deviation: float, smoothness: float) -> None:
        super().__init__()
        self.register_buffer("ab", torch.from_numpy(SCHEDULE.alpha_bar[1:]).float())
        waves = torch.hypot(torch.fft.fftfreq(128)[:, None], torch.fft.rfftfreq(128)[None])
        power = 0.3 + torch.exp(-((smoothness * waves) ** 2))
        self.register_buffer("power", deviation**2 * power)

    def forward(self, x: torch.Tensor, t: torch.Tensor, size: torch.Tensor) -> torch.Tensor:
        ab = self.ab[t].view(-1, 1, 1, 1)  # type: ignore[index]
        power = self.power * (size / 80).square().view(-1, 1, 1, 1)
        spectrum = torch.fft.rfft2(x + ab.sqrt())
        return (1 - ab).sqrt() * torch.fft.irfft2(spectrum / (ab * power + 1 - ab))


@pytest.fixture
def models(tiny_models_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Bundles of both frames, those of brains with networks that give each other contrast."""
    folder = tmp_path / "models"
    shutil.copytree(tiny_models_dir, folder, ignore=shutil.ignore_patterns(*BRAINS))
    metadata = brain_metadata(schedule={"name": "cosine", "num_steps": STEPS})
    for name, net in zip(BRAINS, (SmoothBrains(0.6, 3.0), SmoothBrains(0.5, 8.0))):
        export_bundle(name, torch.jit.script(net.eval()), metadata, "card", "licence", folder)
    monkeypatch.setenv("USTOMRI_MODELS", str(folder))
    return folder


def sized(
    net: torch.nn.Module, size: torch.Tensor, x: torch.Tensor, t: torch.Tensor
) -> torch.Tensor:
    return net(x, t, size)


def change(models: Path, name: str, **values: object) -> None:
    path = models / name / METADATA_FILE
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_the_picture_is_that_of_the_published_algorithm_on_the_way_there_and_back(
    models: Path, head_slice: Volume
) -> None:
    result = translate(head_slice, "ddic", head=HEAD, **EXACT)
    pixels, spacing = head_slice.array[0], head_slice.grid.spacing[:2]
    spec = FrameSpec("head", (128, 128), long_axis_pixels=112, inside="skull")
    frame = HeadFrame.around(HEAD, pixels.shape, spacing, spec)
    seen = normalise_brain(frame.to_frame(pixels), frame.mask)
    size = torch.tensor([frame.size_mm], dtype=torch.float32)
    nets = [partial(sized, load_bundle(name).net, size) for name in BRAINS]
    levels = list(range(-1, STEPS))
    x0 = torch.from_numpy(seen)[None, None]
    made = reference_ddic(
        x0, *nets, SCHEDULE.alpha_bar, levels, lr=GRADIENT_STEP, kernel=MEDIAN_KERNEL
    ).clamp(-1, 1)
    values, shown = to_mri_values(made[0, 0].numpy()), drawn_brains(made)[0].numpy()
    expected = frame.to_source(values, shown=shown)
    assert expected.std() > 20
    np.testing.assert_allclose(result.volume.array[0], expected, atol=0.03)
    assert result.volume.grid == head_slice.grid
    assert set(BRAINS) <= set(result.provenance["bundles"])
    bridge_alone = translate(head_slice, "ddib", head=HEAD, **EXACT)
    assert np.abs(bridge_alone.volume.array - result.volume.array).max() > 0.2


@pytest.mark.parametrize("method", ["ddic", "ddib"])
def test_spots_stay_where_they_are_and_nothing_is_shown_around_the_brain(
    models: Path, method: str
) -> None:
    spacing, shape = (0.4, 0.3), (360, 300)
    head = Ellipse((61.0, 52.0), (46.0, 36.0), -0.4)
    y, x = np.indices(shape) * np.array(spacing[::-1])[:, None, None]
    pixels = np.where(head.mask(shape, spacing), 120.0, 20.0)
    spots = {(61.0, 52.0): -100, (80.0, 50.0): 100, (45.0, 70.0): 100, (60.0, 33.0): -100}
    for (column, row), contrast in spots.items():
        pixels += contrast * np.exp(-((x - column) ** 2 + (y - row) ** 2) / (2 * 2.5**2))
    volume = Volume(pixels[None].astype(np.uint8), Grid((shape[1], shape[0], 1), (*spacing, 1.0)))
    made = translate(volume, method, head=head).volume.array[0]
    for (column, row), contrast in spots.items():
        near = np.hypot(x - column, y - row) < 6
        clear = (made - (made[near].min() + made[near].max()) / 2) * contrast > 0
        found = np.array(center_of_mass(near & clear)) * spacing[::-1]
        assert found == pytest.approx((row, column), abs=0.3)
    assert (made[~head.mask(shape, spacing)] == 0).all()
    assert (made > 0).sum() > 0.7 * head.mask(shape, spacing).sum()


def test_the_picture_ends_at_the_outline_of_the_brain_that_was_drawn(
    models: Path, head_slice: Volume
) -> None:
    result = translate(head_slice, "ddib", head=HEAD, residual=True)
    shown = result.volume.array[0] > 0
    brain = FrameSpec("head", (128, 128), long_axis_pixels=112, inside="skull").shown(HEAD)
    mask = brain.mask(shown.shape, head_slice.grid.spacing[:2])
    assert 2 * (shown & mask).sum() / (shown.sum() + mask.sum()) > 0.97
    assert (shown != mask).any()
    assert 0 < result.residual.array.max() <= 255


def test_a_stack_shares_latents_as_in_the_other_frame(models: Path, head_slice: Volume) -> None:
    columns, rows = head_slice.grid.size[:2]
    grid = Grid((columns, rows, 3), (*head_slice.grid.spacing[:2], 1.0))
    stack = Volume(np.repeat(head_slice.array, 3, axis=0), grid)
    result = translate(stack, "ddic", head="none", axis="k")
    assert result.provenance["parameters"]["latent_sharing_mm"] > 0
    assert (result.volume.array > 0).any(axis=(1, 2)).all()


def test_without_both_networks_of_brains_those_of_heads_are_taken(
    models: Path, head_slice: Volume
) -> None:
    assert METHODS["ddic"].describe()["bundles"] == list(BRAINS)
    assert METHODS["ddic"].describe()["frame"]["kind"] == "head"
    shutil.rmtree(models / BRAINS[0])
    said = METHODS["ddib"].describe()
    assert said["bundles"] == list(HEADS)
    assert said["frame"]["kind"] == "fixed"
    assert set(translate(head_slice, "ddib", head=HEAD).provenance["bundles"]) == set(HEADS)


def test_networks_that_do_not_fit_each_other_are_refused(models: Path, head_slice: Volume) -> None:
    frame = brain_metadata()["frame"]
    change(models, BRAINS[1], frame={**frame, "long_axis_pixels": 100})
    with pytest.raises(InputError, match=f"{BRAINS[0]}' and '{BRAINS[1]}.* different frames"):
        translate(head_slice, "ddic", head=HEAD)
    change(models, BRAINS[1], frame=frame, schedule={"name": "cosine", "num_steps": 1000})
    with pytest.raises(InputError, match=f"{BRAINS[0]}' and '{BRAINS[1]}.* different schedules"):
        translate(head_slice, "ddic", head=HEAD)


def test_a_gain_that_the_networks_have_not_seen_is_refused(
    models: Path, head_slice: Volume
) -> None:
    with pytest.raises(InputError, match="even gain alone; leave out the gain 'recorded'"):
        translate(head_slice, "ddic", head=HEAD, gain="recorded")
