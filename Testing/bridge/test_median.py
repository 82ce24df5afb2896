"""The median filter against SciPy's, and where its gradient goes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from USToMRILib.bridge.median import median_filter
from USToMRILib.errors import InputError

ALL_KERNELS = [1, 3, 5, 7, 9]
SIZES = st.tuples(st.integers(1, 3), st.just(1), st.integers(5, 12), st.integers(5, 12))
# Of few grey levels, so that windows hold many equal pixels.
LEVELS = st.integers(-3, 3)
IMAGES = SIZES.flatmap(lambda size: arrays(np.float32, size, elements=LEVELS, fill=st.nothing()))
KERNELS = st.sampled_from(ALL_KERNELS)


@pytest.mark.parametrize("kernel", ALL_KERNELS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_it_is_scipys_with_mirrored_borders(kernel, dtype):
    x = torch.randn(3, 2, 40, 51, generator=torch.Generator().manual_seed(kernel)).to(dtype)
    for asked in (x, x.clone().requires_grad_(True)):
        made = median_filter(asked, kernel).detach().double()
        expected = ndimage.median_filter(x.double(), (1, 1, kernel, kernel), mode="mirror")
        np.testing.assert_array_equal(made, expected)


@given(IMAGES, KERNELS)
def test_it_is_scipys_among_many_equal_pixels(image, kernel):
    expected = ndimage.median_filter(image, (1, 1, kernel, kernel), mode="mirror")
    x = torch.from_numpy(image)
    for asked in (x, x.clone().requires_grad_(True)):
        np.testing.assert_array_equal(median_filter(asked, kernel).detach(), expected)


@given(IMAGES, KERNELS, st.data())
def test_the_gradient_goes_to_one_of_the_pixels_with_the_median(image, kernel, data):
    row, column = (data.draw(st.integers(0, size - 1)) for size in image.shape[2:])
    x = torch.from_numpy(image).requires_grad_(True)
    median = median_filter(x, kernel)[-1, 0, row, column]
    (gradient,) = torch.autograd.grad(median, x)
    ((batch, _, chosen_row, chosen_column),) = gradient.nonzero().tolist()
    assert gradient.sum() == 1
    assert batch == len(image) - 1
    assert x[batch, 0, chosen_row, chosen_column] == median
    assert abs(chosen_row - row) <= kernel // 2
    assert abs(chosen_column - column) <= kernel // 2


def test_the_gradient_of_the_only_median_goes_there():
    x = torch.arange(25.0).view(1, 1, 5, 5).requires_grad_(True)
    median_filter(x, 5)[0, 0, 2, 2].backward()
    assert x.grad.flatten().nonzero().item() == 12
    assert x.grad.sum() == 1


def test_windows_without_nan_are_as_they_were():
    x = torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    expected = median_filter(x, 5)[..., :5, :5]
    x[..., 7, 7] = torch.nan
    assert median_filter(x, 5)[..., 7, 7].isnan()
    x.requires_grad_(True)
    made = median_filter(x, 5)[..., :5, :5]
    assert torch.equal(made, expected)
    (gradient,) = torch.autograd.grad(made.sum(), x)
    assert gradient.sum() == 25


@pytest.mark.parametrize("kernel", [0, 4, -3])
def test_a_kernel_without_centre_is_refused(kernel):
    with pytest.raises(InputError, match="odd"):
        median_filter(torch.zeros(1, 1, 8, 8), kernel)
