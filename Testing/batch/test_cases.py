"""Which cases a folder or a CSV file holds, and where their results go."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file

from USToMRILib import Grid, InputError, Volume
from USToMRILib.batch.cases import Case, find_cases
from USToMRILib.batch.job import Job
from USToMRILib.batch.source import FileSource


@pytest.fixture
def tree(tmp_path):
    """A folder of mixed formats: two images, a DICOM stack of 3 slices, and what is no image."""
    root = tmp_path / "in"
    (root / "b" / "stack").mkdir(parents=True)
    pixels = np.arange(48, dtype=np.uint8).reshape(1, 6, 8)
    Volume(pixels, Grid((8, 6, 1))).write(root / "a.png")
    Volume(pixels, Grid((8, 6, 1), (0.5, 0.5, 1.0))).write(root / "b" / "a.nii.gz")
    (root / "notes.txt").write_text("no image")
    (root / ".hidden.png").write_bytes(b"x")
    (root / "a.png_SYNTHETIC_MRI_ddic.nrrd").write_bytes(b"an output of ours")
    scan = pydicom.dcmread(get_testdata_file("CT_small.dcm"))
    for k in range(3):
        scan.ImagePositionPatient = [0, 0, float(k)]
        scan.SOPInstanceUID = f"1.2.3.{k}"
        scan.save_as(root / "b" / "stack" / f"slice{k}")
    return root


def names(cases):
    return [case.name for case in cases]


def test_a_tree_of_mixed_formats(tree, tmp_path):
    cases = find_cases(tree, tmp_path / "out")
    assert names(cases) == ["a.png", "b/a.nii.gz", "b/stack"]
    read = [FileSource().read(case, Job(tmp_path, pixel_size=0.3)) for case in cases]
    assert [volume.grid.size for volume in read] == [(8, 6, 1), (8, 6, 1), (128, 128, 3)]
    # The run's pixel size is for the picture; the others have their own.
    assert [volume.grid.spacing[0] for volume in read] == [0.3, 0.5, pytest.approx(0.661468)]


def test_the_output_folder_is_passed_over(tree):
    output = tree / "b"
    assert names(find_cases(tree, output)) == ["a.png"]


def test_a_single_slice_with_a_position_and_a_damaged_one_are_cases_by_themselves(tree, tmp_path):
    stack = tree / "b" / "stack"
    (stack / "slice1").unlink()
    (stack / "slice2").write_bytes((stack / "slice2").read_bytes()[:200])
    found = names(find_cases(tree, tmp_path))
    assert found == ["a.png", "b/a.nii.gz", "b/stack/slice0", "b/stack/slice2"]


def test_a_report_beside_the_slices_of_a_stack_is_no_case(tree, tmp_path):
    shutil.copy(get_testdata_file("test-SR.dcm"), tree / "b" / "stack" / "report.dcm")
    cases = find_cases(tree, tmp_path / "out")
    assert names(cases) == ["a.png", "b/a.nii.gz", "b/stack"]
    assert FileSource().read(cases[2], Job(tmp_path)).grid.size == (128, 128, 3)


def test_outputs_of_equal_stems_do_not_meet():
    outputs = {Case(name, name).output_name("ddic") for name in ("a.png", "a.nii.gz", "a/png")}
    assert len(outputs) == 3
    assert all("SYNTHETIC" in output for output in outputs)


def test_linked_folders_are_cases_and_links_back_into_the_tree_are_not(tree, tmp_path):
    elsewhere = tmp_path / "else"
    (elsewhere / "deep").mkdir(parents=True)
    (tree / "a.png").rename(elsewhere / "deep" / "a.png")
    (elsewhere / "back").symlink_to(tree)
    (elsewhere / "up").symlink_to(tmp_path)
    (tree / "linked").symlink_to(elsewhere)
    (tree / "b" / "loop").symlink_to(tree / "b")
    assert names(find_cases(tree, tmp_path / "out")) == [
        "b/a.nii.gz",
        "b/stack",
        "linked/deep/a.png",
    ]


def test_a_folder_that_may_not_be_looked_into_is_a_case_that_fails(tree, tmp_path, monkeypatch):
    closed, scan, look = str(tree / "b"), os.scandir, os.listdir

    def refuse(of):
        def call(path="."):
            if str(path) == closed:
                raise PermissionError(13, "Permission denied", closed)
            return of(path)

        return call

    for name, of in (("scandir", scan), ("listdir", look)):  # tests may run as root
        monkeypatch.setattr(os, name, refuse(of))
    cases = find_cases(tree, tmp_path / "out")
    assert names(cases) == ["a.png", "b"]
    with pytest.raises(InputError, match="cannot be read"):
        FileSource().read(cases[1], Job(tmp_path))


def test_names_that_no_table_could_hold_are_escaped(tree, tmp_path):
    os.rename(bytes(tree / "a.png"), bytes(tree) + b"/M\xfcller.png")
    case = find_cases(tree, tmp_path / "out")[0]
    assert case.name == "M\\udcfcller.png"
    assert FileSource().read(case, Job(tmp_path, pixel_size=0.3)).grid.size == (8, 6, 1)


def test_inputs_are_found_from_any_folder(tree, tmp_path, monkeypatch):
    monkeypatch.chdir(tree)
    (tree / "a.png").rename("~a.png")
    for source in (".", "~a.png"):
        case = FileSource().find(source, tmp_path / "out")[0]
        assert (case.name, case.input) == ("~a.png", str(tree / "~a.png"))
    cases = find_cases(csv_file(tree, "input", "~a.png"), tmp_path / "out")
    assert cases[0].input == str(tree / "~a.png")


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no image"):
        find_cases(tmp_path, tmp_path / "out")


def test_one_image_is_one_case(tree, tmp_path):
    assert names(find_cases(tree / "a.png", tmp_path)) == ["a.png"]


def csv_file(folder: Path, *lines: str) -> Path:
    path = folder / "cases.csv"
    path.write_text("\ufeff" + "\n".join(lines), encoding="utf-8")
    return path


def test_a_csv_names_cases_with_what_is_known_about_them(tree, tmp_path):
    table = csv_file(
        tree,
        "input,pixel_size,frame,head_mask,roi,background",
        "a.png,0.14,,none,r.mrk.json,b.nrrd",
        "b/cine.dcm,,3,m.nrrd,,",
        "",
        f"{tmp_path / 'else' / 'x.nrrd'},,,,,",
        "dicom:1.2.3,,,,,",
    )
    first, second, third, fourth = find_cases(table, tmp_path / "out")
    assert first.name == "a.png"
    assert first.pixel_size == 0.14
    assert first.head_mask == "none"
    assert (first.roi, first.background) == (str(tree / "r.mrk.json"), str(tree / "b.nrrd"))
    assert (second.name, second.frame) == ("b/cine.dcm_frame3", 3)
    assert second.head_mask == str(tree / "m.nrrd")
    assert second.input == str(tree / "b" / "cine.dcm")
    assert not third.name.startswith("/")
    assert third.name.endswith("else/x.nrrd")
    assert (fourth.name, fourth.input) == ("dicom/1.2.3", "dicom:1.2.3")


def test_a_csv_may_name_the_outputs(tree, tmp_path):
    table = csv_file(tree, "input,name,frame", "a.png,day1\\first,", "b/cine.dcm,second,3")
    assert names(find_cases(table, tmp_path / "out")) == ["day1/first", "second_frame3"]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["input,name", "a.png,../first"], "line 2: name cannot be"),
        (["input,name", "a.png,/first"], "line 2: name cannot be"),
        (["input,name", "a.png,C:\\first"], "line 2: name cannot be"),
        (["input,size", "a.png,1"], "unknown column 'size'"),
        (["pixel_size", "1"], "no column 'input'"),
        (["input;pixel_size", "a.png;1"], "with commas between them"),
        (["input,pixel_size", "a.png,wide"], "line 2: pixel_size cannot be 'wide'"),
        (["input,pixel_size", "a.png,-1"], "line 2: pixel_size"),
        (["input,frame", "a.png,1.5"], "line 2: frame"),
        (["input,roi", "a.png,r.mrk.json"], "roi and background go together"),
        (["input", "a.png,1"], "too many values"),
        (["input,frame", ",3"], "no input"),
        (["input", "a.png", "b/../a.png"], "listed twice"),
        (["input"], "holds no image"),
    ],
)
def test_unusable_csv_files_are_refused_with_the_line(tree, tmp_path, lines, message):
    with pytest.raises(InputError, match=message):
        find_cases(csv_file(tree, *lines), tmp_path)
