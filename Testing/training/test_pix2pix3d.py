"""The training of the 3D pix2pix: it learns, goes on exactly, and its trace is the network."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from training.data.pairs import Pair
from training.export import pix2pix3d as export_pix2pix3d
from training.export.bundle import trace
from training.export.pix2pix3d import reach
from training.export.pix2pix3d_metrics import held_out_metrics, window_seams
from training.networks.pix2pix3d import DIVISORS, Generator, folded
from training.runinfo import append_record, run_record
from training.train import pix2pix3d as train_pix2pix3d
from training.train.checkpoint import load_checkpoint, save_checkpoint
from training.train.image_metrics import perceptual_distances, similarity
from training.train.pair_patches import PatchSampler
from training.train.pix2pix3d import OPTIMISERS, Pix2PixConfig, Pix2PixTrainer, train
from USToMRILib.compute.bundle import load_bundle
from USToMRILib.pix2pix.generator import BUNDLE, load_generator, precision_of

CONFIG = Pix2PixConfig(
    steps=6, batch=2, patch=(8, 32, 32), width=4, discriminator_width=4, warmup=2, seed=5
)


def make_pairs(count: int = 2) -> list[Pair]:
    """Volumes whose MRI is the negative of the ultrasound, in a wedge."""
    rng = np.random.default_rng(0)
    k, j, i = np.ogrid[:16, :32, :32]
    cone = np.broadcast_to((np.abs(i - 16) <= 4 + j / 3) & (k > 1) & (k < 14), (16, 32, 32))
    pairs = []
    for _ in range(count):
        blocks = rng.integers(60, 200, (4, 8, 8)).repeat(4, 0).repeat(4, 1).repeat(4, 2)
        ultrasound = np.where(cone, blocks, 0).astype(np.uint8)
        pairs.append(Pair(ultrasound, (255 - blocks).astype(np.uint8), cone))
    return pairs


@pytest.fixture(scope="module")
def pairs() -> list[Pair]:
    return make_pairs()


def trainer_of(pairs: list[Pair], config: Pix2PixConfig = CONFIG) -> Pix2PixTrainer:
    return Pix2PixTrainer(config, pairs, torch.device("cpu"))


def weights(trainer: Pix2PixTrainer) -> dict[str, torch.Tensor]:
    """Every tensor of the three networks."""
    return {
        f"{name}.{key}": value
        for name in ("generator", "discriminator", "ema")
        for key, value in getattr(trainer, name).state_dict().items()
    }


@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_resumed_run_equals_an_uninterrupted_one(
    pairs: list[Pair], tmp_path: Path, optimiser: str
) -> None:
    config = replace(CONFIG, optimiser=optimiser)
    straight, validation = trainer_of(pairs, config), PatchSampler(pairs, CONFIG.patch).fixed(1)
    train(straight, validation, tmp_path, log_every=1)
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in log] == [1, 2, 3, 4, 5, 6]
    assert {"discriminator", "gan", "l1", "total", "validation_ssim", "validation_psnr"} <= set(
        log[-1]
    )

    interrupted = trainer_of(pairs, config)
    for _ in range(3):
        interrupted.train_step()
    save_checkpoint(tmp_path / "half.pt", interrupted.state())
    torch.manual_seed(99)  # nothing may depend on the global generator
    resumed = trainer_of(pairs, config)
    resumed.load(load_checkpoint(tmp_path / "half.pt"))
    train(resumed, validation, tmp_path, log_every=1)
    for name, value in weights(straight).items():
        assert torch.equal(value, weights(resumed)[name]), name
    again = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert again == log


def test_other_settings_are_refused_but_other_lengths_and_patches_are_not(
    pairs: list[Pair],
) -> None:
    state = trainer_of(pairs).state()
    thicker = trainer_of(pairs, replace(CONFIG, steps=9, batch=1, patch=(12, 32, 32)))
    thicker.load(state)
    assert thicker.train_step()["total"] > 0
    with pytest.raises(ValueError, match="other settings"):
        trainer_of(pairs, replace(CONFIG, learning_rate=1.0)).load(state)


@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_it_learns_the_negative(pairs: list[Pair], optimiser: str) -> None:
    config = replace(CONFIG, steps=80, learning_rate=1e-2, ema=0.9, width=8, optimiser=optimiser)
    trainer = trainer_of(pairs, config)
    first = trainer.validate(PatchSampler(pairs, CONFIG.patch).fixed(1))
    losses = [trainer.train_step() for _ in range(80)]
    last = trainer.validate(PatchSampler(pairs, CONFIG.patch).fixed(1))
    assert np.mean([x["l1"] for x in losses[-10:]]) < 0.5 * losses[0]["l1"]
    assert last["psnr"] > first["psnr"] + 4
    for loss in losses:
        parts = loss["gan"] + 100 * loss["l1"] + 60 * loss["structure"]
        assert loss["total"] == pytest.approx(parts, rel=1e-4)


def test_patches_keep_pairs_together_and_empty_outside_the_cone(pairs: list[Pair]) -> None:
    batch = PatchSampler(pairs, (8, 32, 32)).draw(32, seed=1)
    assert batch.ultrasound.shape == batch.mri.shape == batch.cone.shape == (32, 1, 8, 32, 32)
    assert (batch.ultrasound[~batch.cone] == -1).all()
    assert (batch.mri[~batch.cone] == -1).all()
    # The MRI is the negative: wherever both were moved, they must still match in rank.
    for ultrasound, mri, cone in zip(batch.ultrasound, batch.mri, batch.cone):
        values = torch.stack([ultrasound[cone], mri[cone]]).numpy()
        values = values[:, values[0] < 0.999]  # gain may clip the brightest
        assert np.corrcoef(values)[0, 1] < -0.95
    same = PatchSampler(pairs, (8, 32, 32)).draw(32, seed=1)
    assert torch.equal(same.ultrasound, batch.ultrasound)


def test_trace_is_the_network_for_every_allowed_shape() -> None:
    net = Generator(4).eval()
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm3d):  # as after training
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    traced = trace(folded(net), torch.zeros(1, 1, 8, 64, 64))
    assert not any("norm" in name for name in traced.state_dict())
    d, h, w = DIVISORS
    for shape in ((d, h, w), (4 * d, 3 * h, 5 * w), (3 * d, 8 * h, 2 * w)):
        x = torch.randn(2, 1, *shape).clamp(-1, 1)
        with torch.no_grad():
            torch.testing.assert_close(traced(x), net(x), atol=1e-5, rtol=0)


def test_reach_of_a_known_convolution() -> None:
    assert reach(torch.nn.Conv3d(1, 1, (3, 5, 7), padding="same")) == [1, 2, 3]


def test_export_makes_a_bundle_that_translates_like_the_averaged_generator(
    pairs: list[Pair],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    trainer = trainer_of(pairs, replace(CONFIG, contrast="T2"))
    for _ in range(3):
        trainer.train_step()
    save_checkpoint(tmp_path / "checkpoint.pt", trainer.state())
    append_record(tmp_path / "run.json", run_record(CONFIG.seed), 0)
    log = {"step": 3, "l1": 0.1, "validation_ssim": 0.5, "validation_psnr": 18.25}
    (tmp_path / "log.jsonl").write_text(json.dumps(log) + "\n")
    command = ["export", "--data", str(tmp_path), "--work", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", [*command, "--models", str(tmp_path), "--per-head", "1"])
    monkeypatch.setattr(export_pix2pix3d, "cached_pairs", lambda *_: pairs)
    export_pix2pix3d.main()

    monkeypatch.setenv("USTOMRI_MODELS", str(tmp_path))
    bundle = load_bundle(BUNDLE)
    assert bundle.metadata["metrics"]["volumes"] == len(pairs)
    assert bundle.metadata["contrast"] == "T2"
    assert "T2-like" in bundle.metadata["description"]
    x = torch.randn(1, 1, 6, 48, 32).clamp(-1, 1)
    torch.testing.assert_close(bundle.net(x), trainer.ema(x), atol=1e-5, rtol=0)
    assert precision_of(bundle) == "float32"
    monkeypatch.setattr("USToMRILib.pix2pix.generator.has_matrix_unit", lambda device: True)
    reduced = load_generator("cpu")
    assert precision_of(reduced) == "bfloat16"
    assert load_generator("cpu").net is reduced.net
    answer = reduced.net(x.bfloat16())
    assert answer.dtype == torch.float32
    assert 0 < (answer - trainer.ema(x)).abs().mean() < 0.5 / 127.5  # of a grey level
    files = ("README.md", "held_out.png", "failures.png", "training_curves.png")
    for file in (*(f"docs/{name}" for name in files), "LICENSE"):
        assert (tmp_path / BUNDLE / file).stat().st_size > 500
    assert bundle.metadata["metrics"]["windows_largest_difference"] < 0.01
    card = (tmp_path / BUNDLE / "docs/README.md").read_text()
    assert "| 100% | 3 | 0.500 | 18.25 |" in card  # BrainVoxGen's Table 1, of the log
    assert "(training_curves.png)" in card
    assert "| texture_feature_distance_mean |" in card
    assert (tmp_path / BUNDLE / "docs/training_log.jsonl").read_text().startswith('{"step": 3')

    # Another contrast does not take its place unasked.
    save_checkpoint(tmp_path / "checkpoint.pt", trainer_of(pairs).state())
    before = (tmp_path / BUNDLE / "configs/metadata.json").read_bytes()
    with pytest.raises(SystemExit):
        export_pix2pix3d.main()
    assert "makes T2 and this run T1" in capsys.readouterr().err
    assert (tmp_path / BUNDLE / "configs/metadata.json").read_bytes() == before


def test_similarity_of_known_images() -> None:
    rng = np.random.default_rng(0)
    image = rng.uniform(0, 255, (9, 20, 20))
    cone = np.zeros(image.shape, bool)
    cone[:, 5:15, 5:15] = True
    same = similarity(image, image, cone)
    assert same["ssim"] == pytest.approx(1)
    assert same["psnr"] == 100
    # What differs outside the cone does not count; an error of 25.5 is 20 dB below 255.
    off = similarity(np.where(cone, image + 25.5, 0), image, cone)
    assert off["psnr"] == pytest.approx(20)
    assert off["l1"] == pytest.approx(25.5)
    assert off["psnr_all"] == pytest.approx(20 + 10 * np.log10(4))
    assert off["ssim"] < off["ssim_all"] < 1


def test_perceptual_distances_tell_blur_and_displacement() -> None:
    """Equal: 0. Blurred: another texture. Moved: the same texture with its edges elsewhere."""
    rng = np.random.default_rng(0)
    image = gaussian_filter(rng.uniform(0, 255, (9, 64, 64)), (0, 1.5, 1.5))
    image = (image - image.min()) / np.ptp(image) * 255
    cone = np.zeros(image.shape, bool)
    cone[:, 8:56, 8:56] = True
    changed = np.where(cone, image, 255 - image)  # outside the cone nothing counts
    assert perceptual_distances(changed, image, cone) == {
        "texture_feature_distance": 0,
        "gradient_magnitude_similarity_deviation": 0,
    }
    blurred = perceptual_distances(gaussian_filter(image, (0, 3, 3)), image, cone)
    moved = perceptual_distances(np.roll(image, 5, axis=2), image, cone)
    assert blurred["texture_feature_distance"] > 3 * moved["texture_feature_distance"] > 0
    assert moved["gradient_magnitude_similarity_deviation"] > 0.1


def test_held_out_metrics_tell_the_answer_from_the_baselines(pairs: list[Pair]) -> None:
    metrics = held_out_metrics([pair.mri.astype(np.float32) for pair in pairs], pairs)
    assert metrics["ssim_mean"] == 1
    for name in ("texture_feature_distance", "gradient_magnitude_similarity_deviation"):
        assert metrics[f"{name}_mean"] == 0
        assert metrics[f"constant_{name}_mean"] > 0.05


def test_seams_are_measured_over_many_windows() -> None:
    """A network that sees no farther than it says leaves none; one that sees farther does."""
    rng = np.random.default_rng(0)
    ultrasound = rng.integers(1, 255, (96, 128, 128)).astype(np.uint8)
    pair = Pair(ultrasound, ultrasound, ultrasound > 0)
    torch.manual_seed(0)
    net = torch.nn.Conv3d(1, 1, 3, padding=1)
    use = {"spacing_mm": [1.0] * 3, "divisors": [2, 8, 8], "window": [8, 128, 128]}
    for reach_of_it, seams in ((1, False), (0, True)):
        metadata = {**use, "receptive_field": {"reach": [reach_of_it] * 3}}
        found = window_seams(net, metadata, pair)
        assert found["windows"] > 1
        assert (found["windows_largest_difference"] > 1) == seams


def test_validation_patches_are_fixed_and_whole(pairs: list[Pair]) -> None:
    batches = PatchSampler(pairs, (8, 32, 32)).fixed(2)
    assert len(batches) == 4
    for batch, again in zip(batches, PatchSampler(pairs, (8, 32, 32)).fixed(2)):
        assert batch.ultrasound.shape == (1, 1, 8, 32, 32)
        assert torch.equal(batch.ultrasound, again.ultrasound)


def test_command_trains_goes_on_and_refuses_to_overwrite(
    pairs: list[Pair], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(*options: str) -> None:
        command = ["train", "--data", str(tmp_path), "--work", str(tmp_path), "--smoke", *options]
        monkeypatch.setattr(sys, "argv", command)
        train_pix2pix3d.main()

    monkeypatch.setattr(train_pix2pix3d, "cached_pairs", lambda *_: pairs)
    with pytest.raises(SystemExit):
        run("--steps", "2", "--resume")  # there is nothing to resume
    as_t2 = ("--contrast", "T2", "--optimiser", "muon")
    run("--steps", "2", *as_t2)
    with pytest.raises(SystemExit):
        run("--steps", "2")  # would overwrite
    with pytest.raises(ValueError, match="other settings"):
        run("--steps", "3", "--resume")
    run("--steps", "3", "--resume", "--depth", "10", *as_t2)
    state = load_checkpoint(tmp_path / "checkpoint.pt")
    assert (state["step"], state["config"]["patch"][0]) == (3, 10)
    assert (state["config"]["contrast"], state["config"]["optimiser"]) == ("T2", "muon")
    records = json.loads((tmp_path / "run.json").read_text())
    assert [record["from_step"] for record in records] == [0, 2]
