"""What is computed only where it is needed is what ITK and SciPy make of the whole image."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.ndimage import gaussian_filter, map_coordinates

from USToMRILib.fetal.ellipse import Ellipse
from USToMRILib.fetal.frame import HeadFrame
from USToMRILib.fetal.frame_spec import FrameSpec
from USToMRILib.image.intensity import percentile
from USToMRILib.image.resampling import Places, on_grid
from USToMRILib.image.smoothing import smoothed

SHAPE, SPACING = (150, 210), (0.3, 0.4)


def speckle(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0, 255, shape).astype(np.float32)


def grid_at(x: float, y: float, pixel: float, turn: float) -> sitk.Image:
    """A grid of 40 x 30 pixels whose first lies at (x, y) mm."""
    grid = sitk.Image([40, 30], sitk.sitkUInt8)
    grid.SetSpacing([pixel, pixel])
    grid.SetOrigin([x, y])
    grid.SetDirection([np.cos(turn), -np.sin(turn), np.sin(turn), np.cos(turn)])
    return grid


@pytest.mark.parametrize("sigma", [0.0, 0.05, 0.5, 3.0])
@pytest.mark.parametrize(
    "grid",
    [
        grid_at(20, 15, 0.7, 0.4),
        grid_at(-5, 30, 1.5, -0.9),
        grid_at(50, 50, 0.2, 2.0),
        grid_at(63, 0, 0.5, 0.0),
    ],
    ids=["inside", "over the edges", "fine", "beside"],
)
def test_sampling_is_that_of_itk(grid: sitk.Image, sigma: float) -> None:
    pixels = speckle(SHAPE)
    image = sitk.GetImageFromArray(pixels)
    image.SetSpacing(SPACING)
    if sigma:
        image = sitk.SmoothingRecursiveGaussian(image, sigma)
    expected = sitk.GetArrayFromImage(sitk.Resample(image, grid))
    np.testing.assert_allclose(on_grid(pixels, SPACING, grid, sigma), expected, atol=0.02)


def test_interpolation_is_that_of_scipy() -> None:
    """Between the pixels and up to half a pixel beyond the outermost."""
    image, random = speckle((30, 40)), np.random.default_rng(1)
    x, y = (random.uniform(-0.5, n - 0.5, (9, 50)).astype(np.float32) for n in (40, 30))
    places = Places(x, y)
    expected = map_coordinates(image.astype(float), [y, x], order=3, mode="mirror")
    np.testing.assert_allclose(places.cubic(image), expected, atol=0.01)
    both = np.stack([image, 2 * image])
    expected = map_coordinates(image.astype(float), [y, x], order=1, mode="nearest")
    np.testing.assert_allclose(places.linear(both), [expected, 2 * expected], atol=0.02)
    assert places.inside(image.shape).all()
    assert not Places(x + 41, y).inside(image.shape).any()


def test_wide_smoothing_is_that_of_scipy() -> None:
    image = speckle((64, 80)).astype(float)
    for sigma in (3.0, 18.0):
        np.testing.assert_allclose(smoothed(image, sigma), gaussian_filter(image, sigma), rtol=1e-9)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_percentiles_are_those_of_numpy(dtype: type) -> None:
    pixels = speckle((17, 23)).astype(dtype)
    for percent in (0, 1.0, 50, 99.5, 100):
        assert percentile(pixels, percent) == pytest.approx(np.percentile(pixels, percent))


def test_a_head_beside_the_slice_leaves_it_empty() -> None:
    spec = FrameSpec("head", (64, 64), long_axis_pixels=60)
    frame = HeadFrame(Ellipse((-90.0, -70.0), (40.0, 30.0), 0.3), SHAPE, SPACING, spec)
    assert not frame.to_frame(speckle(SHAPE)).any()
    assert not frame.to_source(speckle(spec.shape)).any()
    assert not frame.labels_to_source(speckle((3, *spec.shape))).any()
