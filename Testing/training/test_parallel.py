"""Several processes train as one with a larger batch."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import multiprocessing

from training.train.checkpoint import step_generator
from training.train.parallel import ALONE, start_ranks


def free_port() -> int:
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return int(opened.getsockname()[1])


def images(rank: int) -> torch.Tensor:
    return torch.randn(5, 3, generator=step_generator(0, 5, rank))


def net() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.BatchNorm1d(3, affine=False), torch.nn.Linear(3, 1))


def work(rank: int, folder: str, port: int) -> None:
    """What one of two processes does: one step on its own images."""
    os.environ.update(
        RANK=str(rank),
        WORLD_SIZE="2",
        LOCAL_RANK=str(rank),
        MASTER_ADDR="127.0.0.1",
        MASTER_PORT=str(port),
    )
    torch.set_num_threads(1)
    ranks, device = start_ranks()
    cache = Path(folder) / "cache"
    with ranks.first_alone():
        found = cache.exists()
        cache.touch()
    model = net().to(device)
    model(images(rank)).square().mean().backward()
    ranks.average_gradients(model)
    ranks.average_buffers(model)
    np.savez(
        Path(folder) / f"{rank}.npz",
        gradient=model[1].weight.grad,
        mean=model[0].running_mean,
        found=found,
        first=ranks.first,
    )


def test_two_processes_step_by_the_mean_of_their_gradients(tmp_path: Path) -> None:
    multiprocessing.spawn(work, args=(str(tmp_path), free_port()), nprocs=2)
    gradients, means = [], []
    for rank in (0, 1):
        model = net()
        model(images(rank)).square().mean().backward()
        gradients.append(model[1].weight.grad.numpy())
        means.append(model[0].running_mean.numpy())
    assert not np.allclose(*gradients)
    for rank in (0, 1):
        with np.load(tmp_path / f"{rank}.npz") as done:
            np.testing.assert_allclose(done["gradient"], np.mean(gradients, axis=0), rtol=1e-5)
            np.testing.assert_allclose(done["mean"], np.mean(means, axis=0), rtol=1e-5)
            assert done["first"] == (rank == 0)
            assert done["found"] == (rank == 1)  # the first was alone in the block


def test_alone_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    ranks, _ = start_ranks()
    assert ranks == ALONE
    assert ranks.first
    model = net()
    model(images(0)).mean().backward()
    before = model[1].weight.grad.clone()
    ranks.average_gradients(model)
    assert torch.equal(model[1].weight.grad, before)
    same = torch.rand(3, generator=step_generator(4, 7))
    assert torch.equal(same, torch.rand(3, generator=torch.Generator().manual_seed(4_000_019)))
