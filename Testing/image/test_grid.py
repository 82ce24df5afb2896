"""The grid: physical positions against SimpleITK's, and refusals."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given

from Testing.image.made_volumes import grids
from USToMRILib.errors import InputError
from USToMRILib.image.grid import Grid


def test_known_positions() -> None:
    # j runs towards the left, i towards the head, k towards the front.
    grid = Grid((4, 5, 6), (0.5, 2.0, 3.0), (10, 20, 30), (0, 1, 0, 0, 0, -1, 1, 0, 0))
    assert grid.shape == (6, 5, 4)
    np.testing.assert_array_equal(grid.index_to_physical([2, 0, 0]), [10, 20, 31])
    np.testing.assert_array_equal(grid.index_to_physical([0, 1, 0]), [12, 20, 30])
    np.testing.assert_array_equal(grid.index_to_physical([0, 0, 1]), [10, 17, 30])


@given(grids())
def test_index_to_physical_is_that_of_itk_and_inverts(grid: Grid) -> None:
    image = sitk.Image(list(grid.size), sitk.sitkUInt8)
    image.SetSpacing(grid.spacing)
    image.SetOrigin(grid.origin)
    image.SetDirection(grid.direction)
    assert Grid.from_sitk(image) == grid
    indices = np.array([[0, 0, 0], [1, 2, 3], [-4, 0.5, 9]], dtype=float)
    expected = [image.TransformContinuousIndexToPhysicalPoint(ijk) for ijk in indices.tolist()]
    points = grid.index_to_physical(indices)
    np.testing.assert_allclose(points, expected, atol=1e-9)
    np.testing.assert_allclose(grid.physical_to_index(points), indices, atol=1e-7)


def test_any_number_of_leading_axes() -> None:
    grid = Grid((2, 2, 2), (1, 2, 3), (5, 5, 5))
    points = grid.index_to_physical(np.ones((3, 4, 3)))
    assert points.shape == (3, 4, 3)
    np.testing.assert_array_equal(points[2, 3], [6, 7, 8])


def test_a_2d_image_is_one_slice_at_z_0() -> None:
    image = sitk.Image([7, 5], sitk.sitkUInt8)
    image.SetSpacing((0.2, 0.3))
    image.SetOrigin((4, 5))
    image.SetDirection((0, 1, -1, 0))
    expected = Grid((7, 5, 1), (0.2, 0.3, 1), (4, 5, 0), (0, 1, 0, -1, 0, 0, 0, 0, 1))
    assert Grid.from_sitk(image) == expected


def test_fields_become_plain_numbers_and_the_grid_hashable() -> None:
    grid = Grid(tuple(np.array([2, 3, 4])), tuple(np.float32([1, 1, 1])))
    assert type(grid.size[0]) is int
    assert type(grid.spacing[0]) is float
    assert {grid: 1}[Grid((2, 3, 4))] == 1


def test_is_close_measures_the_corner_that_moves_most() -> None:
    grid = Grid((101, 2, 2))
    assert grid.is_close(Grid((101, 2, 2), (1 + 0.9e-5, 1, 1)))
    assert not grid.is_close(Grid((101, 2, 2), (1 + 1.1e-5, 1, 1)))
    assert not grid.is_close(Grid((100, 2, 2)))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"size": (0, 4, 4)}, "empty"),
        ({"size": (4, 4)}, "3 sizes"),
        ({"spacing": (1.0, 0.0, 1.0)}, "above zero"),
        ({"spacing": (1.0, -1.0, 1.0)}, "above zero"),
        ({"origin": (float("nan"), 0.0, 0.0)}, "NaN"),
        ({"spacing": (float("inf"), 1.0, 1.0)}, "infinity"),
        ({"direction": (1, 0.1, 0, 0, 1, 0, 0, 0, 1)}, "orthonormal"),
        ({"direction": (2, 0, 0, 0, 1, 0, 0, 0, 1)}, "orthonormal"),
    ],
)
def test_refuses_what_is_not_a_grid(change: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        Grid(**{"size": (4, 4, 4), **change})
