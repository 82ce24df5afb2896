"""A PatchGAN that learns to tell what a network draws from MRI, and so what the network lacks."""

from __future__ import annotations

from typing import Any

import torch
from monai.losses import PatchAdversarialLoss

from training.networks.cyclegan import make_discriminator

# All that is darker is background: a network's is never quite as even as that of an MRI, and
# nothing should be learned from it.
_DARKEST = -0.9


class Critic:
    """Judge of slices, and its optimiser.

    It does not see the ultrasound, so that what is drawn of real heads, whose MRI nobody has, can
    be judged as well.

    Args:
        width: channels of its first level.
        learning_rate: of Adam.
        device: where it is.
    """

    def __init__(self, width: int, learning_rate: float, device: torch.device) -> None:
        self.net = make_discriminator(width).to(device)
        self.optimiser = torch.optim.Adam(self.net.parameters(), learning_rate, betas=(0.5, 0.999))
        self._loss = PatchAdversarialLoss(criterion="least_squares", no_activation_leastsq=True)

    def doubt(self, made: torch.Tensor) -> torch.Tensor:
        """How far drawn slices [B, 1, H, W] are from passing for MRI: a loss of who drew them."""
        self.net.requires_grad_(False)
        return self._loss(self._scores(made), target_is_real=True, for_discriminator=False)

    def train_step(self, made: torch.Tensor, mri: torch.Tensor) -> torch.Tensor:
        """One step towards telling drawn slices from MRI, [B, 1, H, W] each; the loss."""
        self.net.requires_grad_(True)
        parts = [
            self._loss(self._scores(slices), target_is_real=real, for_discriminator=True)
            for slices, real in ((mri, True), (made.detach(), False))
        ]
        loss = torch.stack(parts).mean()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        return loss.detach()

    def _scores(self, slices: torch.Tensor) -> torch.Tensor:
        return self.net(slices.clamp(_DARKEST, 1))[-1]

    def state(self) -> dict[str, Any]:
        """What its training depends on."""
        return {"net": self.net.state_dict(), "optimiser": self.optimiser.state_dict()}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from :meth:`state`."""
        self.net.load_state_dict(state["net"])
        self.optimiser.load_state_dict(state["optimiser"])
