"""The demo's sample and picture."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from training.data.splits import part_of, read_split
from USToMRILib import Volume
from USToMRILib.fetal.head import find_head

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "Resources" / "Sample" / "fetal_head.png"


@pytest.fixture
def description():
    return json.loads(SAMPLE.with_suffix(".json").read_text(encoding="utf-8"))


def test_the_sample_is_attributed_and_no_network_was_trained_on_it(description):
    assert "HC18" in description["description"]
    assert "CC BY 4.0" in description["licence"]
    name = re.search(r"image (\S+) of HC18", description["description"]).group(1)
    assert part_of(name.split("_")[0], read_split("hc18")) == "test"


def test_the_sample_is_the_published_file(description, data_dir):
    name = re.search(r"image (\S+) of HC18", description["description"]).group(1)
    published = data_dir / "hc18" / "images" / f"{name}.png"
    assert SAMPLE.read_bytes() == published.read_bytes()


def test_the_sample_shows_a_head_of_a_size_that_the_networks_know(description):
    head = find_head(Volume.read(SAMPLE, description["pixel_size_mm"]))
    assert head.warnings == ()
    annotated = float(re.search(r"circumference ([0-9.]+) mm", description["description"]).group(1))
    assert head.circumference_mm == pytest.approx(annotated, rel=0.02)


def test_every_picture_that_the_extension_shows_is_there():
    cmake = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    shown = [
        url.split("/main/", 1)[1] for url in re.findall(r"https://raw[^\"]+\.(?:png|jpg)", cmake)
    ]
    assert shown
    assert [path for path in shown if not (ROOT / path).is_file()] == []
