"""Latents that neighbouring slices share: how alike they become, and what must not change."""

from __future__ import annotations

import math

import pytest
import torch

from USToMRILib.bridge import diffusion_bridge as bridge
from USToMRILib.bridge.shared_latents import reach, share
from USToMRILib.fetal.diffusion import DdibOptions, DdicOptions, load_pair, translate_frames
from USToMRILib.progress import Progress

SIGMA = 1.3


def noise(count: int) -> torch.Tensor:
    return torch.randn(count, 1, 128, 128, generator=torch.Generator().manual_seed(0))


def neighbour_correlation(latents: torch.Tensor, apart: int) -> float:
    return float((latents[apart:] * latents[:-apart]).mean() / latents.square().mean())


def test_noise_keeps_its_power_and_neighbours_become_alike() -> None:
    shared = share(noise(60), SIGMA, slice(10, 50))
    assert shared.std() == pytest.approx(1, abs=0.01)
    assert float(shared.std(dim=(1, 2, 3)).max()) == pytest.approx(1, abs=0.02)
    for apart in (1, 2, 3):  # noise after a Gaussian
        expected = math.exp(-((apart / (2 * SIGMA)) ** 2))
        assert neighbour_correlation(shared, apart) == pytest.approx(expected, abs=0.02)


def test_what_all_slices_have_in_common_stays() -> None:
    same = noise(1).expand(9, -1, -1, -1)
    assert torch.allclose(share(same, SIGMA, slice(9)), same, atol=1e-5)


def test_noise_is_lifted_and_coarse_structure_is_not() -> None:
    rows = torch.arange(128)
    structure = 2 * torch.cos(2 * math.pi * 2 * rows / 128)[:, None].expand(128, 128)
    shared = share(structure + 0.5 * noise(40), SIGMA, slice(10, 30))
    kept = (shared * structure).mean() / structure.square().mean()
    assert kept == pytest.approx(1, abs=0.01)
    assert (shared - kept * structure).std() == pytest.approx(0.5, rel=0.03)


def test_it_depends_on_the_slices_within_reach_alone() -> None:
    latents, far = noise(30), reach(SIGMA)
    part = share(latents[12 - far : 15 + far], SIGMA, slice(far, far + 3))
    assert torch.allclose(part, share(latents, SIGMA, slice(12, 15)), atol=1e-5)


def test_a_slice_alone_and_a_sigma_of_nothing_change_nothing() -> None:
    latents = noise(3)
    assert torch.equal(share(latents[:1], SIGMA, slice(1)), latents[:1])
    assert torch.equal(share(latents, 0.1, slice(1, 3)), latents[1:])
    assert reach(0.1) == 0


@pytest.mark.parametrize("at_once", [1, 4])
def test_a_stack_is_translated_from_shared_latents(tiny_models, monkeypatch, at_once) -> None:
    """The networks' bridge is a scaling, and a scaling can as well come after the sharing."""
    monkeypatch.setattr("USToMRILib.fetal.diffusion.CPU_FRAMES", at_once)
    x0 = noise(13) * 0.1
    pair, settings, events = load_pair("cpu"), DdibOptions(4), []
    stack = translate_frames(x0, pair, settings, Progress(events.append), SIGMA)
    expected = translate_frames(share(x0, SIGMA, slice(13)), pair, settings, Progress())
    assert torch.allclose(stack, expected, atol=1e-5)
    steps = 2 * 4 * math.ceil(13 / at_once)
    assert [(e.phase, e.step, e.of) for e in events] == [
        ("slices", n, steps) for n in range(1, steps + 1)
    ]


@pytest.mark.parametrize("solver", ["dpm++2m", "ddim"])
def test_the_pull_is_towards_each_slices_own_ultrasound(tiny_models, solver) -> None:
    x0 = noise(5).clamp(-1, 1)
    x0[2] = x0[2].flip(-1)
    pair = load_pair("cpu")

    settings = {
        "ddic": DdicOptions(6, solver, median_kernel=1),
        "ddib": DdibOptions(6, solver),
    }

    pulled, plain = (
        translate_frames(x0, pair, settings[method], Progress(), SIGMA)
        for method in ("ddic", "ddib")
    )

    def alike(y: torch.Tensor, n: int) -> float:
        return float(torch.corrcoef(torch.stack([x0[n].flatten(), y[n].flatten()]))[0, 1])

    for n in range(5):
        assert alike(pulled, n) > alike(plain, n) + 0.02


def test_few_trajectories_are_in_memory_at_a_time(tiny_models, monkeypatch) -> None:
    done: list[str] = []

    def record(name, function):
        def call(*arguments):
            done.append(name)
            return function(*arguments)

        monkeypatch.setattr(bridge, name, call)

    record("forward_ode", bridge.forward_ode)
    record("reverse_ode", bridge.reverse_ode)
    translate_frames(noise(20), load_pair("cpu"), DdicOptions(2), Progress(), 1.0)
    waiting = [
        done[:n].count("forward_ode") - done[:n].count("reverse_ode")
        for n in range(1, len(done) + 1)
    ]
    assert max(waiting) == reach(1.0) + 1
    assert waiting[-1] == 0
