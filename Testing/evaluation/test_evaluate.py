"""``ustomri evaluate`` from folders to the JSON and the page."""

from __future__ import annotations

import html
import json
import re
import subprocess
import sys
import unicodedata
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

from USToMRILib import Grid, InputError, Volume
from USToMRILib.cli.command import main
from USToMRILib.evaluation.evaluate import evaluate
from USToMRILib.evaluation.pairing import Folders, match_files
from USToMRILib.evaluation.report import Paragraph, Section, Table, write_report
from USToMRILib.image.folders import Reader

GRID = Grid((24, 20, 1), (1.0, 1.5, 2.0), (10.0, -5.0, 3.0))
FAST = ["psnr", "mae", "ncc"]


def write(folder, name, array, grid=GRID):
    folder.mkdir(exist_ok=True)
    Volume(np.asarray(array, np.float32).reshape(grid.shape), grid).write(folder / name)


@pytest.fixture
def folders(tmp_path):
    """Five cases; "near" differs from the reference by 1 to 5 grey levels, "far" by ten times."""
    random = np.random.default_rng(0)
    for i in range(1, 6):
        reference = random.uniform(60, 190, GRID.shape)
        reference[..., :4] = 0
        write(tmp_path / "reference", f"c{i}.nrrd", reference)
        write(tmp_path / "masks", f"c{i}.nii.gz", reference > 0)
        write(tmp_path / "near", f"c{i}.mha", reference + i)
        write(tmp_path / "far", f"c{i}.nrrd", reference + 10 * i)
    methods = {name: tmp_path / name for name in ("near", "far")}
    return Folders(tmp_path / "reference", methods, tmp_path / "masks")


def test_every_case_of_every_method_is_measured_and_compared(folders):
    found = evaluate(folders, FAST)
    mae = found.metrics["mae"]
    assert mae.values["near"] == pytest.approx({f"c{i}": i for i in range(1, 6)}, abs=1e-4)
    assert mae.summaries["far"].mean == pytest.approx(30, abs=1e-3)
    (comparison,) = mae.comparisons
    assert comparison.difference == pytest.approx(-27, abs=1e-3)
    assert comparison.tests["wilcoxon"].p == pytest.approx(2 / 2**5)
    assert found.problems == []


def problems_of(found):
    return {(p.case, p.method, p.metric): p.text for p in found.problems}


def test_what_is_wrong_with_a_case_is_named_and_the_rest_goes_on(folders):
    near, reference = folders.images["near"], folders.reference
    (near / "c1.mha").unlink()
    write(near, "extra.nrrd", np.ones(GRID.shape))
    write(near, "c2.mha", np.ones((1, 20, 23)), replace(GRID, size=(23, 20, 1)))
    write(near, "c3.mha", np.ones(GRID.shape), replace(GRID, origin=(10.0, -5.0, 4.0)))
    broken = np.ones((20, 24), np.float32)
    broken[3, 3] = np.nan
    sitk.WriteImage(sitk.GetImageFromArray(broken), str(folders.images["far"] / "c1.nrrd"))
    write(folders.images["far"], "c2.nrrd", np.arange(480) * 3)
    write(folders.masks, "c4.nii.gz", np.zeros(GRID.shape))
    (folders.masks / "c5.nii.gz").unlink()
    write(near, "c5.nrrd", np.ones(GRID.shape))
    write(reference, "lonely.nrrd", np.ones(GRID.shape))
    found = evaluate(folders, FAST)
    texts = problems_of(found)
    expected = {
        ("c1", "near", ""): "no image of this name",
        ("extra", "near", ""): "no reference of this name",
        ("c2", "near", ""): "23 x 20 x 1 voxels and the reference 24 x 20 x 1",
        ("c3", "near", ""): "does not lie where the reference lies",
        ("c1", "far", ""): "NaN",
        ("c2", "far", ""): "values from 0 to 1437",
        ("c4", "", ""): "mask is empty",
        ("c5", "", ""): "no mask of this name",
        ("lonely", "near", ""): "no image of this name",
        ("lonely", "far", ""): "no image of this name",
    }
    for key, words in expected.items():
        assert words in texts.pop(key), key
    # Two files c5 in one folder: which is meant is not known.
    assert "c5.mha and c5.nrrd have one name" in texts.pop(("c5", "near", ""))
    assert texts == {}
    assert sorted(found.metrics["mae"].values["far"]) == ["c3", "c4", "c5"]
    assert sorted(found.metrics["mae"].values["near"]) == ["c4"]
    assert sorted(found.metrics["ncc"].values["far"]) == ["c3"]
    assert found.metrics["mae"].comparisons[0].note == "One common case only: no test computed."


def test_a_damaged_reference_takes_only_its_case_out(folders):
    (folders.reference / "c2.nrrd").write_bytes(b"NRRD0005\n")
    found = evaluate(folders, FAST)
    assert sorted(found.metrics["mae"].values["near"]) == ["c1", "c3", "c4", "c5"]
    assert [p.case for p in found.problems] == ["c2"]


def test_folders_without_a_pair_or_missing_are_refused(folders, tmp_path):
    with pytest.raises(InputError, match="same name up to the suffix"):
        evaluate(replace(folders, images={"masks": folders.reference.parent}), FAST)
    with pytest.raises(InputError, match="does not exist"):
        evaluate(replace(folders, reference=tmp_path / "nowhere"), FAST)


def test_what_batch_wrote_is_paired_with_its_ultrasound(tmp_path):
    write(tmp_path / "us", "scan.nrrd", np.arange(480) / 2)
    write(tmp_path / "mri", "scan_SYNTHETIC_MRI_ddic.nrrd", np.arange(480) / 2)
    write(tmp_path / "mri", "scan_SYNTHETIC_MRI_ddic_SAMPLE_1.nrrd", np.arange(480) / 4)
    (case,), problems = match_files(Folders(tmp_path / "us", {"ddic": tmp_path / "mri"}))
    assert (case.name, problems) == ("scan", [])


def test_pictures_and_volumes_are_compared_where_sizes_agree(folders, tmp_path):
    picture = Volume.read(folders.reference / "c1.nrrd").array
    write(tmp_path / "png", "c1.png", picture)
    found = evaluate(replace(folders, images={"png": tmp_path / "png"}), ["mae"])
    assert found.metrics["mae"].values["png"]["c1"] < 0.5


def test_other_scales_are_rescaled_on_request(folders, tmp_path):
    for i in (1, 2):
        volume = Volume.read(folders.reference / f"c{i}.nrrd")
        write(tmp_path / "raw", f"c{i}.nrrd", volume.array * 10 - 300)
    raw = replace(folders, images={"raw": tmp_path / "raw"})
    with pytest.raises(InputError, match="scale it, or give --rescale"):
        evaluate(raw, ["mae"])
    rescaled = evaluate(raw, ["mae"], reader=Reader(rescale=True))
    assert rescaled.metrics["mae"].values["raw"] == pytest.approx({"c1": 0, "c2": 0}, abs=1e-3)


@pytest.mark.parametrize("small", ["reference", "near", "both"])
def test_fractions_of_one_are_taken_for_grey_levels(folders, tmp_path, small):
    """The same images in 0..1, on either side, measure the same."""
    metrics = ["ssim", "psnr", "mae", "nmi", "mi_histogram", "lncc"]
    whole = evaluate(replace(folders, images={"near": folders.images["near"]}), metrics)
    names = ("reference", "near") if small == "both" else (small,)
    places = {"reference": folders.reference, "near": folders.images["near"]}
    for name in names:
        for path in list(places[name].iterdir()):
            array = Volume.read(path).array / 255
            write(tmp_path / f"{name}_small", f"{path.name.split('.')[0]}.nrrd", array)
        places[name] = tmp_path / f"{name}_small"
    scaled = evaluate(
        replace(folders, reference=places["reference"], images={"near": places["near"]}), metrics
    )
    assert scaled.problems == []
    for metric in metrics:
        expected = whole.metrics[metric].values["near"]
        assert scaled.metrics[metric].values["near"] == pytest.approx(expected, rel=1e-3), metric


@pytest.mark.parametrize("brightest", [1, 10, 40])
def test_sets_in_a_small_part_of_the_grey_levels_are_refused(folders, tmp_path, brightest):
    for i in (1, 2):
        array = Volume.read(folders.reference / f"c{i}.nrrd").array
        write(tmp_path / "small", f"c{i}.nrrd", np.rint(array / array.max() * brightest))
    if brightest == 1:  # as whole numbers, which fractions of one are not
        for path in (tmp_path / "small").iterdir():
            volume = Volume.read(path)
            volume.with_array(volume.array.astype(np.uint8)).write(path)
    with pytest.raises(InputError, match=f"c1, small: .* have values up to {brightest} only"):
        evaluate(replace(folders, images={"small": tmp_path / "small"}), FAST)


def test_one_dark_image_among_others_is_measured_as_it_is(folders):
    write(folders.images["near"], "c1.mha", np.linspace(0, 1, 480))
    found = evaluate(folders, ["mae"])
    assert found.metrics["mae"].values["near"]["c1"] > 50


def test_names_that_mac_and_windows_write_differently_are_one(tmp_path):
    random = np.random.default_rng(0)
    for form, folder in (("NFC", "reference"), ("NFD", "images")):
        array = random.uniform(0, 255, GRID.shape)
        write(tmp_path / folder, unicodedata.normalize(form, "Müller_é.nrrd"), array)
    found = evaluate(Folders(tmp_path / "reference", {"m": tmp_path / "images"}), FAST)
    assert list(found.metrics["mae"].values["m"]) == [unicodedata.normalize("NFC", "Müller_é")]


def test_an_outline_as_foreground_is_filled(folders, tmp_path):
    filled, outline = np.zeros(GRID.shape), np.zeros(GRID.shape)
    filled[0, 3:17, 5:20] = outline[0, 3:17, 5:20] = 1
    outline[0, 5:15, 7:18] = 0
    values = {}
    for name, mask in (("filled", filled), ("outline", outline)):
        write(tmp_path / name, "c1.nrrd", mask)
        found = evaluate(replace(folders, masks=tmp_path / name), ["mae_foreground"])
        values[name] = found.metrics["mae_foreground"].values["far"]
    assert values["filled"] == values["outline"]


def test_cnr_is_measured_in_the_references_too(folders, tmp_path):
    roi, background = np.zeros(GRID.shape), np.zeros(GRID.shape)
    roi[..., 6:10, 6:10], background[..., 12:16, 12:16] = 1, 1
    write(tmp_path / "rois", "c1_roi.nrrd", roi)
    write(tmp_path / "rois", "c1_background.nrrd", background)
    write(tmp_path / "rois", "c2_roi.nrrd", roi)
    found = evaluate(replace(folders, rois=tmp_path / "rois"), ["cnr"])
    values = Volume.read(folders.reference / "c1.nrrd").array
    inside, outside = values[roi > 0], values[background > 0]
    expected = abs(inside.mean() - outside.mean()) / np.sqrt(inside.var() + outside.var())
    assert found.metrics["cnr"].values["reference"] == pytest.approx({"c1": expected}, rel=1e-5)
    assert found.metrics["cnr"].values["near"]["c1"] == pytest.approx(expected, rel=1e-4)
    assert "no background" in problems_of(found)["c2", "", "cnr"]


def test_distances_of_sets_are_measured_and_named_after_their_features(folders):
    found = evaluate(folders, ["fid", "kid"])
    for result in found.metrics.values():
        assert result.summaries["near"].mean < result.summaries["far"].mean
        assert "offline features" in result.metric.name
        assert "not Inception" in result.metric.settings
        assert "against 5 reference images" in result.metric.settings
    against_far = evaluate(replace(folders, real=folders.images["far"]), ["fid"])
    summaries = against_far.metrics["fid"].summaries
    assert summaries["far"].mean == pytest.approx(0, abs=1e-6)
    # What the pseudo-MRI have to beat.
    assert summaries["reference"].mean > summaries["near"].mean


@pytest.fixture
def arguments(folders, tmp_path):
    record = {
        "tool": "USToMRI",
        "version": "0.1.0",
        "method": "ddic",
        "bundles": {"fetal_us_eps": "abc123"},
        "device": "cpu",
        "parameters": {"steps": 50, "head": {"angle_rad": 0.1}},
    }
    for i in range(1, 6):
        (folders.images["far"] / f"c{i}.nrrd.json").write_text(json.dumps(record))
    return [
        *("evaluate", "--reference", str(folders.reference), "--masks", str(folders.masks)),
        *("--images", str(folders.images["near"]), "--images", f"DDIC={folders.images['far']}"),
        *("--json", str(tmp_path / "out.json"), "--report", str(tmp_path / "out.html")),
    ]


def test_the_command_writes_numbers_and_a_self_contained_page(arguments, tmp_path, capsys):
    assert main([*arguments, "--split", "drawn <squares>"]) == 0
    assert capsys.readouterr().err == ""
    found = json.loads((tmp_path / "out.json").read_text())
    assert set(found["metrics"]["ssim"]["methods"]) == {"near", "DDIC"}
    assert found["metrics"]["mae"]["methods"]["near"]["cases"]["c3"] == pytest.approx(3, abs=1e-4)
    assert {"n", "mean", "sd", "ci95", "cases"} <= set(found["metrics"]["mae"]["methods"]["near"])
    assert found["metrics"]["mae"]["tests"][0]["tests"]["paired_t"]["p_holm"] < 0.05
    (record,) = found["made_by"]["DDIC"]
    assert (record["images"], record["bundles"]) == (5, {"fetal_us_eps": "abc123"})
    page = (tmp_path / "out.html").read_text()
    for text in ("drawn &lt;squares&gt;", "fetal_us_eps abc123", "scikit-learn", "SYNTHETIC"):
        assert text in page
    # Nothing is fetched from elsewhere; addresses only name the standards of SVG.
    loaded = r'<script(?! type="application/json")|<link|<iframe|src="(?!data:)|url\((?!#)'
    assert not re.search(loaded, page)


def test_what_a_page_is_told_is_text_and_not_html(tmp_path):
    table = Table(["a <b>"], [["x & y"]], summary="<more>")
    section = Section("Read & <said>", [Paragraph("</section><script>"), table])
    write_report(tmp_path / "page.html", "<T>", "1 < 2", [section])
    page = (tmp_path / "page.html").read_text()
    for text in ("<T>", "1 < 2", "Read & <said>", "</section><script>", "a <b>", "x & y"):
        assert text not in page
        assert html.escape(text) in page


def test_one_case_is_measured_without_tests(arguments, folders, tmp_path):
    for i in range(2, 6):
        (folders.reference / f"c{i}.nrrd").unlink()
    assert main(arguments) == 0
    found = json.loads((tmp_path / "out.json").read_text())
    (test,) = found["metrics"]["psnr"]["tests"]
    assert (test["note"], test["tests"]) == ("One common case only: no test computed.", {})
    assert "fid" not in found["metrics"]
    assert {p["metric"] for p in found["problems"]} >= {"fid", "kid"}
    assert "no test computed" in (tmp_path / "out.html").read_text()


def test_an_evaluation_of_nothing_is_an_error(arguments, folders, tmp_path, capsys):
    """Every case is refused, its reference or all of its images."""
    (folders.reference / "c1.nrrd").write_bytes(b"NRRD0005\n")
    for i in range(2, 6):
        for folder, suffix in ((folders.images["near"], "mha"), (folders.images["far"], "nrrd")):
            write(folder, f"c{i}.{suffix}", np.ones((1, 20, 23)), replace(GRID, size=(23, 20, 1)))
    assert main(arguments) == 2
    (sentence,) = capsys.readouterr().err.splitlines()
    assert "Nothing could be measured of the 5 cases; c1: " in sentence
    assert not [*tmp_path.glob("out.*")]


def test_metrics_that_apply_to_no_case_are_an_error(arguments, folders, tmp_path, capsys):
    (tmp_path / "rois").mkdir()
    assert main([*arguments, "--metrics", "cnr", "--rois", str(tmp_path / "rois")]) == 2
    assert "None of the metrics asked for applies" in capsys.readouterr().err


def test_an_evaluation_of_some_cases_says_how_many_were_refused(
    arguments, folders, tmp_path, capsys
):
    for i in (1, 4):
        (folders.reference / f"c{i}.nrrd").write_bytes(b"NRRD0005\n")
    assert main(arguments) == 0
    assert "Of 2 of the 5 cases nothing could be measured." in capsys.readouterr().err
    assert (tmp_path / "out.json").exists()


def test_unusable_arguments_are_said_before_anything_is_measured(arguments, folders, capsys):
    assert main(arguments[:-4]) == 2
    assert "--json OUT.json" in capsys.readouterr().err
    assert main([*arguments, "--metrics", "sharpness"]) == 2
    assert "choose from ssim" in capsys.readouterr().err
    assert main([*arguments, "--images", f"near={folders.images['far']}"]) == 2
    assert "NAME=DIR" in capsys.readouterr().err


_FULL_DISK = """
import resource, signal, sys
from USToMRILib.cli.command import main
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on the size of files")
@pytest.mark.parametrize("what", ["json", "report"])
def test_a_full_disk_is_told_in_one_sentence(folders, tmp_path, what):
    out = tmp_path / f"out.{what}"
    images = [f"--images=near={folders.images['near']}", "--metrics=mae", "--progress=none"]
    run = subprocess.run(
        [
            *(sys.executable, "-c", _FULL_DISK, "evaluate"),
            *("--reference", str(folders.reference), *images, f"--{what}", str(out)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 2
    assert run.stderr.count("\n") == 1
    assert "free some space" in run.stderr
    assert not out.exists()


def test_importing_the_evaluation_is_cheap():
    heavy = ["torch", "sklearn", "statsmodels", "torchmetrics", "matplotlib", "skimage.metrics"]
    code = (
        "import sys, USToMRILib.evaluation.evaluate, USToMRILib.evaluation.sections\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
