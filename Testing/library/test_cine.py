"""Cines: as many pseudo-MRIs as frames, at the same times, on a head that is followed."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import shift

from USToMRILib import Grid, ImageSequence, InputError, Volume, translate_cine
from USToMRILib.cli.command import main
from USToMRILib.fetal.stack import axis_option
from USToMRILib.files import sidecar_path
from USToMRILib.methods import METHODS, SLICE, VOLUME, Method
from USToMRILib.result import Made, Request

DATA = os.environ.get("USTOMRI_DATA")
SIZE, COUNT = 96, 6
GRID = Grid((SIZE, SIZE, 1), (1.2, 1.2, 1.0), (5.0, 6.0, 0.0))
TIMES = tuple(n * 0.05 for n in range(COUNT))
FAST = ["--method", "ddib", "--steps", "2", "--progress", "none"]


def moving_head() -> tuple[np.ndarray, np.ndarray]:
    """A textured disk that moves by one pixel a frame, and its masks, [n, 1, rows, columns]."""
    j, i = np.indices((SIZE, SIZE))
    disk = np.hypot(j - 44, i - 42) < 32
    texture = np.random.default_rng(0).integers(60, 200, (SIZE, SIZE)) * disk
    frames = [shift(texture, (0, n), order=0) for n in range(COUNT)]
    masks = [shift(disk.astype(np.uint8), (0, n), order=0) for n in range(COUNT)]
    return np.stack(frames).astype(np.uint8)[:, None], np.stack(masks)[:, None]


@pytest.fixture(name="cine")
def fixture_cine() -> ImageSequence:
    return ImageSequence(moving_head()[0], GRID, TIMES)


def centre(image: np.ndarray) -> float:
    """Mean column of what is shown."""
    return float(np.argwhere(image > 0)[:, -1].mean())


def test_every_frame_becomes_a_pseudo_mri_where_its_head_is(cine: ImageSequence) -> None:
    result = translate_cine(cine, "ddib", steps=2, head="none")
    made = result.sequence
    assert len(made) == COUNT
    assert made.grid == GRID
    assert made.seconds == TIMES
    columns = [centre(frame[0]) for frame in made.array]
    assert (np.diff(columns) > 0).all()
    # Smoothed over time, the motion begins late and ends early.
    assert 0.4 * (COUNT - 1) < columns[-1] - columns[0] <= COUNT - 1
    flicker = result.provenance["flicker"]
    assert 0 < flicker["pseudo_mri"] < 60
    assert flicker["ultrasound"] > 0
    assert result.provenance["frames"] == COUNT
    assert made.metadata["description"].startswith("SYNTHETIC")


def test_one_mask_is_the_head_of_every_frame(cine: ImageSequence) -> None:
    mask = Volume(moving_head()[1][0], GRID)
    made = translate_cine(cine, "ddib", steps=2, head=mask).sequence
    columns = [centre(frame[0]) for frame in made.array]
    assert max(columns) - min(columns) < 0.5


def test_a_frame_that_shows_nothing_stays_black(cine: ImageSequence) -> None:
    """PLUS writes such frames where it lost the image."""
    frames = cine.array.copy()
    frames[3] = 0
    mask = Volume(moving_head()[1][0], GRID)
    made = translate_cine(ImageSequence(frames, GRID, TIMES), "ddib", steps=2, head=mask).sequence
    assert [n for n in range(COUNT) if not made.array[n].any()] == [3]


@pytest.mark.parametrize("name", ["out.seq.nrrd", "out.mha", "out.dcm", "out.mp4"])
def test_the_command_writes_a_cine_of_the_same_length_and_timing(
    tmp_path: Path, cine: ImageSequence, name: str
) -> None:
    source, target = tmp_path / "us.seq.nrrd", tmp_path / name
    cine.write(source)
    how = [*FAST, "--frame", "all", "--head-mask", "none"]
    assert main(["translate", str(source), str(target), *how]) == 0
    made = ImageSequence.read(target, 1.2 if name.endswith("mp4") else None)
    assert len(made) == COUNT
    assert made.seconds == pytest.approx(TIMES, abs=1e-3)
    assert made.array.max() > 50
    record = json.loads(sidecar_path(target).read_text())
    assert record["frames"] == COUNT
    assert "SYNTHETIC" in made.metadata["description"]


def test_the_sequence_of_a_volume_method_is_done_volume_by_volume() -> None:
    array = np.random.default_rng(0).integers(0, 255, (2, 6, 16, 16)).astype(np.uint8)
    sequence = ImageSequence(array, Grid((16, 16, 6), (0.5, 0.5, 0.5)), (0.0, 1.0))
    made = translate_cine(sequence, "pix2pix3d").sequence
    assert made.array.shape == array.shape
    assert made.seconds == (0.0, 1.0)


def test_what_cannot_be_a_cine_is_refused(
    tmp_path: Path, cine: ImageSequence, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InputError, match="the frames are flat"):
        translate_cine(cine, "pix2pix3d")
    source = tmp_path / "us.seq.nrrd"
    cine.write(source)
    for target, more, words in (
        ("out.png", [], "cannot hold a sequence"),
        ("out.mp4", ["--picture", str(tmp_path / "p.png")], "leave --picture out"),
    ):
        how = [*FAST, "--frame", "all", "--head-mask", "none", *more]
        assert main(["translate", str(source), str(tmp_path / target), *how]) == 2
        assert words in capsys.readouterr().err
    Image.fromarray(cine.array[0, 0]).save(tmp_path / "one.png")
    how = [*FAST, "--frame", "all"]
    assert main(["translate", str(tmp_path / "one.png"), str(tmp_path / "o.mp4"), *how]) == 2
    assert "has no pixel size" in capsys.readouterr().err


def test_a_batch_translates_cines(tmp_path: Path, cine: ImageSequence) -> None:
    """Of a folder that also holds a single image; what is complete is left alone."""
    (tmp_path / "in").mkdir()
    cine.write(tmp_path / "in" / "a.seq.nrrd")
    cine[2].write(tmp_path / "in" / "b.nrrd")
    how = [str(tmp_path / "in"), str(tmp_path / "out"), *FAST, "--head-mask", "none"]
    assert main(["batch", *how, "--frame", "all"]) == 0
    first, second = sorted((tmp_path / "out").glob("*.seq.nrrd"))
    made = ImageSequence.read(first)
    assert len(made) == COUNT
    assert made.seconds == pytest.approx(TIMES)
    assert len(ImageSequence.read(second)) == 1
    written = first.stat().st_mtime_ns
    assert main(["batch", *how, "--frame", "all", "--resume"]) == 0
    assert first.stat().st_mtime_ns == written


@dataclass(frozen=True)
class DrawOptions:
    axis: str = axis_option()


class Drawing:
    """Draws two samples, of a half and a quarter of the ultrasound."""

    def translate(self, volume: Volume, request: Request) -> Made:
        samples = tuple(volume.array * np.float32(part) for part in (0.5, 0.25))
        return Made(np.mean(samples, axis=0), {}, samples=samples)


@pytest.mark.parametrize("slices", [1, 3])
def test_samples_are_written_as_sequences_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slices: int
) -> None:
    """By the command and by a batch; of flat frames and of volumes."""
    entry = Method(
        *("draws", "Draws", "Draws two.", "None", (SLICE, VOLUME), DrawOptions, ()),
        load=lambda options, device: Drawing(),
    )
    monkeypatch.setitem(METHODS, "draws", entry)
    grid = Grid((8, 8, slices), (1.2, 1.2, 1.0))
    values = np.random.default_rng(0).integers(0, 63, (4, *grid.shape)) * 4
    (tmp_path / "in").mkdir()
    source = tmp_path / "in" / "us.seq.nrrd"
    ImageSequence(values.astype(np.uint8), grid, TIMES[:4]).write(source)
    how = ["--method", "draws", "--frame", "all", "--head-mask", "none"]
    assert main(["translate", str(source), str(tmp_path / "mri.seq.nrrd"), *how]) == 0
    assert main(["batch", str(tmp_path / "in"), str(tmp_path / "out"), *how]) == 0
    (made,) = (tmp_path / "out").glob("*draws.seq.nrrd")
    for target in (tmp_path / "mri.seq.nrrd", made):
        stem = target.name[: -len(".seq.nrrd")]
        for number, part in ((1, 2), (2, 4)):
            sample = ImageSequence.read(target.with_name(f"{stem}_SAMPLE_{number}.seq.nrrd"))
            np.testing.assert_array_equal(sample.array, values // part)
            assert sample.seconds == pytest.approx(TIMES[:4])
            assert f"SAMPLE {number} of a SYNTHETIC" in sample.metadata["description"]


@pytest.mark.skipif(not DATA, reason="USTOMRI_DATA names no folder with hc18")
def test_the_head_of_a_real_cine_is_followed() -> None:
    ultrasound = Volume.read(Path(str(DATA)) / "hc18" / "images" / "218_HC.png", 0.130134)
    frames = np.stack([np.roll(ultrasound.array, 3 * n, axis=2) for n in range(8)])
    cine = ImageSequence(frames, ultrasound.grid, tuple(0.04 * n for n in range(8)))
    result = translate_cine(cine, "cyclegan")
    assert "fetal_head_seg" in result.provenance["bundles"]
    columns = [centre(frame[0]) for frame in result.sequence.array]
    assert (np.diff(columns) > 0).all()
    assert 8 < columns[-1] - columns[0] <= 22
    assert result.provenance["flicker"]["pseudo_mri"] < result.provenance["flicker"]["ultrasound"]
