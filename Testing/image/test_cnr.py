from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.measure import grid_points_in_poly

from USToMRILib import Grid, InputError, Volume
from USToMRILib.cli.command import main
from USToMRILib.image.cnr import contrast_to_noise
from USToMRILib.image.regions import Box, Voxels, common_block, polygon_voxels, read_region


def halves(shape):
    roi = np.zeros(shape, bool)
    roi[..., : shape[-1] // 2] = True
    return roi, ~roi


@settings(max_examples=50)
@given(arrays(np.int16, (2, 4, 6), elements=st.integers(-2000, 2000)))
def test_values_are_numpys(array):
    roi, background = halves(array.shape)
    a, b = array[roi].astype(float), array[background].astype(float)
    assume(a.var() + b.var() > 0)
    found = contrast_to_noise(array, roi, background)
    assert found.roi.mean == pytest.approx(a.mean(), abs=1e-6)
    assert found.background.standard_deviation == pytest.approx(b.std(), abs=1e-6)
    assert (found.roi.voxels, found.background.voxels) == (24, 24)
    expected = abs(a.mean() - b.mean()) / np.sqrt(a.var() + b.var())
    assert found.cnr == pytest.approx(expected, abs=1e-6)


def test_a_known_answer():
    array = np.tile([10.0, 14.0, 2.0, 8.0], (1, 8, 1))  # means 12 and 5, deviations 2 and 3
    roi, background = halves(array.shape)
    assert contrast_to_noise(array, roi, background).cnr == pytest.approx(7 / np.sqrt(13))


def test_regions_that_measure_nothing_are_refused_in_words():
    image = np.arange(64.0).reshape(1, 8, 8)
    roi, background = halves(image.shape)
    nothing, few = np.zeros_like(roi), np.zeros_like(roi)
    few[0, 0, :9] = True
    few[0, 1, 0] = True
    with pytest.raises(InputError, match="background holds no voxel"):
        contrast_to_noise(image, roi, nothing)
    with pytest.raises(InputError, match="holds 9 voxels; enlarge it to at least 10"):
        contrast_to_noise(image, few, background & ~few)
    with pytest.raises(InputError, match="share 32 voxels; move them apart"):
        contrast_to_noise(image, roi, roi)
    with pytest.raises(InputError, match="Both regions are uniform"):
        contrast_to_noise(np.where(roi, 5.0, 3.0), roi, background)
    with pytest.raises(InputError, match="NaN or infinite"):
        contrast_to_noise(np.where(roi, np.nan, image), roi, background)


TURN = np.array([[0.8, -0.6, 0.0], [0.6, 0.8, 0.0], [0.0, 0.0, 1.0]])


def write_roi(path, centre, size, axes=TURN, system="LPS"):
    markup = {
        "type": "ROI",
        "coordinateSystem": system,
        "center": list(centre),
        "orientation": axes.ravel().tolist(),
        "size": list(size),
    }
    path.write_text(json.dumps({"markups": [{"type": "Line"}, markup]}))
    return path


def test_a_turned_box_holds_the_voxels_whose_corner_coordinates_fit(tmp_path):
    grid = Grid((30, 20, 4), (1.0, 1.5, 2.0), (5.0, -3.0, 7.0), tuple(TURN.T.ravel()))
    centre, size = np.array([20.0, 5.0, 10.0]), np.array([9.0, 6.0, 5.0])
    path = write_roi(tmp_path / "roi.mrk.json", centre, size)
    mask = read_region(path, grid)
    assert 0 < mask.sum() < mask.size
    for k, j, i in [(0, 0, 0), *np.argwhere(mask)[::7], *np.argwhere(~mask)[::97]]:
        local = TURN.T @ (grid.index_to_physical(np.array([i, j, k])) - centre)
        assert mask[k, j, i] == bool((np.abs(local) <= size / 2).all())
    flip = np.diag([-1.0, -1.0, 1.0])
    ras = write_roi(tmp_path / "ras.mrk.json", flip @ centre, size, flip @ TURN, "RAS")
    np.testing.assert_array_equal(read_region(ras, grid), mask)


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1))
def test_a_box_holds_every_voxel_that_brute_force_finds(seed):
    """Turned, stretched, half outside, smaller than a voxel: none is lost to the search's block."""
    rng = np.random.default_rng(seed)
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    grid = Grid((17, 13, 5), tuple(rng.uniform(0.3, 3, 3)), (5.0, -3.0, 7.0), tuple(turn.ravel()))
    axes = np.linalg.qr(rng.normal(size=(3, 3)))[0] * rng.uniform(0.5, 2, 3)
    centre = grid.index_to_physical(rng.uniform(-3, [20, 16, 8]))
    box = Box(centre, axes, rng.uniform(0.1, 20, 3))
    k, j, i = np.indices(grid.shape)
    everywhere = box.contains(grid.index_to_physical(np.stack([i, j, k], axis=-1)))
    np.testing.assert_array_equal(box.mask(grid), everywhere)
    maps = grid.index_to_physical, grid.physical_to_index
    plane_by_plane = box.voxels(grid.shape, *maps, affine=False)
    whole = tuple(slice(0, n) for n in grid.shape)
    np.testing.assert_array_equal(plane_by_plane.within(whole), everywhere)


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1))
def test_a_polygon_on_a_slice_is_scikit_images(seed):
    rng = np.random.default_rng(seed)
    corners = rng.uniform(-2, [32, 22], (7, 2))
    axes = rng.permutation(3)
    shape = np.array([30, 20, 6])[np.argsort(axes)]  # (i, j, k)
    outline = np.insert(corners, 2, 3.3, axis=1)[:, np.argsort(axes)]
    voxels = polygon_voxels(outline, tuple(shape[::-1]))
    mask = voxels.within(tuple(slice(0, n) for n in shape[::-1]))
    expected = grid_points_in_poly((30, 20), corners)
    found = mask.transpose(2, 1, 0).transpose(axes)  # the polygon's axes, then the depth
    differing = found[..., 3] != expected
    assert differing.sum() <= 2  # the two may see a centre on an edge differently
    assert not found[..., [0, 1, 2, 4, 5]].any()


def test_a_polygon_on_an_oblique_plane_has_one_voxel_in_each_column():
    corners = np.array([[4.1, 3.2], [25.3, 5.1], [20.2, 17.4]])
    outline = np.column_stack([corners, corners @ [0.2, 0.3] + 1])
    mask = polygon_voxels(outline, (12, 20, 30)).within((slice(0, 12), slice(0, 20), slice(0, 30)))
    columns = mask.sum(axis=0)
    np.testing.assert_array_equal(columns.T > 0, grid_points_in_poly((30, 20), corners))
    assert columns.max() == 1
    k, j, i = np.argwhere(mask).T
    np.testing.assert_array_equal(k, np.floor(i * 0.2 + j * 0.3 + 1.5))


def test_regions_meet_in_a_common_block():
    first = Voxels((slice(1, 3), slice(0, 2), slice(4, 6)), np.ones((2, 2, 2), bool))
    second = Voxels((slice(0, 2), slice(1, 4), slice(5, 6)), np.ones((2, 3, 1), bool))
    block = common_block(first, second)
    assert block == (slice(0, 3), slice(0, 4), slice(4, 6))
    assert (first.within(block) & second.within(block)).sum() == 1
    whole = (slice(0, 5), slice(0, 5), slice(0, 7))
    again = Voxels.from_mask(first.within(whole))
    np.testing.assert_array_equal(again.within(whole), first.within(whole))
    assert again.block == first.block
    assert not Voxels.from_mask(np.zeros((5, 5, 7), bool)).within(whole).any()


def test_files_that_hold_no_region_are_refused(tmp_path):
    grid = Grid((8, 8, 1))
    for name, text in (("a", "{}"), ("b", "nonsense"), ("c", '{"markups": [{"type": "Line"}]}')):
        path = tmp_path / f"{name}.mrk.json"
        path.write_text(text)
        with pytest.raises(InputError, match="holds no ROI"):
            Box.from_markups(path)
    with pytest.raises(InputError, match="cannot be opened"):
        read_region(tmp_path / "missing.mrk.json", grid)
    Volume(np.ones((1, 8, 9), np.uint8), Grid((9, 8, 1))).write(tmp_path / "mask.nrrd")
    with pytest.raises(InputError, match="does not lie on the image's grid"):
        read_region(tmp_path / "mask.nrrd", grid)


def test_the_command_line_measures_a_box_against_a_mask(tmp_path, capsys):
    array = np.random.default_rng(0).normal(50, 5, (1, 40, 40))
    array[0, :, :20] += 30
    volume = Volume(array, Grid((40, 40, 1)))
    volume.write(tmp_path / "image.nrrd")
    background = np.zeros(array.shape, np.uint8)
    background[0, 5:35, 25:35] = 1
    volume.with_array(background).write(tmp_path / "bg.nrrd")
    roi = write_roi(tmp_path / "roi.mrk.json", (9.5, 19.5, 0), (10, 20, 2), np.eye(3))
    arguments = ["cnr", "image.nrrd", "--roi", "roi.mrk.json", "--background", "bg.nrrd"]
    assert main([a if "." not in a else str(tmp_path / a) for a in arguments]) == 0
    answer = json.loads(capsys.readouterr().out)
    inside, outside = array[0, 10:30, 5:15], array[0, 5:35, 25:35]
    assert read_region(roi, volume.grid).sum() == inside.size
    expected = abs(inside.mean() - outside.mean()) / np.sqrt(inside.var() + outside.var())
    assert answer["cnr"] == pytest.approx(expected, abs=1e-6)
    assert answer["roi"]["voxels"] == 200


def test_a_picture_of_the_images_size_is_a_mask_on_it(tmp_path):
    oblique = (0.0, 0.6, -0.8, 1.0, 0.0, 0.0, 0.0, -0.8, -0.6)
    grid = Grid((9, 7, 1), (0.3, 0.4, 1.0), (5, -7, 9), oblique)
    mask = np.zeros((1, 7, 9), np.uint8)
    mask[0, 2:5, 3:8] = 255
    Volume(mask, Grid((9, 7, 1))).write(tmp_path / "mask.png")
    np.testing.assert_array_equal(read_region(tmp_path / "mask.png", grid), mask > 0)
    with pytest.raises(InputError, match="9 x 7 x 1 voxels and the image 9 x 8 x 1"):
        read_region(tmp_path / "mask.png", Grid((9, 8, 1)))
