"""Images that an eps-network dreams."""

from __future__ import annotations

import numpy as np
import torch

from USToMRILib.bridge.diffusion_bridge import decode
from USToMRILib.bridge.schedule import Schedule
from USToMRILib.fetal.frame_spec import FrameSpec

STEPS, SOLVER = 30, "dpm++2m"
# Images that a network takes together.
AT_ONCE = 16


def dream(net: torch.nn.Module, schedule: Schedule, count: int, seed: int) -> np.ndarray:
    """Dreamed images, float32 [count, 128, 128], by the deterministic sampler from fixed noise.

    Args:
        net: eps(x, t) of a fetal domain.
        schedule: that it was trained with.
        count: how many.
        seed: of the noise.
    """
    device = next(net.parameters()).device
    generator = torch.Generator().manual_seed(seed)
    latent = torch.randn(count, 1, *FrameSpec.paper().shape, generator=generator).to(device)
    dreamed = [decode(part, net, schedule, STEPS, SOLVER) for part in latent.split(AT_ONCE)]
    return torch.cat(dreamed)[:, 0].cpu().numpy()
