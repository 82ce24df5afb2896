"""How training computes: precision, layout, and the loss of structure."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from training.networks.structural_loss import structural_loss
from training.train.precision import convolution_layout, mixed_precision
from USToMRILib.compute.precision import has_matrix_unit
from USToMRILib.evaluation.fidelity import ssim_map

CPU = torch.device("cpu")


@pytest.mark.parametrize("amx", [True, False])
def test_a_cpu_computes_in_bfloat16_where_it_has_a_matrix_unit(monkeypatch, amx):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": amx}, raising=False)
    assert has_matrix_unit(CPU) is amx
    a = torch.eye(8)
    with mixed_precision(CPU):
        assert (a @ a).dtype == (torch.bfloat16 if amx else torch.float32)
    expected = torch.contiguous_format if amx else torch.channels_last
    assert convolution_layout(CPU) == expected


@pytest.mark.parametrize("new", [True, False])
def test_a_gpu_has_a_matrix_unit_unless_it_is_old(monkeypatch, new):
    capability = (8, 0) if new else (7, 5)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert has_matrix_unit(torch.device("cuda")) is new
    assert not has_matrix_unit(torch.device("mps"))
    assert convolution_layout(torch.device("cuda"), 3) == torch.channels_last_3d


def test_an_old_torch_that_cannot_tell_computes_in_float32(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert not has_matrix_unit(CPU)


def test_the_structural_loss_is_one_minus_the_metric_inside_the_cone():
    rng = np.random.default_rng(0)
    target = rng.uniform(0, 255, (12, 24, 24))
    prediction = np.clip(target + rng.normal(0, 40, target.shape), 0, 255)
    cone = np.zeros(target.shape, bool)
    cone[4:8, 5:18, 6:19] = True
    as_network = [torch.from_numpy(a / 127.5 - 1).float()[None, None] for a in (prediction, target)]
    loss = structural_loss(*as_network, torch.from_numpy(cone)[None, None])
    assert 1 - float(loss) == pytest.approx(ssim_map(target, prediction)[cone].mean(), abs=2e-3)


def test_the_structural_loss_of_equal_images_is_zero_and_outside_does_not_count():
    image = torch.rand(2, 1, 8, 16, 16) * 2 - 1
    cone = torch.zeros_like(image, dtype=torch.bool)
    cone[..., :8] = True
    assert float(structural_loss(image, image, cone)) == pytest.approx(0, abs=1e-6)
    other = image.clone()
    other[..., 12:] = -1  # beyond the window of the last voxel inside
    assert float(structural_loss(image, other, cone)) == pytest.approx(0, abs=1e-6)
    assert float(structural_loss(image, -image, cone)) > 0.5
