"""BrainVoxGen's table and curves, from logs whose numbers are known."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from training.export.training_log import (
    LOSSES,
    figure,
    main,
    read_training_log,
    section,
    tenths,
)
from USToMRILib import InputError


def entry(step: int, measured: bool) -> dict[str, float]:
    losses = {"discriminator": 1 / step, "gan": 0.3, "l1": 50 / step, "total": 0.3 + 5000 / step}
    similarity = {"validation_ssim": step / 10_000, "validation_psnr": 20.0} if measured else {}
    return {"step": step, **losses, **similarity}


def write_log(path: Path, steps: int, every: int, measured_every: int) -> Path:
    lines = [entry(s, s % measured_every == 0) for s in range(every, steps + 1, every)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_table_has_the_ssim_of_every_tenth(tmp_path: Path) -> None:
    rows = tenths(read_training_log(write_log(tmp_path / "log.jsonl", 1000, 20, 100)))
    assert [row["share"] for row in rows] == [n / 10 for n in range(1, 11)]
    assert [row["step"] for row in rows] == list(range(100, 1001, 100))
    assert [row["ssim"] for row in rows] == [n / 100 for n in range(1, 11)]


def test_lengthened_run_takes_the_nearest_measurement(tmp_path: Path) -> None:
    """1200 steps with ten measurements, then on to 5000 with one every 500."""
    lines = [entry(s, s % 120 == 0) for s in range(20, 1201, 20)]
    lines += [entry(s, s % 500 == 0) for s in range(1220, 5001, 20)]
    path = tmp_path / "log.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in lines))
    steps = [row["step"] for row in tenths(read_training_log(path))]
    assert steps == [480, 960, 1500, 2000, 2500, 3000, 3500, 4000, 4500, 5000]


def test_unmeasured_tenths_are_left_out() -> None:
    entries = [entry(s, s == 500) for s in range(20, 1001, 20)]
    assert [row["share"] for row in tenths(entries)] == [0.5]


def test_step_taken_again_counts_once(tmp_path: Path) -> None:
    path = write_log(tmp_path / "log.jsonl", 100, 20, 20)
    again = {**entry(60, True), "gan": 9.0}
    path.write_text(path.read_text() + json.dumps(again) + "\n\n")
    entries = read_training_log(path)
    assert [e["step"] for e in entries] == [20, 40, 60, 80, 100]
    assert entries[2]["gan"] == 9.0


def test_curves_are_the_logged_losses() -> None:
    entries = [entry(s, False) for s in range(10, 401, 10)]
    entries[3]["gan"] = float("nan")
    panels = figure(entries).axes
    assert [panel.get_title("left") for panel in panels] == list(LOSSES.values())
    for panel, name in zip(panels, LOSSES):
        drawn = dict(zip(*panel.lines[0].get_data()))
        assert drawn == {e["step"]: e[name] for e in entries if e[name] == e[name]}
        averaged = panel.lines[1].get_ydata()
        assert averaged[-1] == pytest.approx((entries[-1][name] + entries[-2][name]) / 2)


@pytest.mark.parametrize("text", ["", "[1]", "no json", '{"step": 1}\n', '{"loss": 1}\n', "\x00"])
def test_other_files_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text(text)
    with pytest.raises(InputError):
        read_training_log(path)


def test_command_writes_report_and_data(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.jsonl", 1000, 50, 100)
    out, report = tmp_path / "out.json", tmp_path / "report.html"
    arguments = [str(log), "--json", str(out), "--report", str(report)]
    assert main(arguments) == 0
    found = json.loads(out.read_text())["training"]
    assert found == section(read_training_log(log)).data["training"]
    assert len(found["losses"]["l1"]) == 20
    page = report.read_text(encoding="utf-8")
    assert "<svg" in page
    assert page.count("%</td>") == 10


# Room for the numbers and not for the page.
FULL_DISK = """
import resource, signal, sys
from training.export.training_log import main
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (12_000, 12_000))
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on the size of files")
def test_a_full_disk_is_told_in_one_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.jsonl", 200, 20, 20)
    out, report = tmp_path / "out.json", tmp_path / "report.html"
    report.write_text("an earlier one")
    arguments = [str(log), "--json", str(out), "--report", str(report)]
    command = [sys.executable, "-c", FULL_DISK, *arguments]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 2, run.stderr
    assert run.stderr.count("\n") == 1
    assert f"{report} could not be written" in run.stderr
    assert "free some space" in run.stderr
    assert report.read_text() == "an earlier one"
    assert sorted(tmp_path.iterdir()) == [log, report]
