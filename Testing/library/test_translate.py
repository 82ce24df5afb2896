"""The one line from image to image, on bundles whose answers are known."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from Testing.conftest import HEAD, ScaledEps, SizedEps, eps_metadata
from training.export.bundle import export_bundle
from USToMRILib import Cancelled, CancelToken, Grid, InputError, Volume, translate
from USToMRILib.fetal.diffusion import (
    DEFAULT_SOLVER,
    STEPS,
    DdicOptions,
    load_pair,
    translate_frames,
)
from USToMRILib.fetal.ellipse import Ellipse
from USToMRILib.fetal.frame_spec import FrameSpec
from USToMRILib.fetal.gain import GAINS
from USToMRILib.fetal.head import Head, find_head
from USToMRILib.fetal.heads import read_head_hint
from USToMRILib.methods import METHODS
from USToMRILib.pix2pix.orientation import UNSURE
from USToMRILib.progress import Progress
from USToMRILib.provenance import voxels_sha256
from USToMRILib.result import Made


def test_the_head_is_found_where_it_was_drawn(tiny_models, head_slice):
    head = find_head(head_slice)
    assert head.ellipse.centre == pytest.approx(HEAD.centre, abs=0.5)
    assert head.ellipse.semi_axes == pytest.approx(HEAD.semi_axes, abs=0.8)
    assert head.ellipse.angle == pytest.approx(HEAD.angle, abs=0.03)
    assert head.circumference_mm == pytest.approx(HEAD.circumference_mm, rel=0.02)
    assert head.mask.grid == head_slice.grid
    assert set(np.unique(head.mask.array)) == {0, 1}
    assert head.warnings == ()


@pytest.mark.parametrize("method", ["ddic", "ddib"])
def test_the_pseudo_mri_lies_on_the_head_on_the_inputs_grid(tiny_models, head_slice, method):
    before = head_slice.array.copy()
    result = translate(head_slice, method, steps=4, device="cpu")
    assert result.volume.grid == head_slice.grid
    assert result.volume.array.dtype == np.float32
    assert result.volume.array.min() == 0
    assert 0 < result.volume.array.max() <= 255
    inside = HEAD.mask(head_slice.array.shape[1:], head_slice.grid.spacing[:2])
    shown = result.volume.array[0] > 0
    assert 2 * (inside & shown).sum() / (inside.sum() + shown.sum()) > 0.97
    np.testing.assert_array_equal(head_slice.array, before)


def test_ddib_between_two_gaussians_scales_the_image(tiny_models, head_slice):
    result = translate(head_slice, "ddib", head=HEAD)
    # Deviations 0.5 and 0.4: y = 0.8 x on [-1, 1]; the drawn texture spans the whole range.
    # Away from the skull, where the frame's pixels mix head and background.
    core = Ellipse(HEAD.centre, (32.0, 25.0), HEAD.angle)
    centre = core.mask(head_slice.array.shape[1:], head_slice.grid.spacing[:2])
    values = result.volume.array[0][centre] / 127.5 - 1
    assert np.percentile(values, 99) == pytest.approx(0.8, abs=0.08)
    assert np.corrcoef(values, head_slice.array[0][centre])[0, 1] > 0.95


@pytest.mark.parametrize("slices", [1, 3])
def test_networks_of_a_frame_that_follows_the_head_are_told_its_size(
    tiny_models_dir, tmp_path, monkeypatch, head_slice, slices
):
    folder = shutil.copytree(
        tiny_models_dir, tmp_path / "models", ignore=shutil.ignore_patterns("*_eps")
    )
    monkeypatch.setenv("USTOMRI_MODELS", str(folder))
    frame = FrameSpec("head", (128, 128), long_axis_pixels=112).metadata
    for name, net in (("fetal_us_eps", ScaledEps(0.5)), ("fetal_mri_eps", SizedEps(0.0))):
        metadata = {**eps_metadata(), "frame": frame}
        if isinstance(net, SizedEps):
            metadata["network_data_format"]["inputs"]["size"] = {"type": "float32"}
        export_bundle(name, torch.jit.script(net.eval()), metadata, "card", "licence", folder)
    stack = np.repeat(head_slice.array, slices, axis=0)
    grid = replace(head_slice.grid, size=(*head_slice.grid.size[:2], slices))
    result = translate(Volume(stack, grid), "ddib", head=HEAD, axis="k", gain="recorded")
    inside = HEAD.mask(stack.shape[1:], grid.spacing[:2])
    assert (result.volume.array[:, ~inside] == 0).all()
    assert (result.volume.array[:, inside] > 0).mean() > 0.9  # what is black stays black
    core = Ellipse(HEAD.centre, (32.0, 25.0), HEAD.angle).mask(stack.shape[1:], grid.spacing[:2])
    values = result.volume.array[0][core] / 127.5 - 1
    scale = 2 * HEAD.semi_axes[0] / 100 / 0.5
    assert np.abs(values).max() == pytest.approx(min(scale, 1), abs=0.05)
    seen = values / scale  # -1 .. 1 where it was not clipped
    assert np.corrcoef(seen, head_slice.array[0][core])[0, 1] > 0.95


def test_cyclegan_is_one_pass_of_its_generator_inside_the_head(tiny_models, head_slice):
    result = translate(head_slice, "cyclegan", head=HEAD, device="cpu")
    core = Ellipse(HEAD.centre, (32.0, 25.0), HEAD.angle)
    centre = core.mask(head_slice.array.shape[1:], head_slice.grid.spacing[:2])
    values = result.volume.array[0][centre]
    assert np.corrcoef(values, head_slice.array[0][centre])[0, 1] < -0.95  # it makes negatives
    assert list(result.provenance["bundles"]) == ["cyclegan_fetal"]
    assert "steps" not in result.provenance["parameters"]
    assert result.warnings == ["Only a test."]
    assert set(result.timings) == {"load", "head", "generate"}


def test_the_residual_is_where_the_way_back_does_not_meet_the_ultrasound(
    tiny_models, head_slice, tmp_path
):
    events = []
    exact = translate(
        head_slice, "ddib", residual=True, head=HEAD, device="cpu", progress=events.append
    )
    inside = HEAD.mask(head_slice.array.shape[1:], head_slice.grid.spacing[:2])
    assert exact.residual.grid == head_slice.grid
    assert exact.residual.array.dtype == np.float32
    assert (exact.residual.array[0][~inside] == 0).all()
    assert "RESIDUAL" in exact.residual.metadata["description"]
    # The bridge between two Gaussians is a scaling, which can be gone back.
    assert 0 < exact.residual.array.max() < 3
    both_ways = 2 * STEPS[DEFAULT_SOLVER]
    assert [e.of for e in events if e.phase == "residual"] == [both_ways] * both_ways
    exact.write(tmp_path / "mri.nrrd", map_paths={"residual": tmp_path / "residual.nrrd"})
    again = Volume.read(tmp_path / "residual.nrrd")
    np.testing.assert_array_equal(again.array, exact.residual.array)
    with pytest.raises(InputError, match="no residual for the method 'cyclegan'"):
        translate(head_slice, "cyclegan", residual=True)
    with pytest.raises(InputError, match="No residual was computed"):
        translate(head_slice, "ddic", steps=2).write(
            tmp_path / "a.nrrd", map_paths={"residual": tmp_path / "b.nrrd"}
        )
    assert not (tmp_path / "a.nrrd").exists()


def test_frames_that_do_not_fit_at_once_each_get_what_they_get_alone(tiny_models):
    frames = torch.randn(19, 1, 128, 128, generator=torch.Generator().manual_seed(0)) * 0.4
    pair, settings, events = load_pair("cpu"), DdicOptions(4), []
    together = translate_frames(frames, pair, settings, Progress(events.append))
    alone = translate_frames(frames[17:18], pair, settings, Progress())
    assert torch.equal(together[17:18], alone)
    assert [(e.phase, e.step, e.of) for e in events] == [("slices", i, 152) for i in range(1, 153)]


def test_a_head_given_by_the_user_wins(tiny_models, head_slice):
    smaller = Ellipse(HEAD.centre, (30.0, 24.0), HEAD.angle)
    by_ellipse = translate(head_slice, "ddic", steps=3, head=smaller)
    mask = Head.from_ellipse(smaller, head_slice).mask
    by_mask = translate(head_slice, "ddic", steps=3, head=mask)
    for result in (by_ellipse, by_mask):
        found = result.provenance["parameters"]["head"]["circumference_mm"]
        assert found == pytest.approx(smaller.circumference_mm, rel=0.005)
        assert "fetal_head_seg" not in result.provenance["bundles"]
    cut_out = head_slice.with_array(np.where(mask.array, head_slice.array, 0))
    alone = translate(cut_out, "ddic", steps=3, head="none")
    assert alone.provenance["parameters"]["head"]["circumference_mm"] == pytest.approx(
        smaller.circumference_mm, rel=0.005
    )


def test_a_mask_on_another_grid_is_refused(tiny_models, head_slice):
    grid = head_slice.grid
    moved = Grid(grid.size, grid.spacing, (11.0, -20.0, 30.0), grid.direction)
    with pytest.raises(InputError, match="drawn on this image"):
        translate(head_slice, head=Volume(np.ones(grid.shape, np.uint8), moved))
    with pytest.raises(InputError, match="empty"):
        translate(head_slice, head=head_slice.with_array(np.zeros(grid.shape, np.uint8)))
    with pytest.raises(InputError, match="beside the image"):
        translate(head_slice, head=Ellipse((-90.0, 43.0), (38.0, 30.0), 0.0))
    with pytest.raises(InputError, match="'maybe' is unknown"):
        translate(head_slice, head="maybe")


def test_the_same_input_gives_the_same_voxels(tiny_models, head_slice):
    first, second = (translate(head_slice, "ddic", steps=5, device="cpu") for _ in range(2))
    np.testing.assert_array_equal(first.volume.array, second.volume.array)


def test_the_median_filter_is_asked_for_and_recorded(tiny_models, head_slice):
    made = {
        k: translate(head_slice, "ddic", steps=4, device="cpu", median_kernel=k) for k in (1, 5)
    }
    assert made[1].provenance["parameters"]["median_kernel"] == 1
    assert (made[1].volume.array != made[5].volume.array).any()


def test_a_dark_head_is_raised_unless_it_is_to_stay_as_recorded(tiny_models, head_slice):
    head = find_head(head_slice).ellipse
    rows, columns = np.indices(head_slice.array.shape[1:])
    x, y = columns * head_slice.grid.spacing[0], rows * head_slice.grid.spacing[1]
    skull = (head.radius(x, y) > 0.9) & (head.radius(x, y) <= 1)
    dark = head_slice.with_array(np.where(skull, 10_000, head_slice.array))
    options = {"steps": 2, "device": "cpu", "head": head}
    made = {gain: translate(dark, "ddic", gain=gain, **options) for gain in GAINS}
    assert (made["even"].volume.array != made["recorded"].volume.array).any()
    for gain, result in made.items():
        assert result.provenance["parameters"]["gain"] == gain
        assert any("is a guess" in warning for warning in result.warnings)
    assert not any("is a guess" in w for w in translate(head_slice, "ddic", **options).warnings)


def test_provenance_says_everything_and_is_json(tiny_models, head_slice, tmp_path):
    result = translate(head_slice, "ddic", steps=3, device="cpu")
    record = json.loads(json.dumps(result.provenance))
    assert record["notice"].startswith("SYNTHETIC")
    assert record["method"] == "ddic"
    assert record["parameters"]["steps"] == 3
    assert record["parameters"]["solver"] == "dpm++2m"
    assert record["parameters"]["similarity"] == "pearson"
    assert record["parameters"]["lr"] == 3.0
    assert record["parameters"]["median_kernel"] == 5
    assert record["parameters"]["gain"] == "even"
    assert set(record["bundles"]) == {"fetal_us_eps", "fetal_mri_eps", "fetal_head_seg"}
    assert record["device"] == "cpu"
    assert record["threads"] == torch.get_num_threads()
    assert record["peak_memory_mib"] is None or 50 < record["peak_memory_mib"] < 50_000
    assert record["libraries"]["torch"] == torch.__version__
    assert record["input"]["voxels_sha256"] == voxels_sha256(head_slice.array)
    assert record["input"]["grid"]["direction"] == list(head_slice.grid.direction)
    assert set(record["timings_s"]) == {"load", "head", "encode", "decode"}
    output = tmp_path / "a_SYNTHETIC.nrrd"
    result.write(output)
    assert json.loads((tmp_path / "a_SYNTHETIC.nrrd.json").read_text()) == record
    again = Volume.read(output)
    assert again.grid.is_close(head_slice.grid)
    assert json.loads(again.metadata["USToMRI_provenance"]) == record


def test_results_are_written_where_a_text_says(tiny_models, head_slice, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = translate(head_slice, "ddic", steps=2, residual=True)
    result.write("pseudo_mri.nrrd", map_paths={"residual": "residual.nrrd"})
    result.write("again.nrrd", "record.json")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("again.nrrd", "pseudo_mri.nrrd", "pseudo_mri.nrrd.json", "record.json", "residual.nrrd")
    ]


def test_a_picture_of_the_images_size_is_its_head_mask(tiny_models, head_slice, tmp_path):
    mask = tmp_path / "mask.png"
    inside = HEAD.mask(head_slice.array.shape[1:], head_slice.grid.spacing[:2])
    Volume(inside[None].astype(np.uint8), Grid(head_slice.grid.size)).write(mask)
    hint = read_head_hint(str(mask), head_slice)
    assert hint.grid == head_slice.grid
    assert translate(head_slice, "ddic", steps=2, head=hint).volume.grid == head_slice.grid


def test_nothing_is_written_when_the_image_cannot_be(tiny_models, head_slice, tmp_path):
    result = translate(head_slice, "ddic", steps=2)
    with pytest.raises(InputError):
        result.write(tmp_path / "a.xyz")
    assert list(tmp_path.iterdir()) == []


def test_a_head_that_is_too_large_or_cut_off_is_said(tiny_models, head_slice):
    large = Ellipse((52.0, 43.0), (70.0, 60.0), 0.0)
    result = translate(head_slice, "ddic", steps=2, head=large)
    text = " ".join(result.warnings)
    assert "170-350 mm" in text
    assert "border" in text
    assert result.provenance["warnings"] == result.warnings


def test_images_without_a_head_are_refused_with_what_was_found(tiny_models, head_slice):
    shape = head_slice.array.shape
    dark = np.full(shape, 10, np.int16)
    dark[0, 5, 5] = 300
    with pytest.raises(InputError, match=r"No fetal head was found: at most .*--head-mask"):
        translate(head_slice.with_array(dark))
    bar = np.full(shape, 10, np.int16)
    bar[0, 140:160, 10:300] = 300
    with pytest.raises(InputError, match=r"no ellipse of a head's shape"):
        translate(head_slice.with_array(bar))
    grid = head_slice.grid
    tiny = Grid(grid.size, (0.035, 0.03, 1.0), grid.origin, grid.direction)
    with pytest.raises(InputError, match=r"circumference of \d+ mm, and fetal heads have 80"):
        translate(Volume(head_slice.array, tiny))


def test_pix2pix3d_runs_the_generator_over_the_volume(tiny_models):
    values = np.random.default_rng(0).random((11, 50, 70)).astype(np.float32) + 1
    oblique = (0.0, 0.6, -0.8, 1.0, 0.0, 0.0, 0.0, -0.8, -0.6)
    grid = Grid((70, 50, 11), (0.9, 1.1, 1.2), (5, -7, 9), oblique)
    result = translate(Volume(values, grid), "pix2pix3d", device="cpu")
    assert result.volume.grid == grid
    assert np.corrcoef(result.volume.array.ravel(), values.ravel())[0, 1] < -0.99
    assert list(result.provenance["bundles"]) == ["pix2pix3d"]
    # Which contrast it imitates, the bundle says; the record, and every file's header.
    assert result.provenance["parameters"]["contrast"] == "T2"
    assert "pix2pix3d T2, not for diagnosis" in result.volume.metadata["description"]
    # No cone shows where the probe was.
    assert result.warnings == result.provenance["warnings"] == ["Only a test.", UNSURE]


def test_uncertainty_is_a_second_volume_on_the_same_grid(tiny_models, tmp_path):
    values = np.random.default_rng(0).random((8, 32, 32)).astype(np.float32) + 1
    volume = Volume(values, Grid((32, 32, 8), origin=(5, 6, 7)))
    plain = translate(volume, "pix2pix3d", device="cpu")
    assert plain.uncertainty is None
    assert "uncertainty" not in plain.provenance["parameters"]
    result = translate(volume, "pix2pix3d", device="cpu", uncertainty=True)
    assert result.uncertainty.grid == volume.grid
    np.testing.assert_allclose(result.uncertainty.array, 0, atol=1e-3)
    assert "not its error" in result.provenance["parameters"]["uncertainty"]
    result.write(tmp_path / "a.nrrd", map_paths={"uncertainty": tmp_path / "b.nrrd"})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.nrrd", "a.nrrd.json", "b.nrrd"]
    metadata = Volume.read(tmp_path / "b.nrrd").metadata
    assert metadata["description"].startswith("UNCERTAINTY of a SYNTHETIC")
    with pytest.raises(InputError, match="No uncertainty was computed"):
        plain.write(tmp_path / "c.nrrd", map_paths={"uncertainty": tmp_path / "d.nrrd"})
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.full((1, 9, 9), 7), "constant"),
        (np.where(np.eye(9) > 0, np.nan, 1.0)[None], "NaN"),
        (np.where(np.eye(9) > 0, np.inf, 1.0)[None], "NaN or infinite"),
    ],
)
def test_unusable_voxels_are_refused(array, message):
    with pytest.raises(InputError, match=message):
        translate(Volume(array, Grid((9, 9, 1))))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "magic"}, ", ".join(METHODS)),
        ({"device": "abacus"}, "auto, cpu, cuda, mps"),
        ({"steps": 1}, "2 to 1000"),
        ({"uncertainty": True}, "no uncertainty for the method 'ddic'"),
        ({"solver": "magic"}, r"choose from dpm\+\+2m"),
        ({"similarity": "magic"}, "choose from pearson"),
        ({"median_kernel": 4}, "give an odd width"),
        ({"gain": "loud"}, "choose from even, recorded"),
    ],
)
def test_unusable_arguments_are_refused(tiny_models, head_slice, arguments, message):
    with pytest.raises(InputError, match=message):
        translate(head_slice, **{"method": "ddic", **arguments})


@pytest.mark.parametrize("key", ["spacing_mm", "schedule"])
def test_eps_networks_that_do_not_fit_are_refused(tiny_models_dir, tmp_path, monkeypatch, key):
    folder = shutil.copytree(tiny_models_dir, tmp_path / "models")
    monkeypatch.setenv("USTOMRI_MODELS", str(folder))
    path = folder / "fetal_mri_eps" / "configs" / "metadata.json"
    metadata = json.loads(path.read_text())
    other = {"spacing_mm": [0.5, 0.5], "schedule": {"name": "linear"}}
    path.write_text(json.dumps({**metadata, key: other[key]}))
    image = Volume(np.arange(81).reshape(1, 9, 9), Grid((9, 9, 1)))
    with pytest.raises(InputError, match="install"):
        translate(image, "ddic")


def test_cancel_during_a_run_stops_it(tiny_models, head_slice):
    token = CancelToken()

    def listen(event):
        if event.phase == "encode" and event.step == 2:
            token.cancel()

    with pytest.raises(Cancelled):
        translate(head_slice, "ddic", steps=10, progress=listen, cancel=token)


@pytest.mark.parametrize(
    ("chosen", "error"),
    [
        ("cuda", torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")),
        ("mps", RuntimeError("MPS backend out of memory (MPS allocated: 8.00 GB).")),
    ],
)
def test_a_device_out_of_memory_falls_back_to_the_cpu_and_says_so(
    monkeypatch, head_slice, chosen, error
):
    used = full_device(monkeypatch, chosen, error)
    result = translate(head_slice, "cyclegan")
    assert used == [chosen, "cpu"]
    assert result.provenance["device"] == "cpu"
    assert f"The memory of the device {chosen!r} did not suffice" in result.warnings[0]
    assert result.provenance["warnings"] == result.warnings


@pytest.mark.parametrize(
    ("chosen", "error"),
    [
        ("cuda", RuntimeError("CUDA error")),
        ("cuda", InputError("No head.")),
        ("cpu", RuntimeError("out of memory")),
    ],
)
def test_other_errors_of_a_device_are_raised(monkeypatch, head_slice, chosen, error):
    used = full_device(monkeypatch, chosen, error)
    with pytest.raises(type(error), match=str(error)):
        translate(head_slice, "cyclegan")
    assert used == [chosen]


def full_device(monkeypatch, name, error):
    """Choose a device at whose first use there is an error; return those that are used."""
    used = []

    def load(options, device):
        used.append(device)
        if device == name:
            raise error
        return Grey()

    entry = replace(METHODS["cyclegan"], load=load)
    monkeypatch.setitem(METHODS, "cyclegan", entry)
    # The package has a function of the module's name.
    monkeypatch.setattr(sys.modules[translate.__module__], "choose_device", lambda _: name)
    return used


class Grey:
    """A method that makes everything grey."""

    def translate(self, volume, request):
        return Made(np.full(volume.array.shape, 100, np.float32), {})


def test_importing_the_library_loads_no_torch():
    code = "import sys, USToMRILib, USToMRILib.cli.command; print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
