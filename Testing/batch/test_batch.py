"""Runs over many cases: what is done, what is skipped, what is said about it."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from Testing.batch_images import FAST, add_image
from USToMRILib import CancelToken, Grid, Volume, translate
from USToMRILib.batch.cases import find_cases
from USToMRILib.batch.claims import Claims
from USToMRILib.batch.job import Job
from USToMRILib.batch.run import in_this_process, run_batch
from USToMRILib.cli.command import main
from USToMRILib.fetal.diffusion import DdibOptions
from USToMRILib.image.cnr import contrast_to_noise
from USToMRILib.image.regions import read_region


@pytest.fixture
def images(tmp_path, tiny_models):
    """Three good cases, two of the same stem, and a damaged one."""
    folder = tmp_path / "in"
    for number, name in enumerate(("a.nrrd", "b/a.nii.gz", "b/a.mha")):
        add_image(folder / name, number)
    (folder / "bad <&>.nrrd").write_bytes(b"NRRD0004\nrubbish")
    return folder


def batch(folder: Path, output: Path, *options: str) -> int:
    return main(["batch", str(folder), str(output), *FAST, *options])


def table(output: Path) -> dict[str, dict[str, str]]:
    with open(output / "summary.csv", newline="", encoding="utf-8") as file:
        return {row["case"]: row for row in csv.DictReader(file)}


@pytest.fixture
def translated(monkeypatch):
    """Counts the translations of each image, told apart by the sum of its voxels."""
    counts: Counter[int] = Counter()

    def counted(volume, *args, **options):
        counts[int(volume.array.sum())] += 1
        return translate(volume, *args, **options)

    monkeypatch.setattr("USToMRILib.batch.source.translate", counted)
    return counts


def test_the_good_are_done_and_the_bad_is_named(images, tmp_path, capsys):
    output = tmp_path / "out"
    assert batch(images, output) == 3
    rows = table(output)
    assert {name: row["status"] for name, row in rows.items()} == {
        "a.nrrd": "done",
        "b/a.mha": "done",
        "b/a.nii.gz": "done",
        "bad <&>.nrrd": "failed",
    }
    assert "is damaged" in rows["bad <&>.nrrd"]["reason"]
    for row in rows.values():
        if row["status"] == "done":
            made = Volume.read(output / row["output"])
            assert made.grid.is_close(Volume.read(row["input"]).grid)
            record = json.loads((output / (row["output"] + ".json")).read_text())
            assert "SYNTHETIC" in record["notice"]
            assert float(row["seconds"]) > 0
    captured = capsys.readouterr()
    assert "[4 of 4" in captured.out
    assert "1 of 4 cases failed" in captured.err


def test_the_page_is_self_contained_and_shows_every_case(images, tmp_path):
    output = tmp_path / "out"
    batch(images, output)
    page = (output / "summary.html").read_text(encoding="utf-8")
    assert page.count("<article") == 4
    assert page.count("data:image/jpeg;base64,") == 3
    assert "bad &lt;&amp;&gt;.nrrd" in page
    assert "bad <&>" not in page
    assert "SYNTHETIC IMAGE" in page
    assert not re.search(r'(src|href)="(https?:|//)', page)
    for link in re.findall(r'href="([^"]+)"', page):
        assert (output / link).is_file()


def test_the_page_tells_timings_warnings_and_contrast(images, tmp_path):
    image = Volume.read(images / "a.nrrd")
    for name, rows in (("roi", slice(8, 12)), ("background", slice(13, 17))):
        mask = np.zeros(image.array.shape, np.uint8)
        mask[:, rows, 8:16] = 1
        image.with_array(mask).write(tmp_path / f"{name}.nrrd")
    Volume(image.array, Grid(image.grid.size, (2.0, 2.0, 1.0))).write(images / "b" / "a.mha")
    cases = tmp_path / "cases.csv"
    cases.write_text("input,roi,background\nin/a.nrrd,roi.nrrd,background.nrrd\nin/b/a.mha,,\n")
    output = tmp_path / "out"
    assert batch(cases, output) == 0
    row, small = (table(output)[f"in/{name}"] for name in ("a.nrrd", "b/a.mha"))
    page = (output / "summary.html").read_text(encoding="utf-8")
    with_regions, other = re.findall(r"<article.*?</article>", page, re.S)
    assert re.search(r"done</span> \d+\.\d s <span[^>]*>\(.*encode \d+\.\d s, decode", with_regions)
    assert "Head circumference <b>" in with_regions
    sizes = [float(row[f"{name}_diameter_mm"]) for name in ("biparietal", "occipitofrontal")]
    assert float(row["cephalic_index"]) == pytest.approx(100 * sizes[0] / sizes[1], abs=0.2)
    assert np.pi * sizes[0] < float(row["head_circumference_mm"]) + 0.5
    age = row["gestational_age_hadlock"]
    assert float(row["gestational_age_hadlock_low"]) < float(age)
    assert f"{age} weeks by Hadlock 1984" in with_regions
    assert f"<b>{float(row['cnr_ultrasound']):.2f}</b>" in with_regions
    assert f"<b>{float(row['cnr_pseudo_mri']):.2f}</b>" in with_regions
    assert "Contrast" not in other
    assert "circumference" in small["warnings"]
    assert f'<p class="warning">{small["warnings"]}</p>' in other
    assert "warning" not in with_regions


def test_what_all_are_warned_of_is_said_once_and_marks_no_case(images, tmp_path):
    image = Volume.read(images / "a.nrrd")
    small = Grid(image.grid.size, (2.0, 2.0, 1.0))
    Volume(image.array, small).write(images / "b" / "a.mha")
    output = tmp_path / "out"
    options = ["--head-mask", "none", "--method", "cyclegan"]
    assert main(["batch", str(images), str(output), *options]) == 3
    page = (output / "summary.html").read_text(encoding="utf-8")
    assert page.count("Only a test.") == 1
    assert re.findall(r"<b>(\d)</b> ([\w ]+)</button>", page) == [
        ("4", "all"),
        ("3", "done"),
        ("1", "failed"),
        ("1", "with warnings"),
    ]


def test_the_table_begins_as_agreed(images, tmp_path):
    batch(images, tmp_path / "out")
    first, *_ = (tmp_path / "out" / "summary.csv").read_text(encoding="utf-8").splitlines()
    assert first.startswith("case,status,reason,output,seconds,")


def test_networks_are_opened_once(images, tmp_path, tiny_models, monkeypatch):
    # Nothing in this folder was opened before.
    monkeypatch.setenv("USTOMRI_MODELS", str(shutil.copytree(tiny_models, tmp_path / "models")))
    opened, load = [], torch.jit.load

    def counting(path, **options):
        opened.append(Path(path).parts[-3])
        return load(path, **options)

    monkeypatch.setattr(torch.jit, "load", counting)
    batch(images, tmp_path / "out")
    assert sorted(opened) == ["fetal_mri_eps", "fetal_us_eps"]


def test_resume_leaves_what_is_complete(images, tmp_path, translated):
    output = tmp_path / "out"
    batch(images, output)
    written = {path: path.stat().st_mtime_ns for path in output.rglob("*SYNTHETIC*")}
    assert batch(images, output, "--resume") == 3
    assert set(translated.values()) == {1}
    assert {path: path.stat().st_mtime_ns for path in output.rglob("*SYNTHETIC*")} == written
    assert [row["resumed"] for row in table(output).values()].count("yes") == 3
    assert (output / "summary.html").read_text().count("data:image/jpeg") == 3


def test_without_resume_all_is_done_again(images, tmp_path, translated):
    for _ in range(2):
        batch(images, tmp_path / "out")
    assert set(translated.values()) == {2}


def spoil(what: str, images: Path, output: Path, models: Path, monkeypatch) -> list[str]:
    """Change one thing after a run; return other options for the next."""
    made = output / "a.nrrd_SYNTHETIC_MRI_ddib.nrrd"
    if what == "other voxels":
        add_image(images / "a.nrrd", seed=9)
    elif what == "other pixel size":
        volume = Volume.read(images / "a.nrrd")
        grid = Grid(volume.grid.size, (3.0, 3.0, 1.0))
        Volume(volume.array, grid).write(images / "a.nrrd")
    elif what == "cut output":
        made.write_bytes(made.read_bytes()[:-1])
    elif what == "no record":
        made.with_name(made.name + ".json").unlink()
    elif what == "torn record":
        made.with_name(made.name + ".json").write_bytes(b"")
    elif what == "another version":
        monkeypatch.setattr("USToMRILib.batch.job.__version__", "99")
    elif what == "another bundle":
        changed = shutil.copytree(models, output.parent / "models")
        weights = changed / "fetal_mri_eps" / "models" / "model.ts"
        shutil.copy(models / "fetal_us_eps" / "models" / "model.ts", weights)
        metadata = changed / "fetal_mri_eps" / "configs" / "metadata.json"
        other = json.loads((models / "fetal_us_eps" / "configs" / "metadata.json").read_text())
        metadata.write_text(json.dumps(other))
        monkeypatch.setenv("USTOMRI_MODELS", str(changed))
    elif what == "more memory":
        return ["--memory", "5"]
    elif what == "other steps":
        return ["--method", "ddic", "--steps", "3"]
    return []


@pytest.mark.parametrize(
    ("what", "again"),
    [
        ("nothing", 0),
        ("other voxels", 1),
        ("other pixel size", 1),
        ("cut output", 1),
        ("no record", 1),
        ("torn record", 1),
        ("another version", 3),
        ("another bundle", 3),
        ("more memory", 0),
        ("other steps", 3),
    ],
)
def test_resume_goes_by_what_was_done_not_by_names(
    what, again, images, tmp_path, tiny_models, monkeypatch, translated
):
    output = tmp_path / "out"
    batch(images, output)
    translated.clear()
    options = spoil(what, images, output, tiny_models, monkeypatch)
    batch(images, output, "--resume", *options)
    assert sum(translated.values()) == again


def test_a_copied_file_of_the_same_voxels_needs_nothing_new(images, tmp_path, translated):
    batch(images, tmp_path / "out")
    Volume.read(images / "a.nrrd").write(images / "a.nrrd")
    images = images.rename(tmp_path / "moved")
    batch(images, tmp_path / "out", "--resume")
    assert set(translated.values()) == {1}
    assert table(tmp_path / "out")["a.nrrd"]["input"] == str(images / "a.nrrd")


def test_two_runs_at_the_same_time_do_every_case_once(images, tmp_path, translated):
    for number in range(12):
        add_image(images / "more" / f"{number}.nrrd", 100 + number)
    output = tmp_path / "out"
    output.mkdir()
    reports = []

    def run():
        options = DdibOptions(2, "ddim")
        job = Job(output, "ddib", options, head_mask="none")
        cases = find_cases(images, output)
        reports.append(run_batch(cases, job, in_this_process(), CancelToken()))

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
        time.sleep(0.2)
    for thread in threads:
        thread.join()
    assert len(translated) == 15
    assert set(translated.values()) == {1}
    for report in reports:  # and every run knows of all of them
        assert [o.status for o in report.outcomes].count("done") == 15
        assert len(report.failed) == 1
    assert list((output / ".ustomri" / "claims").iterdir()) == []
    assert list((output / ".ustomri" / "processes").iterdir()) == []


def test_a_case_that_kills_its_processes_is_named_and_the_others_go_on(images, tmp_path):
    output = tmp_path / "out"
    case = find_cases(images, output)[0]
    claims = output / ".ustomri" / "claims"
    claims.mkdir(parents=True)
    for number in range(2):
        (claims / f"{case.key}.{number}").write_text('{"id": "dead"}')
    assert batch(images, output) == 3
    row = table(output)[case.name]
    assert row["status"] == "failed"
    assert "2 processes died over this case" in row["reason"]
    assert batch(images, output, "--resume") == 3
    assert table(output)[case.name]["status"] == "done"


def test_what_a_killed_process_left_is_removed(images, tmp_path):
    output = tmp_path / "out"
    case = find_cases(images, output)[0]
    (output / ".ustomri" / "claims").mkdir(parents=True)
    (output / ".ustomri" / "claims" / f"{case.key}.0").write_text('{"id": "dead"}')
    torn = output / f".{'0' * 32}.{case.output_name('ddib')}"
    torn.write_bytes(b"torn")
    other = output / f".{'0' * 32}.something else.nrrd"
    other.write_bytes(b"mine")
    batch(images, output)
    assert not torn.exists()
    assert other.exists()


def test_contrast_is_measured_where_regions_are_given(images, tmp_path):
    image = Volume.read(images / "a.nrrd")
    for name, rows in (("roi", slice(8, 12)), ("background", slice(13, 17))):
        mask = np.zeros(image.array.shape, np.uint8)
        mask[:, rows, 8:16] = 1
        image.with_array(mask).write(tmp_path / f"{name}.nrrd")
    cases = tmp_path / "cases.csv"
    cases.write_text("input,roi,background\nin/a.nrrd,roi.nrrd,background.nrrd\nin/b/a.mha,,\n")
    output = tmp_path / "out"
    assert batch(cases, output) == 0
    row = table(output)["in/a.nrrd"]
    regions = [read_region(tmp_path / f"{n}.nrrd", image.grid) for n in ("roi", "background")]
    for column, volume in (
        ("cnr_ultrasound", image),
        ("cnr_pseudo_mri", Volume.read(output / row["output"])),
    ):
        expected = contrast_to_noise(volume.array, *regions).cnr
        assert float(row[column]) == pytest.approx(expected, abs=1e-4)
    assert table(output)["in/b/a.mha"]["cnr_ultrasound"] == ""
    # The numbers are measured again, without a new translation.
    batch(cases, output, "--resume")
    assert table(output)["in/a.nrrd"]["cnr_pseudo_mri"] == row["cnr_pseudo_mri"]
    assert table(output)["in/a.nrrd"]["resumed"] == "yes"
    cases.write_text("input\nin/a.nrrd\n")
    batch(cases, output, "--resume")
    assert table(output)["in/a.nrrd"]["cnr_pseudo_mri"] == ""


def test_a_failure_of_ours_does_not_end_the_run(images, tmp_path, monkeypatch, capsys):
    def fail(*args, **options):
        raise ZeroDivisionError("oh no")

    monkeypatch.setattr("USToMRILib.batch.source.translate", fail)
    assert batch(images, tmp_path / "out") == 3
    rows = table(tmp_path / "out")
    assert rows["a.nrrd"]["reason"] == "Unexpected failure, ZeroDivisionError: oh no"
    assert "Traceback" in capsys.readouterr().err


def test_progress_as_json(images, tmp_path, capsys):
    batch(images, tmp_path / "out", "--progress", "json")
    events = [json.loads(li) for li in capsys.readouterr().err.splitlines() if li[0] == "{"]
    assert [(e["phase"], e["step"], e["of"]) for e in events] == [
        ("cases", n, 4) for n in (1, 2, 3, 4)
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere", "out"], "nowhere does not exist"),
        (["in", "in"], "is the input itself"),
        (["in", "in/a.nrrd"], "cannot be created"),
        (["in", "out", "--method", "magic"], "choose from pix2pix2d"),
        (["in", "out", "--method", "ddic", "--steps", "1"], "2 to 1000"),
        (["in", "out", "--method", "ddic", "--solver", "magic"], "choose from"),
        (["in", "out", "--device", "abacus"], "is unknown"),
        (["in", "out", "--axis", "q"], "choose from auto, k, j, i"),
        (["in", "out", "--jobs", "0"], "cannot work"),
    ],
)
def test_unusable_options_are_told_before_the_first_case(
    images, tmp_path, monkeypatch, capsys, arguments, message
):
    monkeypatch.chdir(tmp_path)
    assert main(["batch", *arguments]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert not list(tmp_path.rglob("*SYNTHETIC*"))


def test_a_run_with_other_options_is_refused_while_one_is_at_work(images, tmp_path, capsys):
    output = tmp_path / "out"
    claims = Claims(output / ".ustomri", "something else")
    try:
        assert batch(images, output) == 2
        assert "Another run with other options" in capsys.readouterr().err
    finally:
        claims.close()


def test_a_head_mask_that_is_missing_fails_its_case(images, tmp_path):
    cases = tmp_path / "cases.csv"
    cases.write_text("input,head_mask\nin/a.nrrd,no.nrrd\nin/b/a.mha,none\n")
    assert batch(cases, tmp_path / "out") == 3
    rows = table(tmp_path / "out")
    assert "no.nrrd cannot be opened" in rows["in/a.nrrd"]["reason"]
    assert rows["in/b/a.mha"]["status"] == "done"


def test_a_network_that_is_missing_is_told_before_the_first_case(
    images, tmp_path, tiny_models, monkeypatch, capsys
):
    models = shutil.copytree(tiny_models, tmp_path / "models")
    (models / "pix2pix3d" / "models" / "model.ts").unlink()
    monkeypatch.setenv("USTOMRI_MODELS", str(models))
    assert main(["batch", str(images), str(tmp_path / "out"), "--method", "pix2pix3d"]) == 2
    assert "lacks" in capsys.readouterr().err


def test_the_log_goes_on_where_its_encoding_lacks_a_letter(images, tmp_path, monkeypatch):
    (images / "a.nrrd").rename(images / "Łódź.nrrd")
    (images / "bad <&>.nrrd").rename(os.fsdecode(bytes(images) + b"/M\xfcller.nrrd"))
    with open(tmp_path / "log", "w", encoding="ascii") as log:
        monkeypatch.setattr("sys.stdout", log)
        assert batch(images, tmp_path / "out") == 3
    assert "\\u0141\\xf3d\\u017a.nrrd: done" in (tmp_path / "log").read_text()
    assert "is damaged" in table(tmp_path / "out")["M\\udcfcller.nrrd"]["reason"]


def refuse_to_write(monkeypatch, name: str) -> None:
    """Let the disk be full for files that end so."""
    write = Path.write_text

    def full(path, *args, **options):
        if path.name.endswith(name):
            raise OSError(28, "No space left on device")
        return write(path, *args, **options)

    monkeypatch.setattr(Path, "write_text", full)


def test_a_record_that_cannot_be_written_fails_its_case(images, tmp_path, monkeypatch, capsys):
    refuse_to_write(monkeypatch, "a.nrrd_SYNTHETIC_MRI_ddib.nrrd.json")
    assert batch(images, tmp_path / "out") == 3
    reason = table(tmp_path / "out")["a.nrrd"]["reason"]
    assert "could not be written (No space left on device); free some space" in reason
    assert "Traceback" not in capsys.readouterr().err


def test_a_run_that_cannot_keep_its_state_ends_with_one_sentence(
    images, tmp_path, monkeypatch, capsys
):
    refuse_to_write(monkeypatch, "-ddib.json")
    assert batch(images, tmp_path / "out") == 2
    assert "(No space left on device); see to space" in capsys.readouterr().err
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / ".ustomri").touch()
    assert batch(images, tmp_path / "other") == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_summary_that_cannot_be_replaced_ends_the_run_with_one_sentence(
    images, tmp_path, monkeypatch, capsys
):
    def locked(*args):
        raise PermissionError(13, "Permission denied")  # Windows, while a spreadsheet shows it

    monkeypatch.setattr("USToMRILib.batch.run.write_summary", locked)
    assert batch(images, tmp_path / "out") == 2
    assert "close the programs that show it" in capsys.readouterr().err


def test_an_output_that_cannot_be_created_is_told_before_the_long_work(
    images, tmp_path, translated
):
    (images / "a.nrrd").unlink()
    output = tmp_path / "out"
    output.mkdir()
    (output / "b").touch()
    assert batch(images, output) == 3
    assert "b cannot be created (File exists)" in table(output)["b/a.mha"]["reason"]
    assert not translated


def test_the_longest_names_of_inputs_have_outputs(images, tmp_path):
    whole = images / "a.nrrd"
    for letter, count in (("l", 250), ("\N{HIRAGANA LETTER A}", 83)):
        (images / f"{letter * count}.nrrd").write_bytes(whole.read_bytes())
    names = {path.name for path in images.glob("*.nrrd")}
    batch(images, tmp_path / "out")
    rows = table(tmp_path / "out")
    done = [rows[name] for name in names if "bad" not in name]
    assert len(done) == 3
    for row in done:
        assert row["status"] == "done", row["reason"]
        assert (tmp_path / "out" / row["output"]).is_file()


def test_a_pipe_in_the_folder_is_passed_over(images, tmp_path):
    os.mkfifo(images / "pipe.nrrd")
    os.mkfifo(images / "pipe")
    batch(images, tmp_path / "out")
    assert not [name for name in table(tmp_path / "out") if "pipe" in name]
