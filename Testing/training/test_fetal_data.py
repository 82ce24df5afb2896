"""Readers and preparation of the fetal training data."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import SimpleITK as sitk
from matplotlib.image import imread

from Testing.conftest import HEAD, BrightIsHead
from Testing.training.written_hc18 import write_hc18
from training.data import inspect_data
from training.data.fetal_mri import PLANE_PIXEL_MM, read_fetal_mri, transthalamic_plane
from training.data.fetal_slices import contact_sheet, fetal_slices
from training.data.hc18 import read_hc18
from training.data.splits import PARTS, part_of, read_split
from training.export.head_measures import find_heads, measure, picture_of_the_worst


@pytest.mark.parametrize("name", ["hc18", "fetal_mri", "feta", "adult", "fetal_planes"])
def test_no_subject_stands_in_two_parts_of_a_split(name):
    split = read_split(name)
    parts = [set(split[part]) for part in PARTS]
    assert all(parts)
    assert not parts[0] & parts[1]
    assert not parts[0] & parts[2]
    assert not parts[1] & parts[2]
    assert part_of(split["test"][0], split) == "test"
    assert part_of("nobody", split) is None


def test_a_split_with_a_subject_in_two_parts_is_refused(tmp_path, monkeypatch):
    import training.data.splits

    (tmp_path / "splits").mkdir()
    (tmp_path / "splits" / "bad.json").write_text(
        '{"train": ["1"], "validation": ["2"], "test": ["1"]}'
    )
    monkeypatch.setattr(training.data.splits, "__file__", str(tmp_path / "data" / "splits.py"))
    with pytest.raises(ValueError, match="in two parts"):
        read_split("bad")


def test_every_real_image_of_a_fetus_is_in_one_part(data_dir):
    seen = {part: {head.subject for head in read_hc18(data_dir / "hc18", part)} for part in PARTS}
    assert not seen["train"] & (seen["validation"] | seen["test"])
    assert not seen["validation"] & seen["test"]
    count = sum(len(list(read_hc18(data_dir / "hc18", part))) for part in PARTS)
    assert count == len(list((data_dir / "hc18" / "images").glob("*.png")))


def test_hc18_is_read_as_published(tmp_path):
    subject = read_split("hc18")["test"][0]
    write_hc18(tmp_path, [subject])
    (head,) = read_hc18(tmp_path, "test")  # the second row has no image
    assert (head.name, head.subject) == (f"{subject}_HC", subject)
    assert head.circumference_mm == pytest.approx(HEAD.circumference_mm)
    assert head.ellipse.centre == pytest.approx(HEAD.centre, abs=0.2)
    # The reader takes off half the outline's width.
    assert head.ellipse.circumference_mm == pytest.approx(HEAD.circumference_mm, abs=4)
    assert list(read_hc18(tmp_path, "train")) == []
    with pytest.raises(FileNotFoundError, match="pixel_size_and_HC"):
        list(read_hc18(tmp_path / "training_set", "train"))


def test_the_annotated_ellipse_has_the_tables_circumference(data_dir):
    heads = list(read_hc18(data_dir / "hc18", "validation"))[::6]
    errors = [head.ellipse.circumference_mm - head.circumference_mm for head in heads]
    assert np.abs(errors).max() < 0.5


def test_what_the_library_finds_is_measured_and_its_greatest_errors_are_drawn(tmp_path):
    write_hc18(tmp_path, read_split("hc18")["test"][:1])
    (head,) = read_hc18(tmp_path, "test")
    cases, refused = find_heads(BrightIsHead().eval(), [head])
    metrics = measure(cases, refused)
    assert (metrics["images"], metrics["refused"]) == (1, [])
    assert metrics["dice_mean"] > 0.97
    error = cases[0].found.circumference_mm - HEAD.circumference_mm
    assert metrics["hc_mean_absolute_error_mm"] == pytest.approx(abs(error), abs=0.01)
    picture_of_the_worst(cases, tmp_path / "failures.png")
    red, green, _ = imread(tmp_path / "failures.png")[..., :3].transpose(2, 0, 1)
    assert ((green > 0.3) & (red < 0.2)).any()
    assert ((red > 0.6) & (green < 0.2)).any()


def write_brain(folder, subject):
    """An ellipsoid brain in a tilted-free LPS volume, bright at the front, with its thalami."""
    size, spacing = (90, 120, 80), 1.0
    z, y, x = np.indices(size[::-1]).astype(float)
    brain = ((x - 45) / 36) ** 2 + ((y - 60) / 48) ** 2 + ((z - 40) / 34) ** 2 < 1
    labels = brain.astype(np.uint8)
    labels[36:44, 54:66, 39:51] = 6
    t2 = np.where(brain, 200 - y, 0).astype(np.float32)  # LPS: small y is the front
    (folder / subject).mkdir()
    for name, array in (("t2", t2), ("parcellation", labels)):
        image = sitk.GetImageFromArray(array)
        image.SetSpacing([spacing] * 3)
        sitk.WriteImage(image, str(folder / subject / f"{name}.nii.gz"))


def test_mri_planes_pass_the_thalami_with_the_front_to_the_right(tmp_path):
    subject = read_split("fetal_mri")["test"][0]
    write_brain(tmp_path, subject)
    labels = sitk.ReadImage(str(tmp_path / subject / "parcellation.nii.gz"))
    plane = transthalamic_plane(labels, 0.0, 0.0)
    centre = plane.TransformContinuousIndexToPhysicalPoint([95.5, 95.5, 0.0])
    assert centre == pytest.approx((44.5, 59.5, 39.5), abs=0.1)
    lifted = transthalamic_plane(labels, 5.0, 12.0)
    front = np.array(lifted.TransformContinuousIndexToPhysicalPoint([190.0, 95.5, 0.0]))
    assert front[1] < 59.5  # to the front
    assert front[2] > 39.5 + 5  # upwards by offset and pitch
    for piece in read_fetal_mri(tmp_path, "test"):
        columns = np.nonzero(piece.mask.any(axis=0))[0]
        assert piece.pixels[95, columns[-4]] > piece.pixels[95, columns[4]]
        length = np.ptp(columns) * PLANE_PIXEL_MM
        assert 80 < length < 100
    with pytest.raises(FileNotFoundError, match="train part"):
        list(read_fetal_mri(tmp_path, "train"))


def test_prepared_slices_are_centred_upright_and_in_range(tmp_path):
    (tmp_path / "fetal_mri").mkdir()
    write_hc18(tmp_path / "hc18", read_split("hc18")["test"][:1])
    write_brain(tmp_path / "fetal_mri", read_split("fetal_mri")["test"][0])
    for domain in ("us", "mri"):
        slices = fetal_slices(tmp_path, domain, "test")
        assert slices.shape[1:] == (128, 128)
        assert slices.dtype == np.float32
        assert (slices.min(), slices.max()) == (-1, 1)
        for image in slices:
            rows, columns = np.nonzero(image > -0.9)
            assert rows.mean() == pytest.approx(63.5, abs=1.5)
            assert columns.mean() == pytest.approx(63.5, abs=1.5)
            assert np.ptp(columns) > np.ptp(rows)
    contact_sheet(slices[:4], tmp_path / "sheet.png", columns=2)
    sheet = 255 * imread(tmp_path / "sheet.png")
    assert sheet.shape == (2 * 130 + 2, 2 * 130 + 2)
    second = sheet[2:130, 132:260] / 127.5 - 1
    np.testing.assert_allclose(second, slices[1], atol=0.5 / 127.5)


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def test_the_command_says_what_is_there_and_what_is_not(tmp_path, monkeypatch, capsys):
    subject = read_split("hc18")["test"][0]
    write_hc18(tmp_path, [subject])
    with (tmp_path / "training_set_pixel_size_and_HC.csv").open("a") as table:
        table.write("999999_HC.png,0.1,100\n")
    monkeypatch.setattr(sys, "argv", ["inspect_data", "hc18", str(tmp_path)])
    inspect_data.main()
    printed = capsys.readouterr().out
    assert f"found     {subject}: {subject}_HC" in printed
    assert "left out  999999_HC: no image with an annotation" in printed
    assert "1 found of 1 subjects, 2 left out" in printed
    touch(tmp_path / "CRL_GA21" / "t2.nii.gz")
    touch(tmp_path / "CRL_GA21" / "parcellation.nii.gz")
    monkeypatch.setattr(sys, "argv", ["inspect_data", "atlas", str(tmp_path)])
    inspect_data.main()
    assert "left out  training_set: no t2" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["inspect_data", "atlas", str(tmp_path / "nowhere")])
    with pytest.raises(SystemExit):
        inspect_data.main()
