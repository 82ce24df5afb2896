"""The demo's sample and picture."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from PIL import Image

from USToMRILib import Volume
from USToMRILib.compute.bundle import verify_bundle
from USToMRILib.fetal.head import find_head

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = ROOT / "Resources" / "Sample" / "generated_fetal_head.png"


@pytest.fixture
def description():
    return json.loads(SAMPLE.with_suffix(".json").read_text(encoding="utf-8"))


def test_the_sample_says_that_it_is_nobodys(description):
    assert description["description"].startswith("GENERATED")
    with Image.open(SAMPLE) as picture:
        assert picture.text["description"] == description["description"]


def test_the_sample_shows_a_head_of_a_size_that_the_networks_know(description):
    head = find_head(Volume.read(SAMPLE, description["pixel_size_mm"]))
    assert head.warnings == ()


def test_the_sample_was_dreamed_by_the_bundled_network(description):
    assert description["bundle"]["fetal_us_eps"] == verify_bundle("fetal_us_eps")


def test_every_picture_that_the_extension_shows_is_there():
    cmake = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    shown = [url.split("/main/", 1)[1] for url in re.findall(r"https://raw[^\"]+\.png", cmake)]
    assert shown
    assert [path for path in shown if not (ROOT / path).is_file()] == []
