"""The registry of methods: what is registered is found everywhere, and nothing else is known."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from Testing.batch_images import add_image
from Testing.conftest import HEAD
from USToMRILib import InputError, Volume, translate
from USToMRILib.cli import main
from USToMRILib.cli.translate import translate_file
from USToMRILib.cli.worker import TASKS
from USToMRILib.compute.bundle import list_bundles
from USToMRILib.fetal.diffusion import DdibOptions, DdicOptions
from USToMRILib.fetal.ellipse import Ellipse
from USToMRILib.fetal.frame_spec import FrameSpec
from USToMRILib.fetal.pipeline import Answer, FrameMethod, Frames
from USToMRILib.methods import (
    ADULT,
    BEST,
    FAST,
    FETAL,
    METHODS,
    QUALITIES,
    SLICE,
    VOLUME,
    Method,
    by_quality,
    register,
)
from USToMRILib.options import option
from USToMRILib.result import MAPS, Made, Request


@dataclass(frozen=True)
class ToyOptions:
    strength: float = option(3.0, "how strong", least=1, most=9, unit="TIMES")
    mode: str = option("soft", "how it cuts", choices=("soft", "hard"))
    bright: bool = option(True, "whether it is bright")


@dataclass(frozen=True)
class Toy:
    """Everything is as bright as the options say."""

    options: ToyOptions
    device: str

    def translate(self, volume: Volume, request: Request) -> Made:
        for _ in request.progress.track("generate", range(3)):
            level = 10 * self.options.strength * self.options.bright
        array = np.full(volume.array.shape, level, np.float32)
        return Made(
            array,
            {},
            {"device_used": self.device},
            ("Only a toy.",),
            dict.fromkeys(request.maps, array / 2),
        )


TOY = Method(
    "toy",
    "Toy: one grey",
    "Makes everything one grey.",
    "A paper that there is not",
    (SLICE, VOLUME),
    ToyOptions,
    (),
    Toy,
    {"uncertainty": "half of the grey"},
)


@pytest.fixture(autouse=True)
def toy() -> Iterator[Method]:
    register(TOY)
    yield TOY
    del METHODS[TOY.name]


@pytest.fixture
def image(head_slice: Volume, tmp_path: Path) -> Path:
    head_slice.write(tmp_path / "us.nrrd")
    return tmp_path / "us.nrrd"


def test_translate_takes_its_options_by_name_or_as_an_object(head_slice: Volume) -> None:
    by_name = translate(head_slice, "toy", strength=5, mode="hard", uncertainty=True)
    as_object = translate(
        head_slice, "toy", options=ToyOptions(5, "hard"), uncertainty=True, device="cpu"
    )
    for result in (by_name, as_object):
        assert (result.volume.array == 50).all()
        assert (result.uncertainty.array == 25).all()
        assert result.residual is None
        record = result.provenance
        assert record["method"] == "toy"
        assert record["bundles"] == {}
        assert record["warnings"] == ["Only a toy."]
        asked = {"strength": 5, "mode": "hard", "bright": True}
        said = {"device_used": "cpu", "uncertainty": "half of the grey"}
        assert record["parameters"] == {**asked, **said}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"strength": 11}, "11 strength cannot be used; choose from 1 to 9"),
        ({"strength": "much"}, "'much' is no strength; give a number"),
        ({"strength": True}, "True is no strength"),
        ({"mode": "loud"}, "mode 'loud' is unknown; choose from soft, hard"),
        ({"bright": 1}, "1 is no bright; give true or false"),
        ({"steps": 5}, "'toy' has no option 'steps'"),
        ({"residual": True}, "no residual for the method 'toy'; use 'ddic' or 'ddib'"),
        ({"options": DdicOptions()}, "are ToyOptions, and these are DdicOptions"),
        ({"options": ToyOptions(), "strength": 2}, "not both"),
        ({"options": ToyOptions(strength=0)}, "0 strength cannot be used"),
    ],
)
def test_what_it_does_not_have_is_refused(
    head_slice: Volume, arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        translate(head_slice, "toy", **arguments)
    with pytest.raises(InputError, match="odd width"):
        METHODS["ddic"].make_options(values={"median_kernel": 4})


def test_the_command_line_knows_it(image: Path, tmp_path: Path, capsys) -> None:
    with pytest.raises(SystemExit):
        main(["translate", "--help"])
    words = " ".join(capsys.readouterr().out.split())
    assert "pix2pix3d, toy; default: pix2pix2d" in words
    assert "--strength TIMES toy: how strong; default: 3.0" in words
    assert "--mode" in words
    assert "toy: how it cuts; soft, hard; default: soft" in words
    assert (
        "--uncertainty FILE pix2pix2d, ddic-guided, pix2pix3d, toy: also write its spread" in words
    )
    output, spread = tmp_path / "mri.nrrd", tmp_path / "spread.nrrd"
    asked = ["--method", "toy", "--strength", "4", "--bright", "true", "--uncertainty", str(spread)]
    assert main(["translate", str(image), str(output), *asked]) == 0
    assert (Volume.read(output).array == 40).all()
    assert (Volume.read(spread).array == 20).all()
    record = json.loads((tmp_path / "mri.nrrd.json").read_text())
    assert record["parameters"]["strength"] == 4
    capsys.readouterr()
    assert main(["translate", str(image), str(output), "--method", "ddib", "--strength", "4"]) == 2
    assert "'ddib' has no option 'strength'" in capsys.readouterr().err
    assert main(["translate", str(image), str(output), "--method", "toy", "--bright", "no"]) == 2


def test_the_list_of_methods_shows_it(tiny_models: Path, capsys) -> None:
    assert main(["methods"]) == 0
    shown = capsys.readouterr().out
    assert "toy: Toy: one grey\n  Makes everything one grey.\n" in shown
    assert "options: --strength, --mode, --bright" in shown
    assert "for the adult brain; takes volume; options: --memory" in shown
    assert "what is called best for a slice\n" in shown
    assert main(["methods", "--json"]) == 0
    methods = {each["name"]: each for each in json.loads(capsys.readouterr().out)["methods"]}
    assert list(methods) == list(METHODS)
    strength = methods["toy"]["options"][0]
    assert strength["type"] == "float"
    assert (strength["least"], strength["most"], strength["default"]) == (1, 9, 3.0)
    assert methods["toy"]["frame"] is None
    assert methods["ddic"]["installed"]
    assert methods["pix2pix2d"]["default"]
    assert methods["pix2pix2d"]["subject"] == "fetal head"
    assert methods["pix2pix2d"]["qualities"] == {"fast": ["slice", "volume"], "best": ["volume"]}
    assert methods["ddic"]["frame"] == FrameSpec.paper().metadata
    assert methods["pix2pix3d"]["frame"] is None
    assert TASKS["methods"]() == {"methods": list(methods.values())}


def test_a_batch_is_done_with_it(tmp_path: Path, capsys) -> None:
    images, output = tmp_path / "images", tmp_path / "out"
    images.mkdir()
    for number in range(2):
        add_image(images / f"{number}.nrrd", number)
    command = ["batch", str(images), str(output), "--method", "toy", "--strength", "2"]
    assert main(command) == 0
    records = sorted(output.glob("*.nrrd.json"))
    assert len(records) == 2
    for record in records:
        assert json.loads(record.read_text())["parameters"]["strength"] == 2
    assert "strength 2.0" in (output / "summary.html").read_text()
    assert main([*command, "--resume"]) == 0
    assert "complete already" in capsys.readouterr().out
    assert main([*command[:-1], "5", "--resume"]) == 0
    assert json.loads(records[0].read_text())["parameters"]["strength"] == 5
    assert main([*command[:-1], "99"]) == 2


def test_a_python_caller_has_the_command(image: Path, tmp_path: Path) -> None:
    output = tmp_path / "mri.nrrd"
    answer = translate_file(
        image, output, "toy", options={"strength": 2}, maps={"uncertainty": tmp_path / "u.nrrd"}
    )
    told = json.loads(json.dumps(answer["provenance"]))
    assert told == json.loads((tmp_path / "mri.nrrd.json").read_text())
    assert (Volume.read(output).array == 20).all()
    assert (tmp_path / "u.nrrd").exists()


def test_the_names_and_maps_of_methods_are_checked() -> None:
    with pytest.raises(ValueError, match="already"):
        register(TOY)
    with pytest.raises(ValueError, match="MAPS"):
        register(replace(TOY, name="other", offers={"colours": ""}))
    with pytest.raises(ValueError, match="'pix2pix2d' is fast for a slice of a fetal head already"):
        register(replace(TOY, name="other", qualities={FAST: (SLICE,)}))
    with pytest.raises(ValueError, match="cannot be best for a cine"):
        register(replace(TOY, name="other", qualities={BEST: ("cine",)}))
    assert "toy" in METHODS
    assert "other" not in METHODS


@pytest.mark.parametrize("quality", QUALITIES)
def test_there_is_a_method_of_every_quality(quality: str) -> None:
    """One for each head that there are networks for; a method of a test is found there too."""
    assert [method.subject for method in by_quality(quality, SLICE)] == [FETAL]
    assert {method.subject for method in by_quality(quality, VOLUME)} == {FETAL, ADULT}
    adult = replace(TOY, name="adult", subject=ADULT, qualities={quality: (SLICE,)})
    register(adult)
    try:
        assert by_quality(quality, SLICE)[-1] is adult
    finally:
        del METHODS["adult"]


@pytest.mark.parametrize("method", list(METHODS))
def test_every_entry_says_what_there_is_to_say(method: str, bundled: Path) -> None:
    entry = METHODS[method]
    assert entry.name == method
    assert entry.title
    assert entry.summary.endswith(".")
    assert entry.paper
    assert set(entry.takes) <= {SLICE, VOLUME}
    assert set(entry.offers) <= set(MAPS)
    assert all(each.help for each in entry.option_list)
    said = json.loads(json.dumps(entry.describe()))
    assert said["installed"] == (set(entry.bundles) <= set(list_bundles()))
    assert entry.make_options() == entry.options()


def test_options_of_one_name_mean_one_thing() -> None:
    """The command line has one flag for both."""
    seen: dict[str, object] = {}
    for method in METHODS.values():
        for each in method.option_list:
            assert seen.setdefault(each.name, each) == each
    assert issubclass(DdicOptions, DdibOptions)


def test_tissues_and_samples_come_back_to_the_inputs_grid(
    tiny_models: Path, head_slice: Volume, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Label 2 where the ultrasound is brighter than its mean, 1 elsewhere in the brain."""

    def answer(frames: Frames) -> Answer:
        bright = torch.sigmoid(20 * frames.images[:, 0])
        brain = torch.from_numpy(frames.masks).float()
        tissues = torch.stack([1 - brain, brain * (1 - bright), brain * bright], dim=1)
        samples = tuple(frames.images * part for part in (1.0, 0.5))
        maps = {"uncertainty": (samples[0] - samples[1]).abs()} if frames.wanted else {}
        return Answer(frames.images, maps, tissues, samples)

    spec = FrameSpec("head", (128, 128), long_axis_pixels=112)
    entry = Method(
        *("slices", "Slices", "Of slices.", "None", (SLICE,), DdibOptions, ("fetal_us_eps",)),
        load=lambda options, device: FrameMethod(spec, answer, {}),
        offers={"tissues": "what is bright", "uncertainty": "of the samples"},
    )
    monkeypatch.setitem(METHODS, "slices", entry)
    within = Ellipse(HEAD.centre, (35.0, 27.0), HEAD.angle)
    result = translate(head_slice, "slices", head=within, tissues=True, uncertainty=True)
    labels = result.tissues.array[0]
    assert result.tissues.grid == head_slice.grid
    assert labels.dtype == np.uint8
    brain = within.mask(labels.shape, head_slice.grid.spacing[:2])
    assert ((labels > 0) == brain).mean() > 0.995
    brain &= labels > 0
    assert (result.volume.array[0][labels == 0] == 0).mean() > 0.99
    seen = head_slice.array[0]
    middle = np.percentile(seen[brain], [1, 97]).mean()
    clear = brain & (np.abs(seen - middle) > 15)
    assert ((labels == 2) == (seen > middle))[clear].mean() > 0.97
    first, second = (sample.array[0] for sample in result.samples)
    np.testing.assert_array_equal(first, result.volume.array[0])
    np.testing.assert_allclose(second[brain] - 127.5, (first[brain] - 127.5) / 2, atol=1e-3)
    assert result.uncertainty.array.max() == pytest.approx(127.5 / 2, abs=2)
    assert result.provenance["parameters"]["tissues"] == "what is bright"
    result.write(tmp_path / "mri.nrrd", map_paths={"tissues": tmp_path / "tissues.nrrd"})
    np.testing.assert_array_equal(Volume.read(tmp_path / "tissues.nrrd").array[0], labels)
