"""Head biometry against published tables."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from USToMRILib import Volume
from USToMRILib.cli.command import main
from USToMRILib.fetal.biometry import (
    Biometry,
    circumference_centile,
    gestational_ages,
    hadlock,
    intergrowth,
)
from USToMRILib.fetal.ellipse import Ellipse

# Head circumference (cm), menstrual age and two standard deviations (weeks): rows of the table
# "GA by HC - Hadlock1984" in Hologic's Obstetrical References (PM.LAB.175-A, 2020).
HADLOCK = (
    (6.8, 12.7263, 1.19),
    (15.1, 18.1469, 1.48),
    (22.4, 24.4278, 2.06),
    (30.1, 33.3953, 2.98),
    (36.0, 42.3968, 3.20),
)

# INTERGROWTH-21st, published table of the head circumference (mm): week, 3rd and 50th centile.
INTERGROWTH_TABLE = (
    (16, 111.1, 122.9),
    (20, 158.5, 172.5),
    (24, 203.5, 219.1),
    (28, 243.6, 260.4),
    (32, 276.3, 294.4),
    (36, 299.2, 319.4),
    (40, 309.6, 333.9),
)


@pytest.mark.parametrize(("cm", "weeks", "two_sd"), HADLOCK)
def test_hadlock_is_the_published_table(cm: float, weeks: float, two_sd: float) -> None:
    age = hadlock(10 * cm)
    assert age is not None
    assert age.weeks == pytest.approx(weeks, abs=0.0006)
    assert (age.high_weeks - age.low_weeks) / 2 == pytest.approx(two_sd)


@pytest.mark.parametrize(("week", "third", "median"), INTERGROWTH_TABLE)
def test_intergrowth_centiles_are_the_published_table(week, third, median) -> None:
    for expected, z in ((third, -1.8808), (median, 0.0)):
        assert circumference_centile(np.float64(week), z) == pytest.approx(expected, abs=0.11)


def test_intergrowth_dates_as_the_paper_does() -> None:
    """Its worked example: 250 mm are 189.8 days."""
    age = intergrowth(250.0)
    assert age is not None
    assert 7 * age.weeks == pytest.approx(189.8, abs=0.06)


@pytest.mark.parametrize(("week", "third", "median"), INTERGROWTH_TABLE[1:-1])
def test_interval_holds_the_ages_of_the_table(week, third, median) -> None:
    """At the 3rd centile of a week, that week is the highest age."""
    age = intergrowth(third)
    assert age is not None
    assert age.high_weeks == pytest.approx(week, abs=0.03)
    assert age.low_weeks < age.weeks < week


@pytest.mark.parametrize("circumference", np.arange(100.0, 335.0, 15.0))
def test_charts_agree_and_grow(circumference: float) -> None:
    """Two charts from two populations differ by less than a week; a larger head is older."""
    ages, later = gestational_ages(circumference), gestational_ages(circumference + 5)
    assert len(ages) == 2
    assert abs(ages[0].weeks - ages[1].weeks) < 1
    for age, next_age in zip(ages, later):
        assert age.low_weeks <= age.weeks <= age.high_weeks
        assert next_age.weeks > age.weeks


@pytest.mark.parametrize("circumference", [0.0, 20.0, 60.0, 361.0, 500.0])
def test_no_chart_covers_what_no_fetus_has(circumference: float) -> None:
    assert gestational_ages(circumference) == ()


@pytest.mark.parametrize("angle", [0.0, 0.7, -1.5])
def test_sizes_of_an_ellipse(angle: float) -> None:
    """A circle's circumference is known; of an ellipse it lies between those of its two circles."""
    circle = Biometry.of(Ellipse((1.0, 2.0), (30.0, 30.0), angle))
    assert circle.head_circumference_mm == pytest.approx(60 * np.pi)
    assert circle.cephalic_index == pytest.approx(100)
    head = Biometry.of(Ellipse((50.0, 60.0), (50.0, 39.0), angle))
    assert head.occipitofrontal_diameter_mm == 100
    assert head.biparietal_diameter_mm == 78
    assert head.cephalic_index == pytest.approx(78)
    assert 78 * np.pi < head.head_circumference_mm < 100 * np.pi
    assert json.loads(json.dumps(head.as_dict()))["gestational_age"][0]["chart"] == "Hadlock 1984"


def test_head_command_measures(
    head_slice: Volume, tiny_models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """``ustomri head`` says the sizes and the age, with chart and interval."""
    path = tmp_path / "head.mha"
    head_slice.write(path)
    assert main(["head", str(path), "--device", "cpu"]) == 0
    said = json.loads(capsys.readouterr().out)
    biometry = said["biometry"]
    assert biometry["head_circumference_mm"] == pytest.approx(said["circumference_mm"], abs=0.06)
    assert biometry["biparietal_diameter_mm"] == pytest.approx(60, abs=1.5)
    assert biometry["occipitofrontal_diameter_mm"] == pytest.approx(76, abs=1.5)
    assert "outer" in biometry["diameters"]
    charts = [age["chart"] for age in biometry["gestational_age"]]
    assert charts == ["Hadlock 1984", "INTERGROWTH-21st"]
    assert all(a["low_weeks"] < a["weeks"] < a["high_weeks"] for a in biometry["gestational_age"])
