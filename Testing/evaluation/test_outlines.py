"""Outlines: shapes whose measures are known, segmenters on drawn structures, and the command."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from USToMRILib import Grid, InputError, Volume
from USToMRILib.cli.command import main
from USToMRILib.evaluation import packages
from USToMRILib.evaluation.outline_shape import measure, outline_of
from USToMRILib.evaluation.outlines import (
    FULL,
    IMAGES,
    PSEUDO_MRI,
    SMALL,
    OutlineTask,
    make_views,
    outline_tasks,
    read_tasks,
)
from USToMRILib.evaluation.segmenters import Prompt, random_walker, segment_anything
from USToMRILib.reader_study.pairs import StudyPair

ANGLES = np.linspace(0, 2 * np.pi, 720, endpoint=False)


def polar(radius: Any) -> np.ndarray:
    """A closed curve from its radius in mm as a function of the angle."""
    return np.stack([radius * np.cos(ANGLES), radius * np.sin(ANGLES)], axis=-1)


@settings(max_examples=20)
@given(radius=st.floats(4, 60), turn=st.floats(0, 6.3), x=st.floats(-90, 90))
def test_circle_is_one(radius: float, turn: float, x: float) -> None:
    moved = np.roll(polar(radius), int(turn * 100), axis=0)[::-1] + np.array([x, -x])
    shape = measure(moved)
    assert shape.roundness == pytest.approx(1, abs=1e-3)
    assert shape.bending == pytest.approx(1, abs=1e-3)
    assert shape.area_mm2 == pytest.approx(np.pi * radius**2, rel=1e-3)


def test_ellipse_has_the_measures_of_its_integrals() -> None:
    a, b = 30.0, 12.0

    def speed(t: float) -> float:
        return float(np.hypot(a * np.sin(t), b * np.cos(t)))

    length = quad(speed, 0, 2 * np.pi)[0]
    energy = quad(lambda t: (a * b) ** 2 / speed(t) ** 5, 0, 2 * np.pi)[0]
    shape = measure(np.stack([a * np.cos(ANGLES), b * np.sin(ANGLES)], -1), smoothing_mm=0.2)
    assert shape.length_mm == pytest.approx(length, rel=2e-3)
    assert shape.roundness == pytest.approx(4 * np.pi * np.pi * a * b / length**2, rel=2e-3)
    assert shape.bending == pytest.approx(length * energy / (4 * np.pi**2), rel=0.02)


def test_waves_bend_as_much_as_they_should() -> None:
    """The bending of r = R (1 + e cos kt), from its curvature in closed form."""
    radius, e, k = 40.0, 0.01, 8
    t = np.linspace(0, 2 * np.pi, 20000, endpoint=False)
    r = radius * (1 + e * np.cos(k * t))
    r1, r2 = -radius * e * k * np.sin(k * t), -radius * e * k**2 * np.cos(k * t)
    speed = np.hypot(r, r1)
    curvature = (r**2 + 2 * r1**2 - r * r2) / speed**3
    length, energy = (np.mean(f) * 2 * np.pi for f in (speed, curvature**2 * speed))
    shape = measure(polar(radius * (1 + e * np.cos(k * ANGLES))), smoothing_mm=0.2)
    assert shape.bending == pytest.approx(length * energy / (4 * np.pi**2), rel=0.01)
    assert shape.bending > 1.15


def test_noise_makes_it_worse_the_more_the_rougher() -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(size=ANGLES.size)
    smooth_noise = np.convolve(np.tile(noise, 3), np.ones(15) / 15, "same")[720:1440]
    shapes = [measure(polar(15 + a * smooth_noise)) for a in (0, 0.5, 1, 2)]
    assert np.all(np.diff([shape.bending for shape in shapes]) > 0)
    assert np.all(np.diff([shape.roundness for shape in shapes]) < 0)


@pytest.mark.parametrize("pixel", [0.15, 0.4, 1.094])
def test_pixels_hardly_count(pixel: float) -> None:
    """The same circle on fine and on coarse pixels has the same measures."""
    n = int(40 / pixel)
    rows, columns = np.indices((n, n))
    circle = np.hypot(columns * pixel - 19.8, rows * pixel - 20.3) < 8
    shape = measure(outline_of(circle, (pixel, pixel)))
    assert shape.area_mm2 == pytest.approx(np.pi * 64, rel=0.02)
    assert shape.roundness == pytest.approx(1, abs=0.005)
    assert 0.999 < shape.bending < 1.08


def test_outline_lies_where_the_mask_lies() -> None:
    mask = np.zeros((20, 30), bool)
    mask[5:15, 10:28] = True
    mask[0, 0] = True  # a speck is not the outline
    outline = outline_of(mask, (2.0, 0.5))
    assert outline.min(axis=0) == pytest.approx([2 * 9.5, 0.5 * 4.5])
    assert outline.max(axis=0) == pytest.approx([2 * 27.5, 0.5 * 14.5])
    with pytest.raises(InputError, match="Nothing was outlined"):
        outline_of(np.zeros((4, 4), bool), (1.0, 1.0))


def drawn(contrast: float = 150.0, noise: float = 10.0) -> tuple[np.ndarray, np.ndarray]:
    """A bright ellipse on a dark ground, and its mask."""
    rows, columns = np.indices((90, 120))
    mask = ((columns - 60) / 22) ** 2 + ((rows - 40) / 12) ** 2 < 1
    image = 40 + contrast * mask + np.random.default_rng(0).normal(0, noise, mask.shape)
    return np.clip(image, 0, 255).astype(np.uint8), mask


@pytest.mark.parametrize("point", [None, (50.0, 42.0)])
def test_random_walker_finds_a_drawn_structure(point: tuple[float, float] | None) -> None:
    image, mask = drawn()
    found = random_walker().segment(image, Prompt((33, 22, 87, 58), point))
    assert 2 * (found & mask).sum() / (found.sum() + mask.sum()) > 0.97


def test_prompt_must_hold_something() -> None:
    for box, point in (((5, 5, 5, 9), None), ((0, 0, 9, 9), (20, 5))):
        with pytest.raises(InputError, match="prompt"):
            Prompt(box, point)  # type: ignore[arg-type]


def pair(case: str = "a") -> StudyPair:
    """A head of 60 x 50 mm with a bright structure of 18 x 10 mm, off the image's middle."""
    spacing = (0.4, 0.3)
    rows, columns = np.indices((400, 360))
    x, y = columns * spacing[0], rows * spacing[1]
    head = ((x - 62) / 30) ** 2 + ((y - 70) / 25) ** 2 < 1
    structure = ((x - 70) / 9) ** 2 + ((y - 75) / 5) ** 2 < 1
    speckle = np.random.default_rng(1).normal(0, 12, head.shape)
    grid = Grid((360, 400, 1), (*spacing, 1.0), (5.0, -3.0, 9.0))
    ultrasound = np.clip(60 + 120 * structure + speckle, 0, 255).astype(np.uint8)
    mri = np.where(head, 50 + 150 * structure, 0).astype(np.float32)
    return StudyPair(case, Volume(ultrasound[None], grid), Volume(mri[None], grid))


# In pixels of the ultrasound: x / 0.4, y / 0.3.
PROMPT = Prompt((145.0, 220.0, 205.0, 280.0), (175.0, 250.0))


def test_views_show_the_prompt_in_the_same_place() -> None:
    views = make_views(pair(), PROMPT)
    assert list(views) == list(IMAGES)
    assert views[SMALL].pixels.shape == views[PSEUDO_MRI].pixels.shape == (128, 128)
    assert views[SMALL].spacing == pytest.approx((1.094, 1.094), rel=0.01)
    places = []
    for view in views.values():
        x, y = view.prompt.inside
        assert view.pixels[round(y), round(x)] > 150
        rows, columns = np.indices(view.pixels.shape)
        left, top, right, bottom = view.prompt.box
        box = (columns >= left) & (columns <= right) & (rows >= top) & (rows <= bottom)
        bright = box & (view.pixels > 140)
        size = np.array([view.pixels.shape[1], view.pixels.shape[0]])
        places.append((np.array([columns[bright].mean(), rows[bright].mean()]) + 0.5) / size)
    np.testing.assert_allclose(places[1], places[0], atol=0.003)
    np.testing.assert_allclose(places[2], places[0], atol=0.003)


def test_areas_agree_in_all_images() -> None:
    (outlined,), problems = outline_tasks(
        [pair()], [OutlineTask("a", "plexus", PROMPT)], random_walker()
    )
    assert problems == []
    for name in IMAGES:
        assert outlined.outlines[name].shape.area_mm2 == pytest.approx(np.pi * 45, rel=0.12), name
    assert outlined.name == "a, plexus"


def test_what_fails_is_named_and_the_rest_goes_on() -> None:
    empty = StudyPair("e", pair().ultrasound, pair().ultrasound.with_array(np.zeros((1, 400, 360))))
    tasks = [
        OutlineTask("missing", "", PROMPT),
        OutlineTask("e", "", PROMPT),
        OutlineTask("a", "far", Prompt((0.0, 0.0, 3.0, 3.0))),
        OutlineTask("a", "good", PROMPT),
    ]
    outlined, problems = outline_tasks([pair(), empty], tasks, random_walker())
    assert [one.name for one in outlined] == ["a, good"]
    assert [text.partition(":")[0] for text in problems] == ["missing", "e", "a, far"]


def test_prompts_are_read_and_bad_rows_named(tmp_path: Path) -> None:
    path = tmp_path / "prompts.csv"
    path.write_text(
        "case,structure,left,top,right,bottom,x,y\n"
        "a,plexus,1,2,11,12,,\n"
        "b,,1,2,11,12,3,4\n"
        "c,,1,2,x,12,,\n"
        "d,,9,2,1,12,,\n"
    )
    tasks, problems = read_tasks(path)
    assert tasks == [
        OutlineTask("a", "plexus", Prompt((1, 2, 11, 12))),
        OutlineTask("b", "", Prompt((1, 2, 11, 12), (3, 4))),
    ]
    assert ["row 4" in problems[0], "row 5" in problems[1], len(problems)] == [True, True, 2]
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError):
        read_tasks(path)


class FakePredictor:
    """Stands in for Segment Anything's: three masks, of which the second is trusted most."""

    def __init__(self, network: str) -> None:
        assert network == "vit_b on cpu"

    def set_image(self, image: np.ndarray) -> None:
        assert image.shape == (90, 120, 3)
        assert image.dtype == np.uint8
        self.shape = image.shape[:2]

    def predict(self, **prompt: Any) -> tuple[np.ndarray, np.ndarray, None]:
        assert prompt["point_coords"].tolist() == [[60, 40]]
        assert prompt["point_labels"].tolist() == [1]
        assert prompt["box"].tolist() == [33, 22, 87, 58]
        masks = np.zeros((3, *self.shape), bool)
        masks[1, 30:50, 40:80] = True
        return masks, np.array([0.2, 0.9, 0.5]), None


class FakeNetwork(str):
    def to(self, device: str) -> str:
        return f"{self} on {device}"


@pytest.fixture(name="sam")
def fixture_sam(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Put a stand-in in the place of the package, and give weights for it."""
    package: Any = ModuleType("segment_anything")
    package.SamPredictor = FakePredictor
    package.sam_model_registry = {"vit_b": lambda checkpoint: FakeNetwork("vit_b")}
    monkeypatch.setitem(sys.modules, "segment_anything", package)
    weights = tmp_path / "sam_vit_b_01ec64.pth"
    weights.write_bytes(b"weights")
    return weights


def test_segment_anything_is_asked_with_the_prompt(sam: Path) -> None:
    segmenter = segment_anything(sam)
    assert segmenter.name == "Segment Anything vit_b"
    assert segmenter.segment(drawn()[0], Prompt((33, 22, 87, 58))).sum() == 800


def test_segment_anything_says_what_it_lacks(
    sam: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="which network"):
        segment_anything(sam.rename(tmp_path / "weights.pth"))
    with pytest.raises(InputError, match="does not exist"):
        segment_anything(sam)
    (tmp_path / "sam_vit_h.pth").write_bytes(b"other")
    with pytest.raises(InputError, match="does not hold"):
        segment_anything(tmp_path / "sam_vit_h.pth")
    monkeypatch.setitem(sys.modules, "segment_anything", None)
    with pytest.raises(InputError, match="pip install segment-anything"):
        segment_anything(sam)


def test_command_writes_measures_and_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("ultrasound", "pseudo_mri"):
        (tmp_path / name).mkdir()
    for case in ("a", "b"):
        pair().ultrasound.write(tmp_path / "ultrasound" / f"{case}.nrrd")
        pair().pseudo_mri.write(tmp_path / "pseudo_mri" / f"{case}.nrrd")
    prompts, out, report = (tmp_path / name for name in ("p.csv", "o.json", "r.html"))
    prompts.write_text(
        "case,left,top,right,bottom\na,145,220,205,280\nb,145,220,205,280\nc,1,1,9,9\n"
    )
    arguments = ["outlines", str(tmp_path), str(prompts), "--json", str(out)]
    assert main([*arguments, "--report", str(report)]) == 0
    assert "c: There is no pair" in capsys.readouterr().err
    found = json.loads(out.read_text())
    assert found["segmenter"] == "random walker (scikit-image)"
    assert set(found["outlines"][0]["images"]) == {FULL, SMALL, PSEUDO_MRI}
    page = report.read_text(encoding="utf-8")
    assert page.count("random walker (scikit-image)") >= 2
    assert "data:image/png" in page
    assert "c: There is no pair" in page


def test_a_report_that_cannot_be_made_is_told_before_anything_is_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "PACKAGES", ("there_is_no_such_package",))
    arguments = ["outlines", str(tmp_path), str(tmp_path / "p.csv")]
    assert main([*arguments, "--report", str(tmp_path / "r.html")]) == 2
    captured = capsys.readouterr()
    assert "dev.py setup" in captured.err
    assert captured.out == ""
