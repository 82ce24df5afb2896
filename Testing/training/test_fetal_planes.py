"""Images of other planes, other scanners' heads, and what is measured on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from Testing.conftest import HEAD, BrightIsHead
from Testing.training.written_hc18 import write_hc18
from training.data import agreed_heads
from training.data.agreed_heads import agreed_head, read_agreed_heads
from training.data.fetal_planes import ASPECT, WIDTH_MM, find_planes, read_planes
from training.data.hc18 import find_hc18
from training.data.splits import PARTS, read_split
from training.export.head_measures import filled, look, measure_all, pictures
from USToMRILib import Volume
from USToMRILib.fetal.ellipse import Ellipse

SUBJECTS = {part: read_split("fetal_planes")[part][0] for part in PARTS}


def write_plane(folder: Path, subject: str, plane: int, pixels: np.ndarray) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    name = f"Patient{subject}_Plane{plane}_1_of_2.png"
    sitk.WriteImage(sitk.GetImageFromArray(pixels.astype(np.uint8)), str(folder / name))


def test_planes_are_read_by_their_names_and_the_split(tmp_path: Path) -> None:
    blank = np.zeros((60, 80))
    write_plane(tmp_path / "brain", SUBJECTS["train"], 3, blank)
    write_plane(tmp_path, SUBJECTS["test"], 5, blank)
    write_plane(tmp_path, SUBJECTS["test"], 4, blank)  # cervix
    write_plane(tmp_path, "99999", 3, blank)
    inventory = find_planes(tmp_path)
    assert {image.plane for image in inventory.found} == {"brain", "femur"}
    assert {left.why for left in inventory.left_out} == {
        "no abdomen, brain, femur or thorax by its name",
        "the split does not name its patient",
    }
    assert [i.subject for i in read_planes(tmp_path, "test", brain=False)] == [SUBJECTS["test"]]
    assert list(read_planes(tmp_path, "test", brain=True)) == []
    assert "femur, test" in next(i for i in inventory.found if i.plane == "femur").describe()


@pytest.mark.parametrize(("shape", "aspect"), [((64, 64), ASPECT), ((50, 80), 1.6)])
def test_an_image_stretched_to_a_square_gets_its_width_back(
    tmp_path: Path, shape: tuple[int, int], aspect: float
) -> None:
    write_plane(tmp_path, SUBJECTS["train"], 3, np.zeros(shape))
    (image,) = find_planes(tmp_path).found
    (columns, rows, _), (x, y, _) = image.volume.grid.size, image.volume.grid.spacing
    assert columns * x == pytest.approx(WIDTH_MM)
    assert columns * x / (rows * y) == pytest.approx(aspect)


def test_agreed_heads_are_of_the_training_part_and_of_heads_size(data_dir: Path) -> None:
    planes = data_dir / "fetal_planes"
    heads = list(read_agreed_heads(planes, "train"))
    assert len(heads) > 100
    assert all(150 < ellipse.circumference_mm < 450 for _, ellipse in heads)
    assert all(list(read_agreed_heads(planes, part)) == [] for part in ("validation", "test"))


def test_a_head_is_agreed_upon_where_the_looks_are_sure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_models: Path
) -> None:
    from USToMRILib.compute.bundle import load_bundle

    drawn = Ellipse((70.0, 50.0), (38.0, 30.0), 0.3)
    pixels = np.where(drawn.mask((300, 400), (WIDTH_MM / 400, WIDTH_MM / 400)), 200, 10)
    write_plane(tmp_path, SUBJECTS["train"], 3, pixels)
    (image,) = find_planes(tmp_path).found
    bundle = load_bundle("fetal_head_seg")
    found = agreed_head(bundle, image)
    assert found is not None
    assert found.centre == pytest.approx(drawn.centre, abs=0.5)
    monkeypatch.setattr(agreed_heads, "LEAST_SURE", 1.01)
    assert agreed_head(bundle, image) is None


def test_an_image_that_the_head_fills_holds_all_of_it(data_dir: Path) -> None:
    head = next(h for h in find_hc18(data_dir / "hc18").found if h.subject == "208")
    cropped = filled(head)
    rows, columns = cropped.array.shape[1:]
    assert rows * columns < 0.9 * head.pixels.size
    inside = head.ellipse.mask(head.mask.shape, (head.pixel_size_mm, head.pixel_size_mm))
    assert rows >= inside.any(1).sum()
    assert columns >= inside.any(0).sum()


def test_wrong_planes_that_are_accepted_and_brains_that_are_refused_are_named(
    tmp_path: Path,
) -> None:
    hc18, planes = tmp_path / "hc18", tmp_path / "fetal_planes"
    write_hc18(hc18, read_split("hc18")["test"][:1])
    head = HEAD.mask((300, 320), (0.35, 0.3)) * 200.0
    write_plane(planes, SUBJECTS["test"], 3, np.random.default_rng(0).integers(0, 255, (90, 120)))
    write_plane(planes, SUBJECTS["test"], 2, head)
    measured = measure_all(BrightIsHead().eval(), tmp_path)
    name = f"Patient{SUBJECTS['test']}_Plane"
    assert measured.metrics["images"] == 1
    assert measured.metrics["other_planes"] == {"images": 1, "accepted": [f"{name}2_1_of_2"]}
    assert measured.metrics["brain"] == {"images": 1, "refused": [f"{name}3_1_of_2"]}
    assert measured.metrics["filling_the_image"]["images"] == 1
    pictures(measured.failures["other_plane_accepted"], tmp_path / "accepted.png")
    assert (tmp_path / "accepted.png").stat().st_size > 1000


def test_what_is_no_head_is_said(head_slice: Volume) -> None:
    noise = np.random.default_rng(0).random(head_slice.array.shape)
    looked = look(BrightIsHead().eval(), "noise", head_slice.with_array(noise))
    assert looked.found is None
    assert looked.said.startswith("No fetal head was found")
