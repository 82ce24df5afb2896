from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from USToMRILib import Grid, InputError, Volume
from USToMRILib.cli import main
from USToMRILib.cnr import contrast_to_noise
from USToMRILib.regions import Box, read_region


def halves(shape):
    roi = np.zeros(shape, bool)
    roi[..., : shape[-1] // 2] = True
    return roi, ~roi


@settings(max_examples=50, deadline=None)
@given(arrays(np.int16, (2, 4, 6), elements=st.integers(-2000, 2000)))
def test_values_are_numpys(array):
    roi, background = halves(array.shape)
    a, b = array[roi].astype(float), array[background].astype(float)
    assume(a.var() + b.var() > 0)
    found = contrast_to_noise(Volume(array, Grid((6, 4, 2))), roi, background)
    assert found.roi.mean == pytest.approx(a.mean(), abs=1e-6)
    assert found.background.standard_deviation == pytest.approx(b.std(), abs=1e-6)
    assert (found.roi.voxels, found.background.voxels) == (24, 24)
    expected = abs(a.mean() - b.mean()) / np.sqrt(a.var() + b.var())
    assert found.cnr == pytest.approx(expected, abs=1e-6)


def test_a_known_answer():
    array = np.tile([10.0, 14.0, 2.0, 8.0], (1, 8, 1))  # means 12 and 5, deviations 2 and 3
    roi, background = halves(array.shape)
    volume = Volume(array, Grid((4, 8, 1)))
    assert contrast_to_noise(volume, roi, background).cnr == pytest.approx(7 / np.sqrt(13))


def test_regions_that_measure_nothing_are_refused_in_words():
    volume = Volume(np.arange(64.0).reshape(1, 8, 8), Grid((8, 8, 1)))
    roi, background = halves(volume.array.shape)
    nothing, few = np.zeros_like(roi), np.zeros_like(roi)
    few[0, 0, :9] = True
    few[0, 1, 0] = True
    with pytest.raises(InputError, match="background holds no voxel"):
        contrast_to_noise(volume, roi, nothing)
    with pytest.raises(InputError, match="holds 9 voxels; enlarge it to at least 10"):
        contrast_to_noise(volume, few, background & ~few)
    with pytest.raises(InputError, match="share 32 voxels; move them apart"):
        contrast_to_noise(volume, roi, roi)
    with pytest.raises(InputError, match="Both regions are uniform"):
        contrast_to_noise(volume.with_array(np.where(roi, 5.0, 3.0)), roi, background)


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
