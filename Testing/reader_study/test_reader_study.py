"""The page of a reader study, from the files of its images to what it says to a browser."""

from __future__ import annotations

import base64
import html
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from Testing.reader_study.study_pairs import pair, write_pairs
from USToMRILib import Grid, InputError, Volume
from USToMRILib.cli.command import main
from USToMRILib.reader_study.pairs import read_pairs
from USToMRILib.reader_study.study import write_study


def study_of(page: Path) -> dict:
    """What a page tells its script."""
    text = page.read_text(encoding="utf-8")
    return json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1])


def pixels(image: dict) -> np.ndarray:
    data = base64.b64decode(image["src"].partition(",")[2])
    return np.asarray(Image.open(io.BytesIO(data)))


def test_order_and_sides_come_from_the_seed(tmp_path: Path) -> None:
    pairs = [pair(f"case{n}") for n in range(12)]
    studies = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_study(tmp_path / f"{name}.html", pairs, blinded=True, seed=seed)
        studies.append(study_of(tmp_path / f"{name}.html"))
    orders = [[case["case"] for case in study["cases"]] for study in studies]
    assert studies[0] == studies[1]
    assert orders[0] != orders[2]
    assert sorted(orders[0]) == sorted(orders[2]) == sorted(p.case for p in pairs)
    assert studies[0]["id"] == studies[2]["id"]
    sides = [case["pseudo_mri_side"] for case in studies[0]["cases"]]
    assert (sides.count("left"), sides.count("right")) == (6, 6)


def test_open_study_is_labelled_and_marked(tmp_path: Path) -> None:
    write_study(tmp_path / "page.html", [pair("a", spacing=(1.0, 2.0))])
    (case,) = study_of(tmp_path / "page.html")["cases"]
    assert [case[side]["label"] for side in ("left", "right")] == [
        "Ultrasound",
        "Pseudo-MRI (synthetic)",
    ]
    ultrasound, mri = (pixels(case[side]) for side in ("left", "right"))
    assert ultrasound[0, 0] == 255  # the surroundings are shown
    assert set(np.unique(mri[:30])) == {0, 200}
    assert len(np.unique(mri[-8:])) > 2  # the mark
    height, width = mri.shape
    assert case["aspect"] == pytest.approx(width / (2 * height), abs=1e-3)


def test_blinded_study_gives_nothing_away(tmp_path: Path) -> None:
    write_study(tmp_path / "page.html", [pair("a"), pair("b")], blinded=True)
    for case in study_of(tmp_path / "page.html")["cases"]:
        assert case["left"].keys() == case["right"].keys() == {"src"}
        first = pixels(case["left"])
        second = pixels(case["right"])
        mri, ultrasound = (first, second) if case["pseudo_mri_side"] == "left" else (second, first)
        assert set(np.unique(mri)) == {0, 200}
        assert (ultrasound[mri == 0] == 0).all()
        assert ultrasound[mri > 0].max() == 255


def test_page_stands_alone(tmp_path: Path) -> None:
    title = '<i>"A" {{ study }}'
    write_study(tmp_path / "page.html", [pair("</script><b>&")], title=title)
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert not re.search(r"""(src|href)=["']?(?!data:)[a-z/.]""", text)
    assert "http" not in text
    shown = re.findall("<title>(.*?)</title>", text)
    assert "<" not in shown[0]
    assert html.unescape(shown[0]) == title
    assert study_of(tmp_path / "page.html")["cases"][0]["case"] == "</script><b>&"


def test_what_cannot_be_paired_is_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    folder = write_pairs(tmp_path / "pairs", ("a", "b", "small", "torn"))
    pair("c").ultrasound.write(folder / "ultrasound" / "alone.png")
    pair("c").pseudo_mri.write(folder / "pseudo_mri" / "lost.nrrd")
    (folder / "ultrasound" / "torn.nrrd").write_bytes(b"NRRD0004\n")
    (folder / "ultrasound" / "notes.txt").write_text("no image")
    small = Volume(np.ones((1, 5, 5), np.uint8), Grid((5, 5, 1)))
    small.write(folder / "ultrasound" / "small.nrrd")
    pairs, problems = read_pairs(folder)
    assert [found.case for found in pairs] == ["a", "b"]
    assert sorted(text.partition(":")[0] for text in problems) == ["alone", "lost", "small", "torn"]


def test_a_picture_has_the_pixel_size_of_what_was_made_of_it(tmp_path: Path) -> None:
    for folder in ("ultrasound", "pseudo_mri"):
        (tmp_path / folder).mkdir()
    made = pair("a", (0.25, 0.25))
    made.ultrasound.write(tmp_path / "ultrasound" / "a.png")
    made.pseudo_mri.write(tmp_path / "pseudo_mri" / "a.nrrd")
    (read,), texts = read_pairs(tmp_path)
    assert texts == []
    assert read.ultrasound.grid.spacing[:2] == read.pseudo_mri.grid.spacing[:2] == (0.25, 0.25)


@pytest.mark.parametrize("broken", ["nothing", "unpaired"])
def test_folder_without_pairs_is_refused(tmp_path: Path, broken: str) -> None:
    if broken == "unpaired":
        folder = write_pairs(tmp_path, ())
        pair("a").ultrasound.write(folder / "ultrasound" / "a.nrrd")
    with pytest.raises(InputError):
        read_pairs(tmp_path)


def test_same_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="same name"):
        write_study(tmp_path / "page.html", [pair("a"), pair("a")])
    assert not list(tmp_path.iterdir())


def test_command_makes_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_pairs(tmp_path / "pairs")
    pair("c").ultrasound.write(folder / "ultrasound" / "alone.png")
    arguments = ["reader-study", "make", str(folder), str(tmp_path / "p.html"), "--blinded"]
    assert main([*arguments, "--seed", "5"]) == 0
    study = study_of(tmp_path / "p.html")
    assert (study["seed"], study["blinded"], len(study["cases"])) == (5, True, 2)
    assert "alone: there is no pseudo-MRI" in capsys.readouterr().err
