"""That what belongs on the network's device is there, shown without one.

PyTorch's fake tensors have no values, but a device: mixing those of two devices fails as it would
on a GPU. The networks are those that are exported, before they are traced.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from training.networks.eps import EpsNet
from training.networks.inference_form import inference_form
from USToMRILib.bridge import diffusion_bridge as bridge
from USToMRILib.bridge.schedule import Schedule
from USToMRILib.bridge.similarity import PEARSON, SIMILARITIES
from USToMRILib.bridge.solvers import SOLVERS
from USToMRILib.compute.bundle import Bundle
from USToMRILib.fetal import diffusion as fetal_bridge
from USToMRILib.fetal.diffusion import (
    DEFAULT_SOLVER,
    DEVICE_FRAMES,
    DdibOptions,
    DdicOptions,
    EpsPair,
    residual_frames,
    translate_frames,
)
from USToMRILib.fetal.frame_spec import FrameSpec
from USToMRILib.progress import Progress

# Any name of a device that this build of PyTorch knows, and on which it can make no real tensor.
ELSEWHERE = "lazy"

OPTIONS = {"ddib": DdibOptions, "ddic": DdicOptions}


@pytest.fixture
def pair(monkeypatch) -> Iterator[EpsPair]:
    """Networks elsewhere; they and their images are fake while a test has them."""
    monkeypatch.setattr(bridge, "_finite", lambda x, level: x)  # asks for a value
    schedule = Schedule.cosine()
    net = inference_form(EpsNet(16, schedule))
    with FakeTensorMode():
        for module in net.modules():
            for values in (module._parameters, module._buffers):
                values.update({name: fake(value) for name, value in values.items()})
        bundle = Bundle("fake", {"network_data_format": {"inputs": {}}}, "", net)
        yield EpsPair(bundle, bundle, schedule, FrameSpec.paper(), ELSEWHERE)


def fake(value: torch.Tensor | None) -> torch.Tensor | None:
    return None if value is None else torch.empty(value.shape, dtype=value.dtype, device=ELSEWHERE)


def test_devices_cannot_be_mixed_unnoticed(pair) -> None:
    with pytest.raises(RuntimeError, match="device"):
        pair.us.net(torch.zeros(1, 1, 128, 128), torch.zeros(1, dtype=torch.int64))


@pytest.mark.parametrize(
    ("solver", "similarity"),
    sorted({*product(SOLVERS, [PEARSON]), *product([DEFAULT_SOLVER], SIMILARITIES)}),
)
def test_frames_are_translated_there_and_come_back(pair, solver, similarity) -> None:
    settings = DdicOptions(2, solver, similarity=similarity)
    x0 = torch.zeros(DEVICE_FRAMES + 1, 1, 128, 128)
    made = translate_frames(x0, pair, settings, Progress())
    assert made.shape == x0.shape
    assert made.device.type == "cpu"


@pytest.mark.parametrize("method", ["ddic", "ddib"])
def test_a_stack_shares_its_latents_here(pair, method, monkeypatch) -> None:
    def share(latents: torch.Tensor, sigma: float, part: slice) -> torch.Tensor:
        assert latents.device.type == "cpu"
        return latents[part]

    monkeypatch.setattr(fetal_bridge, "share", share)  # asks for values
    x0 = torch.zeros(2 * DEVICE_FRAMES + 1, 1, 128, 128)
    made = translate_frames(x0, pair, OPTIONS[method](2), Progress(), sigma=2.0)
    assert made.shape == x0.shape
    assert made.device.type == "cpu"


def test_the_residual_is_computed_there(pair) -> None:
    x0 = torch.zeros(2, 1, 128, 128)
    made = residual_frames(x0, x0, pair, DdicOptions(2), Progress())
    assert made.shape == x0.shape
    assert made.device.type == "cpu"
