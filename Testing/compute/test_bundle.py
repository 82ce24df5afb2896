from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import pytest
import torch

from training.export.bundle import trace, versions
from USToMRILib.compute.bundle import (
    METADATA_FILE,
    WEIGHTS_FILE,
    list_bundles,
    load_bundle,
    models_dir,
    read_metadata,
    verify_bundle,
)
from USToMRILib.errors import InputError


@pytest.fixture
def copied_models(tiny_models_dir, tmp_path, monkeypatch):
    folder = shutil.copytree(tiny_models_dir, tmp_path / "models")
    monkeypatch.setenv("USTOMRI_MODELS", str(folder))
    return folder


def test_a_bundle_loads_with_its_metadata_and_no_gradient_for_its_weights(tiny_models):
    bundle = load_bundle("fetal_us_eps")
    x = torch.ones(2, 1, 128, 128, requires_grad=True)
    bundle.net(x, torch.tensor([0, 999])).sum().backward()
    assert x.grad is not None
    assert not bundle.net.training
    assert all(not p.requires_grad for p in bundle.net.parameters())
    assert bundle.metadata["schedule"]["name"] == "cosine"
    assert bundle.sha256 == bundle.metadata["sha256"] == verify_bundle("fetal_us_eps")


def test_the_metadata_travel_inside_the_weights(tiny_models):
    extra = {"metadata.json": ""}
    torch.jit.load(str(tiny_models / "pix2pix3d" / WEIGHTS_FILE), _extra_files=extra)
    inside = json.loads(extra["metadata.json"])
    assert {**inside, "sha256": verify_bundle("pix2pix3d")} == read_metadata("pix2pix3d")


def test_the_same_weights_are_opened_once(tiny_models):
    assert load_bundle("pix2pix3d").net is load_bundle("pix2pix3d").net


def test_changed_weights_are_refused_before_they_are_opened(copied_models):
    weights = copied_models / "pix2pix3d" / WEIGHTS_FILE
    weights.write_bytes(weights.read_bytes() + b"x")
    with pytest.raises(InputError, match=r"damaged or were changed.*install the bundle again"):
        load_bundle("pix2pix3d")


def test_missing_and_broken_bundles_are_refused(copied_models):
    with pytest.raises(InputError, match="'nothing' is not in"):
        load_bundle("nothing")
    (copied_models / "fetal_us_eps" / WEIGHTS_FILE).unlink()
    with pytest.raises(InputError, match="lacks"):
        load_bundle("fetal_us_eps")
    for broken in ("{", "[1]"):
        (copied_models / "pix2pix3d" / METADATA_FILE).write_text(broken)
        with pytest.raises(InputError, match="install the bundle again"):
            load_bundle("pix2pix3d")


def test_a_trace_that_computes_something_else_is_not_exported():
    class Fickle(torch.nn.Module):
        def forward(self, x):
            return x * len(x)

    with pytest.raises(RuntimeError, match="differs"):
        trace(Fickle(), torch.ones(2, 1))


def test_every_bundle_of_the_repository_is_complete_and_verified(bundled):
    assert {"fetal_us_eps", "fetal_mri_eps", "fetal_head_seg", "pix2pix3d"} <= set(list_bundles())
    assert models_dir() == bundled
    for name in list_bundles():
        verify_bundle(name)
        metadata = read_metadata(name)
        for key in ("version", "task", "network_data_format", "training", "metrics", "data"):
            assert metadata[key], f"{name} lacks {key}"
        run = metadata["training"]["runs"][-1]
        assert run["command"].startswith("python -m training.")
        assert len(run["commit"]) == 40
        card = (bundled / name / "docs" / "README.md").read_text(encoding="utf-8")
        assert not run["dirty"] or "differed from the commits named" in card
        assert (bundled / name / "docs" / "README.md").stat().st_size > 1000
        assert (bundled / name / "LICENSE").exists()
        assert (bundled / name / WEIGHTS_FILE).stat().st_size < 50e6
        with zipfile.ZipFile(bundled / name / WEIGHTS_FILE) as archive:
            assert not [entry for entry in archive.namelist() if "debug" in entry]


def test_a_replaced_bundle_gets_the_next_version(tmp_path):
    replaced = tmp_path / "metadata.json"
    first = {"training": {"runs": [{"date": "2026-11-23", "command": "train --seed 0"}]}}
    assert versions(first, replaced) == {
        "version": "0.1.0",
        "changelog": {"0.1.0": "first weights"},
    }
    replaced.write_text(json.dumps({**versions(first, replaced), **first}))
    assert versions(first, replaced) == {
        "version": "0.1.1",
        "changelog": {"0.1.0": "first weights", "0.1.1": "the same weights, exported anew"},
    }
    second = {"training": {"runs": [{"date": "2026-11-26", "command": "train --seed 1"}]}}
    assert versions(second, replaced) == {
        "version": "0.2.0",
        "changelog": {"0.1.0": "first weights", "0.2.0": "weights of 2026-11-26: train --seed 1"},
    }


SAID = {
    "fetal_head_seg": "Dice {dice_mean:.3f}, error of the head circumference "
    "{hc_mean_absolute_error_mm:.1f} mm (mean), {hc_median_absolute_error_mm:.1f} mm (median); "
    "{images} images",
    "pix2pix2d": "correlation {usual[correlation]:.3f}, ventricle Dice "
    "{usual[dice][ventricles and cavum]:.3f}, its area within "
    "{usual[ventricle_area_error_percent]:.1f} %",
    "fetal_us_eps": "velocity loss {velocity_loss_test:.3f}",
    "fetal_mri_eps": "velocity loss {velocity_loss_test:.3f}",
    "cyclegan_fetal": "correlation with the ultrasound inside the head "
    "{correlation_with_ultrasound:.2f}",
    "pix2pix3d": "inside the cone SSIM {ssim_mean:.3f}, PSNR {psnr_mean:.1f} dB; {volumes} "
    "simulated volumes",
}


@pytest.mark.parametrize("name", SAID)
def test_the_documents_say_what_the_bundles_reach(name):
    page = (Path(__file__).parents[2] / "docs" / "methods.md").read_text(encoding="utf-8")
    lines = page.partition("\n## Weights\n")[2].splitlines()
    (row,) = (line for line in lines if line.startswith(f"| `{name}` |"))
    assert SAID[name].format(**read_metadata(name)["metrics"]) in row
