from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from USToMRILib.correlation import median_filter, pearson
from USToMRILib.errors import InputError


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


@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_median_is_scipys_with_mirrored_borders(kernel):
    x = images(2, 2, 1, 12, 17)
    expected = [ndimage.median_filter(image[0].numpy(), kernel, mode="mirror") for image in x]
    np.testing.assert_array_equal(median_filter(x, kernel)[:, 0], expected)


def test_the_gradient_of_a_median_goes_to_the_chosen_pixel():
    x = torch.arange(25.0).view(1, 1, 5, 5).requires_grad_(True)
    median_filter(x, 5)[0, 0, 2, 2].backward()
    assert x.grad.flatten().nonzero().item() == 12
    assert x.grad.sum() == 1


@pytest.mark.parametrize("kernel", [0, 4, -3])
def test_a_kernel_without_centre_is_refused(kernel):
    with pytest.raises(InputError, match="odd"):
        median_filter(images(0, 1, 1, 8, 8), kernel)
