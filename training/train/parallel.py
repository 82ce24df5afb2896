"""One run on several processes, one a GPU, as ``torchrun`` starts them.

``torchrun --nproc-per-node 4 -m training.train.eps --domain us`` trains with four times the batch:
every process draws its own, and the gradients are averaged. Plain all-reduce, not
DistributedDataParallel: its hooks do not allow a network to run several times before one backward
pass, nor two that take turns, as adversarial training does. Alone, nothing here does anything.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import distributed


@dataclass(frozen=True)
class Ranks:
    """The processes of a run.

    Attributes:
        rank: number of this one; 0 validates, logs and writes.
        count: of all of them.
    """

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this process writes."""
        return self.rank == 0

    def average_gradients(self, net: torch.nn.Module) -> None:
        """Give every process the mean of all processes' gradients; call before the step."""
        if self.count > 1:
            self._average([p.grad for p in net.parameters() if p.grad is not None])

    def average_buffers(self, net: torch.nn.Module) -> None:
        """Give every process the mean of all processes' running statistics."""
        if self.count > 1:
            self._average([b for b in net.buffers() if b.dtype.is_floating_point])

    @torch.no_grad()
    def _average(self, tensors: list[torch.Tensor]) -> None:
        if not tensors:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        distributed.all_reduce(flat)
        parts = (flat / self.count).split([tensor.numel() for tensor in tensors])
        for tensor, part in zip(tensors, parts):
            tensor.copy_(part.view(tensor.shape))

    @contextmanager
    def first_alone(self) -> Iterator[None]:
        """Let the first process do the block before the others: it fills caches that they read."""
        if not self.first:
            distributed.barrier()
        yield
        if self.first and self.count > 1:
            distributed.barrier()


ALONE = Ranks()


def start_ranks() -> tuple[Ranks, torch.device]:
    """Join the processes that ``torchrun`` started, if it did; return them and the device."""
    cuda = torch.cuda.is_available()
    if "RANK" not in os.environ:
        return ALONE, torch.device("cuda" if cuda else "cpu")
    distributed.init_process_group("nccl" if cuda else "gloo")
    atexit.register(distributed.destroy_process_group)
    device = torch.device("cuda", int(os.environ["LOCAL_RANK"])) if cuda else torch.device("cpu")
    if cuda:
        torch.cuda.set_device(device)
    return Ranks(distributed.get_rank(), distributed.get_world_size()), device
