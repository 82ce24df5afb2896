"""That rounding does not depend on the number of CPU threads, where that is a power of two."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from training.eps_net import EpsNet
from training.steady import PointwiseConvolution, SteadyGroupNorm, steady
from USToMRILib.bundle import load_bundle
from USToMRILib.schedule import Schedule

ROOT = Path(__file__).resolve().parents[1]
NUMBERS = (1, 2, 4, 8)


pytestmark = pytest.mark.usefixtures("torch_threads")


def there_and_back(net: torch.nn.Module, number: int) -> tuple[torch.Tensor, torch.Tensor]:
    """What a network makes of noise on so many threads, and the gradient of its sum."""
    torch.set_num_threads(number)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, 1, 128, 128, generator=generator).requires_grad_(True)
    made = net(x, torch.tensor([400]))
    (back,) = torch.autograd.grad(made.square().sum(), x)
    return made.detach(), back


@pytest.mark.parametrize("name", ["fetal_us_eps", "fetal_mri_eps"])
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
from USToMRILib.torch_environment import prepare_torch
prepare_torch()
from Testing.test_steady import NUMBERS, there_and_back
from USToMRILib.bundle import load_bundle
net = load_bundle("fetal_mri_eps").net
print(len({tuple(float(x.double().sum()) for x in there_and_back(net, n)) for n in NUMBERS}))
"""
    environment = {**os.environ, "MKL_ENABLE_INSTRUCTIONS": "AVX2"}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.stdout == "1\n", done.stderr


def test_a_steady_network_computes_the_same() -> None:
    torch.manual_seed(0)
    net = EpsNet(16, Schedule.cosine()).to(memory_format=torch.channels_last).eval()
    for parameter in net.parameters():  # so that none is all zeros, or ones
        torch.nn.init.normal_(parameter, std=0.2)
    calm = steady(net)
    assert sum(isinstance(module, PointwiseConvolution) for module in calm.modules()) == 10
    assert not any(type(module) is torch.nn.GroupNorm for module in calm.modules())
    assert calm.state_dict().keys() == net.state_dict().keys()
    for mine, expected in zip(there_and_back(calm, 1), there_and_back(net, 1)):
        assert torch.allclose(mine, expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max()))


def test_the_network_that_was_given_stays_as_it_was() -> None:
    net = torch.nn.Sequential(torch.nn.Conv2d(4, 4, 1), torch.nn.GroupNorm(2, 4)).train()
    calm = steady(net)
    assert [type(module) for module in net] == [torch.nn.Conv2d, torch.nn.GroupNorm]
    assert [type(module) for module in calm] == [PointwiseConvolution, SteadyGroupNorm]
    assert calm.training
    assert all(module.training for module in calm)


@pytest.mark.parametrize(
    "options", [{"padding": 1}, {"groups": 2}, {"bias": False}, {"stride": 2}, {"kernel_size": 3}]
)
def test_other_convolutions_stay(options) -> None:
    net = torch.nn.Sequential(torch.nn.Conv2d(4, 4, **{"kernel_size": 1, **options}))
    assert type(steady(net)[0]) is torch.nn.Conv2d
