"""That eps-networks are exported in a form that computes the same, on any power of two threads."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import torch

from Testing.bridge.reference_bridge import reference_ddic
from training.networks.eps import EpsNet
from training.networks.inference_form import (
    FusedAttention,
    PointwiseConvolution,
    SubpixelUpsample,
    as_trained,
    inference_form,
    trained_net,
)
from USToMRILib.bridge.diffusion_bridge import ddic
from USToMRILib.bridge.imposed import GRADIENT_STEP, MEDIAN_KERNEL
from USToMRILib.bridge.schedule import Schedule
from USToMRILib.bridge.solvers import PUBLISHED
from USToMRILib.compute.bundle import load_bundle
from USToMRILib.fetal.diffusion import MRI_BUNDLE, US_BUNDLE

ROOT = Path(__file__).resolve().parents[2]
NUMBERS = (1, 2, 4, 8)


pytestmark = pytest.mark.usefixtures("torch_threads")


def there_and_back(net: torch.nn.Module, number: int) -> tuple[torch.Tensor, torch.Tensor]:
    """What a network makes of noise on so many threads, and the gradient of its sum."""
    torch.set_num_threads(number)
    generator = torch.Generator().manual_seed(0)
    kind = next(net.parameters()).dtype
    x = torch.randn(1, 1, 128, 128, generator=generator).to(kind).requires_grad_(True)
    made = net(x, torch.tensor([400]))
    (back,) = torch.autograd.grad(made.square().sum(), x)
    return made.detach(), back


@pytest.mark.parametrize("name", [US_BUNDLE, MRI_BUNDLE])
def test_the_bundled_networks_round_the_same_on_more_threads(name: str) -> None:
    net = load_bundle(name).net
    made, back = there_and_back(net, 1)
    for number in NUMBERS[1:]:
        again, back_again = there_and_back(net, number)
        assert torch.equal(again, made)
        assert torch.equal(back_again, back)


def test_they_do_with_the_matrix_products_of_older_processors_too() -> None:
    """MKL rounds otherwise there on more threads, but for what the command sets."""
    program = """
from USToMRILib.compute.torch_environment import prepare_torch
prepare_torch()
from Testing.training.test_inference_form import NUMBERS, there_and_back
from USToMRILib.compute.bundle import load_bundle
net = load_bundle("fetal_mri_eps").net
print(len({tuple(float(x.double().sum()) for x in there_and_back(net, n)) for n in NUMBERS}))
"""
    environment = {**os.environ, "MKL_ENABLE_INSTRUCTIONS": "AVX2"}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.stdout == "1\n", done.stderr


def random_net() -> EpsNet:
    """None of its parameters is all zeros, or ones."""
    torch.manual_seed(0)
    net = EpsNet(16, Schedule.cosine()).to(memory_format=torch.channels_last).eval()
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return net


def test_the_form_for_inference_computes_the_same() -> None:
    # In double precision: noise that goes through random attention comes out as any rounding.
    net = random_net().double()
    form = inference_form(net)
    kinds = Counter(type(module) for module in form.modules())
    assert kinds[PointwiseConvolution] == 10
    assert kinds[FusedAttention] == 6
    assert kinds[SubpixelUpsample] == 2
    assert kinds[torch.nn.GroupNorm] == 0
    for mine, expected in zip(there_and_back(form, 1), there_and_back(net, 1)):
        assert torch.allclose(mine, expected, rtol=1e-9, atol=1e-9 * float(expected.abs().max()))


def test_the_network_that_was_given_stays_as_it_was() -> None:
    net = random_net().train()
    before = copy.deepcopy(net.state_dict())
    form = inference_form(net)
    assert not form.training
    assert not any(parameter.requires_grad for parameter in form.parameters())
    assert net.training
    assert all(parameter.requires_grad for parameter in net.parameters())
    assert sum(type(module) is torch.nn.GroupNorm for module in net.modules()) == 37
    for name, values in net.state_dict().items():
        assert torch.equal(values, before[name])


def test_the_parameters_as_trained_come_back() -> None:
    trained = random_net().state_dict()
    back = as_trained(inference_form(random_net()).state_dict())
    assert back.keys() == trained.keys()
    for name, values in back.items():
        torch.testing.assert_close(values, trained[name], atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", [US_BUNDLE, MRI_BUNDLE])
def test_the_bundled_networks_compute_what_monais_do_with_their_weights(name: str) -> None:
    bundle = load_bundle(name)
    nets = bundle.net, trained_net(bundle)
    for mine, expected in zip(*(there_and_back(net, 1) for net in nets)):
        assert torch.allclose(mine, expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max()))


def test_the_exact_mode_with_the_exported_form_is_the_published_algorithm_with_the_trained() -> (
    None
):
    us_net, mri_net = (trained_net(load_bundle(name)).double() for name in (US_BUNDLE, MRI_BUNDLE))
    schedule, steps = Schedule.cosine(), 4
    x0 = torch.rand(1, 1, 128, 128, generator=torch.Generator().manual_seed(0)).double()
    published = reference_ddic(
        x0,
        us_net,
        mri_net,
        schedule.alpha_bar,
        schedule.levels(steps),
        GRADIENT_STEP * schedule.num_steps / steps,
        MEDIAN_KERNEL,
    )
    nets = inference_form(us_net), inference_form(mri_net)
    made = ddic(x0, *nets, steps=steps, solver=PUBLISHED, schedule=schedule)
    torch.testing.assert_close(made, published, atol=1e-9, rtol=0)


@pytest.mark.parametrize(
    "options", [{"padding": 1}, {"groups": 2}, {"bias": False}, {"stride": 2}, {"kernel_size": 3}]
)
def test_other_convolutions_stay(options) -> None:
    net = torch.nn.Sequential(torch.nn.Conv2d(4, 4, **{"kernel_size": 1, **options}))
    assert type(inference_form(net)[0]) is torch.nn.Conv2d
