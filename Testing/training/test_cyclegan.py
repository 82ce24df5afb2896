"""Training of the CycleGAN: it goes on exactly, its pool is a pool, its bundle translates."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from training.data.fetal_slices import DOMAINS
from training.export import cyclegan as export_cyclegan
from training.networks.cyclegan import ResNetGenerator, make_discriminator
from training.train import cyclegan as train_cyclegan
from training.train.checkpoint import load_checkpoint, save_checkpoint
from training.train.cyclegan import CycleGanConfig, CycleGanTrainer, ImagePool
from training.train.runlog import LOG_FILE, read_log
from USToMRILib.compute.bundle import load_bundle

CPU = torch.device("cpu")
CONFIG = CycleGanConfig(steps=6, width=4, blocks=1, discriminator_width=4, pool=2)


def slices(count: int = 3, size: int = 32) -> dict[str, np.ndarray]:
    """Discs: dark ones for ultrasound, bright ones for MRI."""
    y, x = np.indices((size, size)) - size / 2
    radii = np.linspace(size / 5, size / 3, count)[:, None, None]
    disc = np.hypot(x, y)[None] < radii
    return {
        domain: np.where(disc, level, -1).astype(np.float32)
        for domain, level in (("us", -0.4), ("mri", 0.6))
    }


def weights(trainer: CycleGanTrainer) -> torch.Tensor:
    nets = (trainer.generators, trainer.discriminators)
    return torch.cat([p.detach().flatten() for net in nets for p in net.parameters()])


def test_a_resumed_run_ends_with_the_weights_of_one_that_never_stopped(tmp_path: Path) -> None:
    through, stopped, resumed = (CycleGanTrainer(CONFIG, slices(), CPU) for _ in range(3))
    for _ in range(5):
        through.train_step()
    for _ in range(3):  # the pools are full, so that they matter
        stopped.train_step()
    save_checkpoint(tmp_path / "c.pt", stopped.state())
    resumed.load(load_checkpoint(tmp_path / "c.pt"))
    for _ in range(2):
        resumed.train_step()
    assert torch.equal(weights(resumed), weights(through))
    assert not torch.equal(weights(resumed), weights(stopped))
    with pytest.raises(ValueError, match="other settings"):
        CycleGanTrainer(replace(CONFIG, batch=2), slices(), CPU).load(through.state())


def test_it_learns_the_tones_of_the_other_domain() -> None:
    config = replace(CONFIG, steps=60, width=8, batch=2, learning_rate=2e-3)
    trainer = CycleGanTrainer(config, slices(), CPU)
    first = trainer.train_step()
    for _ in range(59):
        last = trainer.train_step()
    assert last["cycle"] < 0.5 * first["cycle"]
    drawn = trainer.translate(slices()["us"], "mri")
    inside = slices()["mri"] > 0
    assert drawn[inside].mean() > 0.2  # ultrasound has -0.4 there
    assert drawn[~inside].mean() < -0.6


def test_the_pool_gives_back_earlier_images_about_half_of_the_time() -> None:
    pool, generator = ImagePool(10), torch.Generator().manual_seed(0)
    given = [
        float(pool.exchange(torch.full((1, 1, 2, 2), float(n)), generator)[0, 0, 0, 0])
        for n in range(200)
    ]
    assert given[:10] == list(range(10))
    earlier = [out for n, out in enumerate(given) if out != n]
    assert 70 < len(earlier) < 120
    assert len(set(earlier)) == len(earlier)  # what is given is exchanged for the new one


def test_the_discriminator_judges_seventy_pixels() -> None:
    net = make_discriminator(2).eval()
    for module in net.modules():  # instance normalisation looks at the whole image
        if isinstance(module, torch.nn.InstanceNorm2d):
            module.forward = lambda x: x  # type: ignore[method-assign]
    image = torch.zeros(1, 1, 128, 128, requires_grad=True)
    net(image)[-1][0, 0, 7, 7].backward()
    rows = np.flatnonzero(image.grad[0, 0].abs().sum(1).numpy())  # type: ignore[index]
    assert np.ptp(rows) + 1 == 70


def test_the_generator_keeps_the_shape_and_the_range() -> None:
    x = torch.rand(2, 1, 32, 48) * 2 - 1
    y = ResNetGenerator(4, 1)(x)
    assert y.shape == x.shape
    assert y.abs().max() <= 1


def test_the_commands_train_go_on_and_export(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = slices(4, 128)
    monkeypatch.setattr(train_cyclegan, "prepared_slices", lambda _, d, *__: parts[d])
    monkeypatch.setattr(export_cyclegan, "prepared_slices", lambda _, d, *__: parts[d])
    monkeypatch.setattr(train_cyclegan, "CycleGanConfig", lambda steps, batch, seed: replace(
        CONFIG, steps=steps, batch=batch, seed=seed
    ))  # fmt: skip
    options = tmp_path / "options.txt"
    options.write_text(f"--data\n{tmp_path}\n--work\n{tmp_path}\n")

    def run(module: object, *arguments: str) -> None:
        monkeypatch.setattr(sys, "argv", ["command", f"@{options}", *arguments])
        module.main()  # type: ignore[attr-defined]

    run(train_cyclegan, "--steps", "1")
    run(train_cyclegan, "--steps", "2")
    assert [entry["step"] for entry in read_log(tmp_path / LOG_FILE)] == [1, 2]
    assert all(entry["cycle_l1_us"] > 0 for entry in read_log(tmp_path / LOG_FILE))
    assert list((tmp_path / "tensorboard").iterdir())
    assert (tmp_path / "samples_000002.png").stat().st_size > 1000
    records = json.loads((tmp_path / "run.json").read_text())
    assert [record["from_step"] for record in records] == [0, 1]
    run(export_cyclegan, "--models", str(tmp_path))
    monkeypatch.setenv("USTOMRI_MODELS", str(tmp_path))
    bundle = load_bundle("cyclegan_fetal")
    assert set(bundle.metadata["metrics"]) > {"cycle_l1_us", "tone_distance"}
    assert "baseline" in bundle.cautions[0]
    trainer = CycleGanTrainer(replace(CONFIG, steps=2), parts, CPU)
    trainer.load(load_checkpoint(tmp_path / "checkpoint.pt"))
    drawn = bundle.net(torch.from_numpy(parts["us"])[:, None])[:, 0].numpy()
    np.testing.assert_allclose(drawn, trainer.translate(parts["us"], "mri"), atol=1e-4)
    assert set(DOMAINS) == set(trainer.generators)
