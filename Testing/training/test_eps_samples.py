"""What the card of an eps-network says of its samples."""

from __future__ import annotations

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

from training.export.cards import measured_table, replace_sections
from training.export.eps_samples import least_real, measure
from training.train.dream import dream
from USToMRILib.bridge.schedule import Schedule

CARD = """# Title

What it is.

## Limits

- One.

## Measured

| what | value |
| --- | --- |
| loss | 0.5 |
"""


def images(count: int, sigma: float, seed: int) -> np.ndarray:
    """Noise of one smoothness, [count, 128, 128] in [-1, 1]."""
    noise = np.random.default_rng(seed).standard_normal((count, 128, 128))
    smooth = gaussian_filter(noise, (0, sigma, sigma))
    return np.clip(smooth / (3 * smooth.std()), -1, 1).astype(np.float32)


def test_samples_of_another_texture_are_far_and_the_least_real() -> None:
    slices = {"validation": images(12, 2, 0), "test": images(12, 2, 1)}
    good, bad = images(10, 2, 2), images(2, 6, 3)
    mixed = np.concatenate([good[:5], bad, good[5:]])
    assert {bytes(x) for x in least_real(mixed, slices["validation"], 2)} == {bytes(x) for x in bad}
    near, far = (measure(samples, slices) for samples in (good, images(10, 6, 4)))
    assert far["kernel_distance_of_samples"] > 10 * abs(near["kernel_distance_of_samples"])
    assert near["samples"] == 10
    assert near["kernel_distance_of_test_images"] == far["kernel_distance_of_test_images"]


def test_dreams_come_from_the_seed() -> None:
    net = torch.nn.Module()
    net.register_parameter("one", torch.nn.Parameter(torch.ones(())))
    net.forward = lambda x, t: x  # type: ignore[method-assign]
    first, again, other = (dream(net, Schedule.cosine(), 3, seed) for seed in (0, 0, 1))
    assert first.shape == (3, 128, 128)
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.1


def test_what_was_measured_of_several_kinds_of_data_has_a_column_each() -> None:
    kinds = {"usual": {"ssim": 0.5, "dice": {"cortex": 0.7}}, "rare": {"ssim": 0.3, "width_mm": 1}}
    assert measured_table({"command": "python", **kinds}) == (
        "| what | value |\n| --- | --- |\n| command | python |\n\n"
        "| what | usual | rare |\n| --- | --- | --- |\n| ssim | 0.5 | 0.3 |\n"
        "| dice: cortex | 0.7 |  |\n| width_mm |  | 1 |"
    )


def test_sections_are_replaced_and_new_ones_follow_the_limits() -> None:
    table = measured_table({"loss": 0.4})
    changed = replace_sections(CARD, {"Measured": table, "Known failures": "Some."})
    assert changed == CARD.replace("0.5", "0.4").replace(
        "- One.\n", "- One.\n\n## Known failures\n\nSome.\n"
    )
    assert replace_sections(CARD, {}) == CARD
