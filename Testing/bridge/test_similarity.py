from __future__ import annotations

import numpy as np
import pytest
import torch

from USToMRILib.bridge.similarity import local_correlation, mutual_information, pearson


def images(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_pearson_is_numpys_for_each_pair():
    x, y = images(0, 3, 1, 20, 30), images(1, 3, 1, 20, 30)
    y = y + 0.5 * x
    expected = [np.corrcoef(a.flatten(), b.flatten())[0, 1] for a, b in zip(x, y)]
    np.testing.assert_allclose(pearson(x, y), expected, atol=1e-6)
    np.testing.assert_allclose(pearson(x, -4 * x + 9), -1, atol=1e-6)


def test_a_constant_image_correlates_with_nothing_and_has_a_finite_gradient():
    x, y = images(0, 1, 1, 8, 8), torch.full((1, 1, 8, 8), 0.25, requires_grad=True)
    value = pearson(x, y)
    value.sum().backward()
    assert value.item() == 0
    assert y.grad.isfinite().all()


def test_the_squared_local_correlation_is_that_of_each_window():
    x, y = images(3, 1, 1, 24, 20), images(4, 1, 1, 24, 20)
    y = y + x
    windows = (
        (
            x[0, 0, max(i - 4, 0) : i + 5, max(j - 4, 0) : j + 5].flatten().numpy(),
            y[0, 0, max(i - 4, 0) : i + 5, max(j - 4, 0) : j + 5].flatten().numpy(),
        )
        for i in range(24)
        for j in range(20)
    )
    expected = np.mean([np.corrcoef(a, b)[0, 1] ** 2 for a, b in windows])
    assert local_correlation(x, y).item() == pytest.approx(expected, abs=2e-3)


def test_mutual_information_of_gaussians_is_the_closed_form():
    x, noise = images(5, 1, 1, 200, 200), images(6, 1, 1, 200, 200)
    for rho in (0.0, 0.6, -0.9):
        y = rho * x + (1 - rho**2) ** 0.5 * noise
        # A Parzen window adds the variance of its own to each image.
        blurred = [1 + ((image.max() - image.min()) / 31) ** 2 for image in (x, y)]
        seen = rho / (blurred[0] * blurred[1]).sqrt()
        expected = float(-(1 - seen**2).log() / 2)
        assert mutual_information(x, y).item() == pytest.approx(expected, rel=0.03, abs=0.01)


@pytest.mark.parametrize("measure", [local_correlation, mutual_information])
def test_the_other_measures_do_not_ask_for_equal_contrast(measure):
    x = torch.nn.functional.avg_pool2d(images(7, 2, 1, 44, 44), 5, 1)
    other = torch.nn.functional.avg_pool2d(images(8, 2, 1, 44, 44), 5, 1)
    torch.testing.assert_close(measure(x, -x), measure(x, x), rtol=1e-3, atol=0)
    assert (measure(x, -x) > 3 * measure(x, other)).all()
    # Each pair has its own value, and one gradient step raises it.
    torch.testing.assert_close(measure(x[:1], other[:1]), measure(x, other)[:1])
    y = other.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(measure(x, y).sum(), y)
    nearer = y + 0.02 * gradient / gradient.std()
    assert (measure(x, nearer) > measure(x, y)).all()


@pytest.mark.parametrize("measure", [pearson, local_correlation, mutual_information])
def test_a_flat_image_has_a_finite_gradient(measure):
    y = torch.zeros(1, 1, 16, 16, requires_grad=True)
    measure(images(9, 1, 1, 16, 16), y).sum().backward()
    assert y.grad.isfinite().all()
