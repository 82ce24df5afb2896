"""Fixtures: real data where there are any, tiny bundles with known answers, a drawn head."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import settings

from training.export.bundle import data_format, export_bundle
from USToMRILib import Grid, Volume
from USToMRILib.bridge.schedule import Schedule
from USToMRILib.compute.bundle import models_dir
from USToMRILib.compute.torch_environment import prepare_torch
from USToMRILib.fetal.ellipse import Ellipse

prepare_torch()

# Two test processes share two cores.
torch.set_num_threads(1)

# How long an example takes is the machine's affair.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real images; tests that need it skip where there is none."""
    folder = os.environ.get("USTOMRI_DATA")
    if not folder:
        pytest.skip("USTOMRI_DATA names no folder with real images")
    return Path(folder)


@pytest.fixture
def torch_threads() -> Iterator[Callable[[int], None]]:
    """Set how many threads torch has; afterwards it has those that it had."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.fixture
def bundled() -> Path:
    """The bundles of the repository."""
    return models_dir()


class ScaledEps(torch.nn.Module):
    """The exact eps of independent pixels N(0, deviation^2); a bridge between two is a scaling."""

    def __init__(self, deviation: float) -> None:
        super().__init__()
        self.register_buffer("ab", torch.from_numpy(Schedule.cosine().alpha_bar[1:]).float())
        self.variance = deviation**2

    def forward(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        ab = self.ab[t].view(-1, 1, 1, 1)  # type: ignore[index]
        return (1 - ab).sqrt() / (ab * self.variance + 1 - ab) * x


class SizedEps(ScaledEps):
    """The same with the deviation size / 100, for a size in mm that comes with every image."""

    def forward(  # type: ignore[override]
        self, x: torch.Tensor, t: torch.Tensor, size: torch.Tensor
    ) -> torch.Tensor:
        ab = self.ab[t].view(-1, 1, 1, 1)  # type: ignore[index]
        variance = (size / 100).square().view(-1, 1, 1, 1)
        return (1 - ab).sqrt() / (ab * variance + 1 - ab) * x


class OnePass(torch.nn.Module):
    """MRI is the negative of ultrasound; what is dark of it fluid, the rest white matter."""

    def forward(self, us: torch.Tensor, size: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        outside = (us <= -1).float()
        fluid = (1 - outside) * (us < 0).float()
        rest = torch.zeros_like(us).expand(-1, 6, -1, -1)
        logits = torch.cat([outside, 1 - outside - fluid, fluid, rest], dim=1)
        return torch.where(us <= -1, us, -us), 20 * logits


class BrightIsHead(torch.nn.Module):
    """Probability of head: high where the image is brighter than the middle of its range."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(20 * torch.nn.functional.avg_pool2d(x, 5, 1, 2))


class Negative(torch.nn.Module):
    """A generator that turns black into white."""

    def forward(self, us: torch.Tensor) -> torch.Tensor:
        return -us


def frame_metadata(caution: str | None = None) -> dict:
    pixels = {"0": "image"}
    return {
        "version": "0.0.0",
        "task": "test",
        "network_data_format": {
            "inputs": {"image": data_format(pixels, [128, 128], [-1, 1], "image")},
            "outputs": {"pred": data_format(pixels, [128, 128], [-9, 9], "noise")},
        },
        "caution": caution,
        "spacing_mm": [1.094, 1.094],
    }


def eps_metadata() -> dict:
    return {**frame_metadata(), "schedule": {"name": "cosine", "num_steps": 1000}}


def brain_metadata(**more: Any) -> dict:
    frame = {"kind": "head", "long_axis_pixels": 112, "shape": [128, 128], "inside": "skull"}
    metadata = {**frame_metadata(), "frame": frame, **more}
    del metadata["spacing_mm"]
    metadata["network_data_format"]["inputs"]["size"] = {"type": "float32", "shape": ["B"]}
    return metadata


def export_tiny_models(folder: Path) -> None:
    """Write bundles whose answers are known in closed form."""
    volume_metadata = {
        "version": "0.0.0",
        "task": "test",
        "caution": "Only a test.",
        "contrast": "T2",
        "spacing_mm": [1.0, 1.0, 1.0],
        "divisors": [8, 16, 16],
        "window": [8, 32, 32],
        "receptive_field": {"reach": [0, 0, 0]},
    }
    nets = {
        "fetal_us_eps": (ScaledEps(0.5), eps_metadata()),
        "fetal_mri_eps": (ScaledEps(0.4), eps_metadata()),
        "fetal_head_seg": (BrightIsHead(), {"version": "0.0.0", "task": "test"}),
        "pix2pix3d": (Negative(), volume_metadata),
        "cyclegan_fetal": (Negative(), frame_metadata("Only a test.")),
        "pix2pix2d": (OnePass(), brain_metadata()),
        "fetal_brain_mri_eps": (SizedEps(0.4), brain_metadata(schedule=eps_metadata()["schedule"])),
    }
    for name, (net, metadata) in nets.items():
        export_bundle(name, torch.jit.script(net.eval()), metadata, "card", "licence", folder)


@pytest.fixture(scope="session")
def tiny_models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    export_tiny_models(folder)
    return folder


@pytest.fixture
def tiny_models(tiny_models_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Bundles whose answers are known in closed form, in the place of the real ones."""
    monkeypatch.setenv("USTOMRI_MODELS", str(tiny_models_dir))
    return tiny_models_dir


HEAD = Ellipse((52.0, 43.0), (38.0, 30.0), 0.35)


@pytest.fixture
def head_slice() -> Volume:
    """A drawn head of known ellipse, 16-bit, in an oblique, flipped, anisotropic plane."""
    spacing, shape = (0.35, 0.3), (300, 320)
    rows, columns = np.indices(shape)
    texture = 40 * np.sin(columns * spacing[0] / 7) * np.cos(rows * spacing[1] / 9)
    pixels = np.where(HEAD.mask(shape, spacing), 300 + texture, 20)
    c, s = np.cos(0.6), np.sin(0.6)
    direction = (c, 0.0, s, s, 0.0, -c, 0.0, 1.0, 0.0)
    grid = Grid((320, 300, 1), (*spacing, 2.0), (10.0, -20.0, 30.0), direction)
    return Volume(pixels[None].astype(np.int16), grid)
