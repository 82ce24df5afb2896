"""Muon: momentum whose matrices are made orthogonal (Jordan et al. 2024).

After 350 steps of one run each (``training.train.pix2pix2d``, width 20, learning rate 8e-4, the
same pairs) the loss was 0.40, and 0.51 with AdamW. After 150 of ``training.train.brain_eps --domain
us`` (width 20, batch 4, learning rate 1e-3, warm-up 30) the loss of withheld heads was 0.525, and
0.538 with AdamW.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

# Coefficients of the quintic Newton-Schulz iteration, whose slope at zero is steepest.
_QUINTIC = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 5

# Root mean square of AdamW's updates, to which those of matrices are brought (Liu et al. 2025,
# arXiv:2502.16982), so that one learning rate serves both.
_ADAMW_RMS = 0.2


def muon_and_adamw(
    net: nn.Module, lr: float, weight_decay: float, ends: tuple[str, ...]
) -> list[torch.optim.Optimizer]:
    """The optimisers of a network: Muon for what lies inside of it, AdamW for the rest.

    Args:
        net: to train.
        lr: learning rate of both.
        weight_decay: of both.
        ends: how the names of the first and the last layer's parameters begin; those, and whatever
            is a vector, are AdamW's.
    """
    inner: list[nn.Parameter] = []
    rest: list[nn.Parameter] = []
    for name, parameter in net.named_parameters():
        matrix = parameter.ndim > 1 and not name.startswith(ends)
        (inner if matrix else rest).append(parameter)
    return [
        Muon(inner, lr, weight_decay),
        torch.optim.AdamW(rest, lr, weight_decay=weight_decay),
    ]


class Muon(torch.optim.Optimizer):
    """Steps of matrices and kernels of convolutions along their orthogonalised momentum.

    PyTorch's own takes matrices alone and multiplies in bfloat16, which CPUs without it emulate.

    Args:
        params: of two or more dimensions each; a kernel is a matrix with a row for each output.
        lr: learning rate, as for AdamW.
        weight_decay: as for AdamW.
        momentum: share of the earlier gradients, with Nesterov's look ahead.
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter],
        lr: float,
        weight_decay: float,
        momentum: float = 0.95,
    ) -> None:
        defaults = {"lr": lr, "weight_decay": weight_decay, "momentum": momentum}
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One step."""
        for group in self.param_groups:
            alike = defaultdict(list)
            for p in group["params"]:
                if p.grad is not None:
                    alike[p.shape].append(p)
            for parameters in alike.values():
                self._step(parameters, group)

    def _step(self, parameters: list[nn.Parameter], group: dict[str, Any]) -> None:
        """Step parameters of one shape together."""
        moments = []
        for p in parameters:
            assert p.grad is not None
            state = self.state[p]
            if not state:
                state["momentum"] = torch.zeros_like(p)
            state["momentum"].lerp_(p.grad, 1 - group["momentum"])
            moments.append(p.grad.lerp(state["momentum"], group["momentum"]).flatten(1))
        directions = orthogonalised(torch.stack(moments))
        scale = _ADAMW_RMS * max(directions.shape[-2:]) ** 0.5
        for p, direction in zip(parameters, directions, strict=True):
            p.mul_(1 - group["lr"] * group["weight_decay"])
            p.add_(direction.view(p.shape), alpha=-group["lr"] * scale)


def orthogonalised(matrices: torch.Tensor) -> torch.Tensor:
    """Matrices [N, rows, columns] with singular values of about one, where they are not zero."""
    a, b, c = _QUINTIC
    wide = matrices.shape[1] <= matrices.shape[2]
    x = matrices if wide else matrices.mT
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(_ITERATIONS):
        gram = x @ x.mT
        x = a * x + torch.baddbmm(b * gram, gram, gram, alpha=c) @ x
    return x if wide else x.mT
