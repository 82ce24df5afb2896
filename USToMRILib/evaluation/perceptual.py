"""LPIPS: distance of two images in the features of a network that knows photographs.

torchmetrics has it too, and the published weights of the channels are read from there. But it takes
the network, AlexNet, from torchvision, which downloads weights by itself, and whose wheels on PyPI
are built for CUDA: beside the PyTorch for CPUs they cannot be imported (torch 2.13.0+cpu with
torchvision 0.28.0, "operator torchvision::nms does not exist"), and each wants one version of torch
alone, which would replace Slicer's. Here the network is built of its five convolutions, and its
weights are a file that the user names; nothing is ever downloaded.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError

if TYPE_CHECKING:
    import torch

BACKBONE_FILE = "alexnet-owt-7be5be79.pth"

# Of the photographs that the backbone was trained on, on a scale of -1 .. 1 (Zhang et al. 2018).
_SHIFT = (-0.030, -0.088, -0.188)
_SCALE = (0.458, 0.448, 0.450)

# With fewer, nothing is left for the last stages.
_LEAST_PIXELS = 31


@dataclass(frozen=True)
class Lpips:
    """Learned perceptual image patch similarity, version 0.1, AlexNet (Zhang et al. 2018).

    Attributes:
        stages: the backbone, cut after each of its five activations.
        heads: weight of every channel of each stage, [1, C, 1, 1].
    """

    stages: list[torch.nn.Module]
    heads: list[torch.Tensor]

    def distance(self, reference: np.ndarray, image: np.ndarray) -> float:
        """Mean over the slices of the distance, 0: alike.

        Args:
            reference, image: [k, j, i] in 0 .. 255.

        Raises:
            InputError: they are too small for the network.
        """
        import torch

        if min(reference.shape[1:]) < _LEAST_PIXELS:
            raise InputError(
                f"LPIPS needs images of at least {_LEAST_PIXELS} x {_LEAST_PIXELS} pixels."
            )
        with torch.no_grad():
            x, y = (_photograph(array) for array in (reference, image))
            total = torch.zeros(len(x))
            for stage, head in zip(self.stages, self.heads):
                x, y = stage(x), stage(y)
                unit_x, unit_y = (torch.nn.functional.normalize(z, dim=1) for z in (x, y))
                total += ((unit_x - unit_y).square() * head).sum(1).mean((1, 2))
        return float(total.mean())


def load_lpips(backbone: Path | None) -> Lpips:
    """The network with torchvision's AlexNet and the published weights of its channels.

    Args:
        backbone: torchvision's ``alexnet-owt-7be5be79.pth``; None: where torch keeps downloads.

    Raises:
        InputError: if there is no such file, or it is another.
    """
    import torch
    import torchmetrics

    path = backbone or Path(torch.hub.get_dir()) / "checkpoints" / BACKBONE_FILE
    if not path.is_file():
        raise InputError(
            "LPIPS needs the weights of AlexNet; download "
            f"https://download.pytorch.org/models/{BACKBONE_FILE} and give it with --lpips-weights."
        )
    features = alexnet_features()
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        features.load_state_dict(
            {k[len("features.") :]: v for k, v in state.items() if k.startswith("features.")}
        )
    except Exception as error:  # torch raises whatever it meets in another file
        raise InputError(
            f"{path} is not torchvision's AlexNet ({BACKBONE_FILE}); download it again."
        ) from error
    heads = torch.load(
        Path(torchmetrics.__file__).parent / "functional/image/lpips_models/alex.pth",
        map_location="cpu",
        weights_only=True,
    )
    cuts = (0, 2, 5, 8, 10, 12)
    stages = [features[start:end] for start, end in zip(cuts, cuts[1:])]
    return Lpips(stages, [heads[f"lin{i}.model.1.weight"] for i in range(len(stages))])


def alexnet_features() -> torch.nn.Sequential:
    """The convolutions of torchvision's AlexNet, with its names of parameters."""
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(3, 64, 11, stride=4, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2),
        nn.Conv2d(64, 192, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2),
        nn.Conv2d(192, 384, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(256, 256, 3, padding=1),
        nn.ReLU(),
    ).eval()


def _photograph(array: np.ndarray) -> torch.Tensor:
    """Grey slices as colour on the scale of the backbone's training, [k, 3, j, i]."""
    import torch

    grey = torch.from_numpy(np.ascontiguousarray(array, np.float32))[:, None] / 127.5 - 1
    shift, scale = (torch.tensor(values).view(1, 3, 1, 1) for values in (_SHIFT, _SCALE))
    return (grey - shift) / scale
