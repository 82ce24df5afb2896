"""Muon's steps: orthogonal, of AdamW's size, and towards the least loss."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from training.train.muon import Muon, muon_and_adamw, orthogonalised


@pytest.mark.parametrize("shape", [(3, 8, 24), (2, 40, 9), (1, 16, 16)])
def test_orthogonalised_matrices_have_their_singular_vectors_and_values_of_about_one(shape):
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    u, _, v = torch.linalg.svd(matrices, full_matrices=False)
    values = u.mT @ orthogonalised(matrices) @ v.mT
    diagonal = values.diagonal(dim1=1, dim2=2)
    assert diagonal.min() > 0.3
    assert diagonal.max() < 1.3
    assert (values - torch.diag_embed(diagonal)).abs().max() < 1e-3


def test_a_step_is_as_long_as_one_of_adamw_whatever_the_gradient_and_the_layout():
    kernel = nn.Parameter(torch.zeros(16, 8, 3, 3).to(memory_format=torch.channels_last))
    optimiser = Muon([kernel], lr=0.1, weight_decay=0.0)
    kernel.grad = 1e-6 * torch.randn_like(kernel)
    optimiser.step()
    assert kernel.detach().square().mean().sqrt().item() == pytest.approx(0.1 * 0.2, rel=0.2)


def test_a_network_of_both_layouts_learns_alike():
    first, losses = 0.0, []
    for layout in (torch.contiguous_format, torch.channels_last):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Conv2d(1, 8, 3), nn.SiLU(), nn.Conv2d(8, 8, 3), nn.Conv2d(8, 1, 1))
        net.to(memory_format=layout)
        optimisers = muon_and_adamw(net, 3e-3, 0.0, ("0", "3"))
        x = torch.randn(4, 1, 12, 12)
        wanted = x[:, :, 2:-2, 2:-2].abs()
        for _ in range(60):
            loss = (net(x) - wanted).square().mean()
            first = first or loss.item()
            net.zero_grad()
            loss.backward()
            for optimiser in optimisers:
                optimiser.step()
        losses.append(loss.item())
    assert losses[0] == pytest.approx(losses[1], rel=0.05)
    assert losses[0] < first / 2


def test_every_parameter_has_one_optimiser_and_vectors_and_ends_have_adamw():
    net = nn.Sequential(nn.Conv2d(1, 8, 3), nn.Conv2d(8, 8, 3), nn.GroupNorm(2, 8))
    muon, adamw = muon_and_adamw(net, 1e-3, 0.0, ("0",))
    shared = [[id(p) for g in o.param_groups for p in g["params"]] for o in (muon, adamw)]
    assert shared[0] == [id(net[1].weight)]
    assert sorted(shared[0] + shared[1]) == sorted(id(p) for p in net.parameters())
