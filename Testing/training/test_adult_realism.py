"""How far simulated slices are said to be from real ones, of slices whose distance is known."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from Testing.training.adult_phantom import phantom, priors
from training.simulation import adult_realism
from training.simulation.adult_realism import compare, features


def slice_of(level: float, seed: int, size: int = 120) -> np.ndarray:
    """Speckle about a level in a cone, the probe at the top."""
    j, i = np.indices((size, size))
    cone = (np.abs(i - size / 2) < 8 + 0.5 * j) & (j > 4) & (j < size - 8)
    speckle = np.random.default_rng(seed).rayleigh(level, (size, size))
    return np.where(cone, np.clip(speckle, 1 / 255, 1), 0).astype(np.float32)


def test_slices_of_one_kind_are_covered_and_others_are_not() -> None:
    simulated = [slice_of(level, n) for n, level in enumerate(np.linspace(0.1, 0.3, 12))]
    near = compare([slice_of(0.17, 50), slice_of(0.22, 51)], simulated)
    far = compare([slice_of(0.02, 52)], simulated)
    assert near["covered"] > 0.8
    assert far["covered"] < 0.5
    assert far["features"]["dark"]["away"] > 3 > near["features"]["dark"]["away"]
    assert far["away_median"] > near["away_median"]


def test_the_size_of_the_pixels_does_not_count() -> None:
    """Twice the pixels: the same cone, the same tones, grains as wide."""
    small = slice_of(0.2, 3, 90)
    large = np.kron(small, np.ones((2, 2), np.float32))
    a, b = features(small), features(large)
    assert b["tone_50"] == pytest.approx(a["tone_50"], abs=0.03)
    assert b["dark"] == pytest.approx(a["dark"], abs=0.02)
    assert b["width_across"] == pytest.approx(a["width_across"], rel=0.25)


def test_the_command_compares_both_domains_with_the_slices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(adult_realism, "read_head", lambda *_: phantom())
    monkeypatch.setattr(adult_realism.MriPriors, "of", lambda *_: priors())
    command = ["realism", "--data", str(tmp_path), "--out", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", [*command, "--heads", "1", "--per-head", "2"])
    with pytest.raises(SystemExit):
        adult_realism.main()
    assert "no remind_slices" in capsys.readouterr().err
    (tmp_path / "remind_slices").mkdir()
    real = (255 * slice_of(0.2, 1)).astype(np.uint8).T  # the files have the probe at the left
    Image.fromarray(real).save(tmp_path / "remind_slices/A_ius.png")
    adult_realism.main()
    record = json.loads((tmp_path / "out/adult_realism.json").read_text())
    assert record["real_slices"] == 1
    for domain in ("narrow", "wide"):
        assert 0 <= record[domain]["covered"] <= 1
    assert (tmp_path / "out/adult_realism.png").stat().st_size > 5000
