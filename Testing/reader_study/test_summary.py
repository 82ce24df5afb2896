"""The summary of a reader study against answers whose percentages and kappa are known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from USToMRILib import InputError
from USToMRILib.cli.command import main
from USToMRILib.evaluation.reader_study_summary import (
    ANSWERS,
    Answers,
    figure,
    read_answers,
    section,
    summarise,
)
from USToMRILib.reader_study.study import STRUCTURES

HEADER = ["study", "reader", "case", *STRUCTURES, "comment"]
WORDS = {"b": "better", "s": "same", "w": "worse", ".": ""}


def write_csv(path: Path, reader: str, rows: dict[str, str], study: str = "S") -> Path:
    """Write answers, given as one letter for each structure by case."""
    lines = [HEADER]
    lines += [
        [study, reader, case, *(WORDS.get(c, c) for c in letters), f"note {case}"]
        for case, letters in rows.items()
    ]
    path.write_text("\r\n".join(",".join(line) for line in lines) + "\r\n", encoding="utf-8-sig")
    return path


def answers_of(by_case: list[str]) -> Answers:
    """Every structure answered alike; a string a case, a letter a reader."""
    order = [word[0] for word in ANSWERS]
    codes = np.array([[order.index(c) if c in order else -1 for c in case] for case in by_case])
    return Answers(
        [f"R{n}" for n in range(codes.shape[1])],
        [f"case{n}" for n in range(codes.shape[0])],
        np.repeat(codes.T[:, :, None], len(STRUCTURES), axis=2),
        [],
    )


def test_percentages_and_kappa_are_those_worked_out_by_hand() -> None:
    by_case = ["bbbb", "bbss", "bsss", "wwww"]
    # Agreement: 1, 1/3, 1/2, 1; shares: b 7, s 5, w 4 of 16.
    observed = (1 + 1 / 3 + 1 / 2 + 1) / 4
    expected = (7**2 + 5**2 + 4**2) / 16**2
    summary = summarise(answers_of(by_case))
    for row in summary["structures"].values():
        assert row["percent"] == {"better": 43.8, "same": 31.2, "worse": 25.0}
        assert row["kappa"]["value"] == pytest.approx(
            (observed - expected) / (1 - expected), abs=1e-3
        )
        low, high = row["kappa"]["interval"]
        assert low < row["kappa"]["value"] < high <= 1
    overall = summary["structures"]["overall"]
    assert (overall["better"], overall["same"], overall["worse"]) == (21, 15, 12)


def test_intervals_narrow_with_more_cases_and_cover_the_truth() -> None:
    rng = np.random.default_rng(0)
    widths = []
    for cases in (20, 320):
        drawn = ["".join(rng.choice(list("bsw"), 5, p=[0.7, 0.2, 0.1])) for _ in range(cases)]
        row = summarise(answers_of(drawn))["structures"]["sylvian_fissure"]
        low, high = row["percent_better_interval"]
        assert low < 70 < high
        assert row["kappa"]["interval"][0] < 0 < row["kappa"]["interval"][1]
        widths.append(high - low)
    assert widths[1] < widths[0] / 2.5


@pytest.mark.parametrize(
    ("by_case", "reason"),
    [
        (["b", "s"], "two readers"),
        (["bb", "bb"], "the same"),
        (["bs", "..", ".."], "two readers"),
        (["b.", ".b", "b.", ".b"], "two cases"),
    ],
)
def test_no_kappa_is_a_reason(by_case: list[str], reason: str) -> None:
    kappa = summarise(answers_of(by_case))["structures"]["overall"]["kappa"]
    assert kappa["value"] is None
    assert reason in kappa["reason"]


def test_reader_who_stopped_early_does_not_empty_kappa() -> None:
    by_case = [case + "." for case in ("bb", "ss", "bs", "ww")]
    by_case[0] = "bbb"
    summary = summarise(answers_of(by_case))
    kappa = summary["structures"]["overall"]["kappa"]
    assert (kappa["readers"], kappa["cases"]) == (2, 4)
    assert summary["by_reader"]["R2"]["not_answered"] == 9


def test_bad_files_are_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    good = write_csv(tmp_path / "good.csv", "Ada", {"a": "bsw", "b": "bb."})
    other = write_csv(tmp_path / "other.csv", "Bob", {"a": "sss", "b": "b?s"})
    again = write_csv(tmp_path / "again.csv", "Ada", {"b": "www"})
    foreign = write_csv(tmp_path / "foreign.csv", "Eve", {"a": "bbb"}, study="T")
    unnamed = write_csv(tmp_path / "unnamed.csv", "", {"a": "bbb"})
    table, binary = tmp_path / "table.csv", tmp_path / "binary.csv"
    table.write_text("x,y\n1,2\n")
    binary.write_bytes(b"\x89PNG\xff\xfe\x00")
    short = tmp_path / "short.csv"
    short.write_text(",".join(HEADER) + "\nS,Zoe,a,better\n")
    missing = tmp_path / "missing.csv"
    answers, problems = read_answers(
        [good, other, again, good, foreign, unnamed, table, binary, short, missing]
    )
    assert answers.readers == ["Ada", "Bob", "Zoe"]
    assert answers.cases == ["a", "b"]
    assert answers.codes.tolist() == [
        [[0, 1, 2], [2, 2, 2]],
        [[1, 1, 1], [0, -1, 1]],
        [[0, -1, -1], [-1, -1, -1]],
    ]
    text = "\n".join(problems)
    assert len(problems) == 7
    for named in ("other.csv, row 3", "Ada: 1 case(s)", "foreign.csv", "unnamed.csv", "table.csv"):
        assert named in text
    assert "binary.csv" in text
    assert "missing.csv" in text


def test_nothing_usable_is_refused(tmp_path: Path) -> None:
    empty = write_csv(tmp_path / "empty.csv", "Ada", {"a": "..."})
    with pytest.raises(InputError, match="No answers"):
        read_answers([empty])


def test_figure_stacks_to_a_hundred() -> None:
    axes = figure(summarise(answers_of(["bbs", "bsw", "www", "bbb"]))).axes[0]
    widths = np.array([[bar.get_width() for bar in bars] for bars in axes.containers])
    np.testing.assert_allclose(widths.sum(axis=0), 100, atol=0.2)
    labels = [tick.get_text() for tick in axes.get_yticklabels()]
    assert labels == [*STRUCTURES.values(), "All structures"]


def test_command_writes_figures_and_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [
        write_csv(tmp_path / f"{name}.csv", name, {"a": "bsw", "b": "bb.", "c": "sbw"})
        for name in ("Ada", "Bob")
    ]
    out, report = tmp_path / "out.json", tmp_path / "report.html"
    arguments = ["reader-study", "summary", *map(str, files), str(tmp_path / "no.csv")]
    assert main([*arguments, "--json", str(out), "--report", str(report)]) == 0
    assert "no.csv" in capsys.readouterr().err
    found = json.loads(out.read_text())
    assert found["readers"] == ["Ada", "Bob"]
    assert found["structures"]["overall"]["kappa"]["value"] == 1
    page = report.read_text(encoding="utf-8")
    assert "<svg" in page
    assert "no.csv" in page
    assert section(found).data == {"reader_study": found}
    assert main(arguments) == 0
    assert json.loads(capsys.readouterr().out) == found
