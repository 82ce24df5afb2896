"""The moving average of a network's weights over its training: what is measured and exported."""

from __future__ import annotations

import torch
from torch import nn


@torch.no_grad()
def move_average(average: nn.Module, current: nn.Module, step: int, decay: float) -> None:
    """Move the averaged network, with the statistics of its normalisation, on by a step.

    Args:
        average: a network of the same kind as `current`, changed in place.
        current: the network after its step number `step`, counted from 1.
        step: early on the average is short, so that it does not keep the random start.
        decay: share of the old average that is kept in the end.
    """
    decay = min(decay, (1 + step) / (10 + step))
    newest = current.state_dict()
    for name, value in average.state_dict().items():
        if value.dtype.is_floating_point:
            value.lerp_(newest[name], 1 - decay)
        else:
            value.copy_(newest[name])
