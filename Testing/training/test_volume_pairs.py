"""Pairs of real volumes: found in their published layouts, aligned, cut, split by subject."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid
from scipy.spatial.transform import Rotation

from training.data import prepare_pairs
from training.data.landmarks import align, apply, read_tag
from training.data.pairs import load_pair
from training.data.prepare_pairs import PATCH, draw_split, prepare_pair, prepared_pairs
from training.data.splits import PARTS
from training.data.volume_pairs import find_pairs, find_remind, find_resect
from training.data.volumes import read_volume
from training.export import training_log
from training.train import pix2pix3d as train_pix2pix3d
from training.train.checkpoint import load_checkpoint
from USToMRILib import Grid, InputError, Volume
from USToMRILib.pix2pix.orientation import Orientation

# A rigid motion from ultrasound space to MRI space, LPS mm.
MOTION = sitk.VersorRigid3DTransform((0.6, 0.0, 0.8), 0.25, (6.0, -4.0, 3.0), (10.0, 20.0, 30.0))
POINTS = np.array([[0, 0, 0], [40, 2, 1], [3, 38, 0], [1, 4, 35], [20, 30, 25.0]])
US_GRID = Grid((60, 50, 40), (1.0, 1.0, 1.0), (-10.0, -8.0, -6.0))
MRI_GRID = Grid((70, 70, 60), (1.5, 1.5, 1.5), (-30.0, -30.0, -25.0))


def pattern(points: np.ndarray) -> np.ndarray:
    """Anatomy: a smooth function of points (..., 3) in ultrasound space, 50 to 250."""
    return 150 + 100 * np.prod(np.cos(points / np.array([7.0, 9.0, 8.0])), axis=-1)


def centres(grid: Grid) -> np.ndarray:
    """The positions [k, j, i, 3] of a grid's voxels."""
    k, j, i = np.indices(grid.shape)
    return grid.index_to_physical(np.stack([i, j, k], -1).reshape(-1, 3)).reshape(*grid.shape, 3)


def ultrasound() -> Volume:
    """The anatomy in a wedge, 0 outside."""
    array = pattern(centres(US_GRID))
    _, j, i = np.indices(US_GRID.shape)
    return Volume(np.where(np.abs(i - 29.5) < 8 + j / 2, array, 0).astype(np.float32), US_GRID)


def mri() -> Volume:
    """The anatomy's negative where the motion has put it."""
    turn = np.reshape(MOTION.GetMatrix(), (3, 3))
    centre, shift = np.array(MOTION.GetCenter()), np.array(MOTION.GetTranslation())
    points = (centres(MRI_GRID) - centre - shift) @ turn + centre
    return Volume((300 - pattern(points)).astype(np.float32), MRI_GRID)


def write_tag(path: Path, first: np.ndarray, second: np.ndarray) -> None:
    """Write LPS points the way the MNI's programs do: right and front count up."""
    lps = np.array([-1, -1, 1])
    rows = "\n".join(
        " ".join(f"{x:.6f}" for x in (*(a * lps), *(b * lps))) + f' 1 1 1 "p {n}"'
        for n, (a, b) in enumerate(zip(first, second))
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f"MNI Tag Point File\nVolumes = 2;\n%VIO_Volume: mri.mnc us.mnc\n\nPoints =\n{rows};\n"
    )


def write_case(root: Path, number: int, suffix: str = ".nii.gz") -> None:
    """One case of RESECT."""
    case = root / f"Case{number}"
    for folder, name, volume in (
        ("US", "US-before", ultrasound()),
        ("US", "US-after", ultrasound()),
        ("MRI", "T1", mri()),
    ):
        (case / folder).mkdir(parents=True, exist_ok=True)
        path = case / folder / f"Case{number}-{name}{suffix}"
        if suffix == ".mnc":
            write_minc(volume, path)
        else:
            volume.write(path)
    tags = case / "Landmarks" / f"Case{number}-MRI-beforeUS.tag"
    write_tag(tags, apply(MOTION, POINTS), POINTS)


def write_minc(volume: Volume, path: Path) -> None:
    """ITK writes coordinates as they are: turned to right and front first, MINC has its own."""
    image = volume.to_sitk()
    flip = np.diag([-1.0, -1.0, 1.0])
    image.SetOrigin((flip @ image.GetOrigin()).tolist())
    direction = flip @ np.reshape(image.GetDirection(), (3, 3))
    image.SetDirection(direction.ravel().tolist())
    sitk.WriteImage(image, str(path))


def test_a_tag_file_is_read_into_lps(tmp_path: Path) -> None:
    write_tag(tmp_path / "a.tag", POINTS + 1, POINTS)
    first, second = read_tag(tmp_path / "a.tag")
    np.testing.assert_allclose(first, POINTS + 1)
    np.testing.assert_allclose(second, POINTS)
    text = (tmp_path / "a.tag").read_text()
    assert " -1.000000 " in text  # the file itself counts the other way
    for broken, why in (
        (text.replace("Volumes = 2", "Volumes = 1"), "two volumes"),
        ("x", "no MNI tag file"),
        (text[: text.index("Points")] + "Points = ;", "no point"),
        (text[: text.index("Points")] + "Points = 1 2 3;", "six coordinates"),
    ):
        (tmp_path / "b.tag").write_text(broken)
        with pytest.raises(InputError, match=why):
            read_tag(tmp_path / "b.tag")


@pytest.mark.parametrize("kind", ["rigid", "affine"])
def test_landmarks_give_the_motion_that_moved_them(kind: str) -> None:
    exact = align(POINTS, apply(MOTION, POINTS), kind)
    elsewhere = np.array([[70.0, -20.0, 15.0]])
    np.testing.assert_allclose(
        apply(exact.transform, elsewhere), apply(MOTION, elsewhere), atol=1e-3
    )
    assert exact.residual_mm < 1e-3
    assert exact.left_out_mm < 1e-2
    noise = np.random.default_rng(0).normal(0, 1, POINTS.shape)
    noisy = align(POINTS, apply(MOTION, POINTS) + noise, kind)
    assert 0.05 < noisy.residual_mm < noisy.left_out_mm
    with pytest.raises(InputError, match=f"do not fix a {kind} transform"):
        align(POINTS[:2], POINTS[:2], kind)


def test_a_sheared_motion_is_affine_but_not_rigid() -> None:
    sheared = POINTS @ np.array([[1.1, 0, 0], [0.2, 1, 0], [0, 0, 0.9]])
    assert align(POINTS, sheared, "affine").residual_mm < 1e-3
    assert align(POINTS, sheared, "rigid").residual_mm > 1


def test_minc_lies_where_nifti_lies(tmp_path: Path) -> None:
    direction = (0.8, -0.6, 0.0, 0.6, 0.8, 0.0, 0.0, 0.0, -1.0)
    grid = Grid((7, 6, 5), (0.5, 0.7, 1.1), (12.0, -7.0, 3.0), direction)
    volume = Volume(np.random.default_rng(0).random(grid.shape, np.float32), grid)
    volume.write(tmp_path / "a.nii.gz")
    write_minc(volume, tmp_path / "a.mnc")
    for name in ("a.nii.gz", "a.mnc"):
        read = read_volume(tmp_path / name)
        point = grid.index_to_physical(np.array([2.0, 1.0, 3.0]))
        np.testing.assert_allclose(
            read.grid.physical_to_index(point), (2, 1, 3), atol=1e-3, err_msg=name
        )
        np.testing.assert_allclose(read.array, volume.array, atol=1e-4, err_msg=name)


def test_resect_is_found_with_reasons_for_what_is_not(tmp_path: Path) -> None:
    for number in (1, 12):
        write_case(tmp_path / "RESECT" / "NIFTI", number)
    write_case(tmp_path / "RESECT" / "MINC", 1, ".mnc")
    (tmp_path / "RESECT/NIFTI/Case12/Landmarks/Case12-MRI-beforeUS.tag").unlink()
    inventory = find_resect(tmp_path)
    assert inventory.subjects == ["Case1"]
    pair = inventory.found[0]
    assert pair.ultrasound.name == "Case1-US-before.nii.gz"
    assert pair.landmarks is not None
    reasons = {left.what: left.why for left in inventory.left_out}
    assert "no landmarks" in reasons["Case12"]
    assert "not resected" in reasons["Case1-US-after.nii.gz"]
    assert "another format" in reasons["MINC/Case1"]
    assert "1 found of 1 subjects, 4 left out" in inventory.report()
    flair = find_resect(tmp_path, "FLAIR")
    assert not flair.found
    assert any("no FLAIR MRI" in left.why for left in flair.left_out)


def write_series(folder: Path, volume: Volume) -> None:
    """A DICOM series, one file a slice."""
    folder.mkdir(parents=True)
    grid, series = volume.grid, generate_uid()
    for k, plane in enumerate(volume.array.astype(np.uint16)):
        dataset = pydicom.Dataset()
        dataset.file_meta = pydicom.dataset.FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = MRImageStorage
        uid = generate_uid()
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = uid
        dataset.SeriesInstanceUID, dataset.StudyInstanceUID = series, generate_uid()
        dataset.Modality, dataset.InstanceNumber = "MR", k + 1
        dataset.ImagePositionPatient = list(grid.index_to_physical(np.array([0.0, 0.0, k])))
        dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        dataset.PixelSpacing = list(grid.spacing[1::-1])
        dataset.SliceThickness = grid.spacing[2]
        dataset.Rows, dataset.Columns = plane.shape
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.BitsAllocated = dataset.BitsStored = 16
        dataset.HighBit, dataset.PixelRepresentation = 15, 0
        dataset.PixelData = plane.tobytes()
        dataset.save_as(folder / f"1-{k + 1:03d}.dcm", enforce_file_format=True)


def test_remind_is_found_as_tcia_gives_it(tmp_path: Path) -> None:
    root = tmp_path / "manifest-1" / "ReMIND"
    during = root / "ReMIND-001" / "12-25-1982-NA-Intraop-90478"
    before = root / "ReMIND-001" / "12-25-1982-NA-Preop-10278"
    write_series(during / "1.000000-USpredura-64615", ultrasound())
    write_series(before / "2.000000-2DAXT1-11111", mri())
    write_series(before / "3.000000-3DAXT1postcontrast-22222", mri())
    for empty in (
        during / "2.000000-USpreimri-64616",
        during / "4.000000-3DAXT1-64617",
        before / "9.000000-tumor seg - MR ref 3DAXT1-33333",
        root / "ReMIND-002" / "12-25-1982-NA-Preop-1" / "3.000000-3DAXT1-2",
    ):
        empty.mkdir(parents=True)
    inventory = find_remind(tmp_path)
    assert inventory.subjects == ["ReMIND-001"]
    pair = inventory.found[0]
    assert pair.ultrasound.name == "1.000000-USpredura-64615"
    assert pair.mri.name == "3.000000-3DAXT1postcontrast-22222"
    np.testing.assert_allclose(read_volume(pair.mri).grid.origin, MRI_GRID.origin, atol=1e-4)
    reasons = {left.what: left.why for left in inventory.left_out}
    assert "moved" in reasons["ReMIND-001 USpreimri"]
    assert "no ultrasound" in reasons["ReMIND-002"]
    assert not find_remind(tmp_path, "FLAIR").found


AFFINE = sitk.AffineTransform(
    [0.97, -0.2, 0.05, 0.22, 0.98, 0.0, 0.0, 0.06, 1.04], [6.0, -4.0, 3.0], [10.0, 20.0, 15.0]
)


def write_remind(root: Path, subject: str) -> None:
    """One subject of ReMIND as TCIA gives it, its brain moved by the affine map since the MRI."""
    during = root / subject / "12-25-1982-NA-Intraop-90478"
    before = root / subject / "12-25-1982-NA-Preop-10278"
    write_series(during / "1.000000-USpredura-64615", ultrasound())
    points = apply(AFFINE.GetInverse(), centres(MRI_GRID).reshape(-1, 3))
    scan = 300 - pattern(points.reshape(*MRI_GRID.shape, 3))
    write_series(before / "3.000000-3DAXT1postcontrast-22222", Volume(scan, MRI_GRID))


def test_the_command_prepares_remind_with_affine_registrations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root, transforms = tmp_path / "manifest-1" / "ReMIND", tmp_path / "registrations"
    transforms.mkdir()
    for number in (1, 2, 3):
        write_remind(root, f"ReMIND-00{number}")

    def run(out: str) -> str:
        arguments = ["remind", tmp_path, "--registrations", transforms, "--out", tmp_path / out]
        monkeypatch.setattr(sys, "argv", ["prepare_pairs", *map(str, arguments)])
        prepare_pairs.main()
        return capsys.readouterr().out

    with pytest.raises(SystemExit):
        run("nothing")
    assert "ReMIND-001_us_to_mri.tfm" in capsys.readouterr().err
    sitk.WriteTransform(AFFINE, str(transforms / "ReMIND-001_us_to_mri.tfm"))
    sitk.WriteTransform(AFFINE.GetInverse(), str(transforms / "ReMIND-002_mri_to_us.tfm"))
    (transforms / "ReMIND-003_us_to_mri.tfm").write_text("no transform")
    printed = run("pairs")
    assert "ReMIND-001: 1.000000-USpredura-64615" in printed
    assert "ReMIND-003_us_to_mri.tfm is no ITK transform" in printed
    table = json.loads((tmp_path / "pairs" / "pairs.json").read_text())
    assert [entry["subject"] for entry in table["pairs"]] == ["ReMIND-001", "ReMIND-002"]
    for entry in table["pairs"]:
        pair = load_pair(tmp_path / "pairs" / entry["file"])
        inner = pair.cone & (pair.ultrasound > 0)
        assert np.corrcoef(pair.ultrasound[inner], pair.mri[inner])[0, 1] < -0.95
    sitk.WriteTransform(AFFINE, str(transforms / "ReMIND-001_mri_to_us.tfm"))
    with pytest.raises(SystemExit):
        run("both")
    assert "keep one" in capsys.readouterr().err


@pytest.mark.parametrize("axes", [(1, 0, 2), (2, 1, 0), (0, 2, 1)])
def test_a_prepared_pair_has_the_probe_at_the_top_however_it_was_stored(
    axes: tuple[int, int, int],
) -> None:
    upright, _ = prepare_pair(ultrasound(), mri(), MOTION, 1.0)
    way = Orientation(axes, (1,), "")
    turned, _ = prepare_pair(way.turn_volume(ultrasound()), mri(), MOTION, 1.0)
    np.testing.assert_array_equal(turned.cone, upright.cone)
    np.testing.assert_allclose(turned.mri, upright.mri, atol=1)


def test_a_prepared_pair_of_an_oblique_volume_lies_along_its_cone() -> None:
    turn = Rotation.from_euler("zyx", [30, -35, 20], degrees=True).as_matrix()
    middle = np.array(US_GRID.origin) + (np.array(US_GRID.size) - 1) / 2
    oblique = Grid.of([88, 88, 88], [1, 1, 1], middle - turn @ np.full(3, 43.5), turn)
    i, j, k = np.moveaxis(US_GRID.physical_to_index(centres(oblique)), -1, 0)
    inside = (np.abs(i - 29.5) < 8 + j / 2) & (j >= 0) & (j <= 49) & (k >= 0) & (k <= 39)
    seen = np.where(inside, pattern(centres(oblique)), 0).astype(np.float32)
    pair, grid = prepare_pair(Volume(seen, oblique), mri(), MOTION, 1.0)
    cosines = np.abs(grid.axes.T)
    np.testing.assert_allclose(cosines, np.eye(3), atol=0.06)  # those of the wedge, not the grid's
    widths = pair.cone.sum(axis=(0, 2))
    shown = np.flatnonzero(widths)
    assert widths[shown[-10:]].mean() > 2 * widths[shown[:10]].mean()  # the probe is at the top
    straight, _ = prepare_pair(ultrasound(), mri(), MOTION, 1.0)
    assert pair.cone.sum() == pytest.approx(straight.cone.sum(), rel=0.1)
    inner = pair.cone & (pair.ultrasound > 0)
    assert np.corrcoef(pair.ultrasound[inner], pair.mri[inner])[0, 1] < -0.95


def test_a_plain_folder_of_pairs_is_found(tmp_path: Path) -> None:
    (tmp_path / "bert").mkdir()
    for name in ("anna_1_us", "anna_1_mri", "anna_2_us", "bert/us", "bert/mri"):
        (tmp_path / f"{name}.nii.gz").touch()
    (tmp_path / "anna_1_us_to_mri.tfm").touch()
    (tmp_path / "bert" / "landmarks.tag").touch()
    inventory = find_pairs(tmp_path)
    assert [(p.subject, p.landmarks is not None) for p in inventory.found] == [
        ("anna", False),
        ("bert", True),
    ]
    registered = inventory.found[0].registration
    assert registered == tmp_path / "anna_1_us_to_mri.tfm"
    assert [(left.what, left.why) for left in inventory.left_out] == [("anna_2", "no MRI")]


def test_a_prepared_pair_shows_the_same_anatomy_at_the_same_voxel() -> None:
    pair, grid = prepare_pair(ultrasound(), mri(), MOTION, 1.0)
    assert pair.mri.shape == (40, 128, 128)  # 40 slices: a whole number of patches
    assert grid.spacing == (1.0, 1.0, 1.0)
    inner = pair.cone & (pair.ultrasound > 0)
    assert np.corrcoef(pair.ultrasound[inner], pair.mri[inner])[0, 1] < -0.97
    apart, _ = prepare_pair(ultrasound(), mri(), sitk.Transform(), 1.0)
    inner = apart.cone & (apart.ultrasound > 0)
    assert np.corrcoef(apart.ultrasound[inner], apart.mri[inner])[0, 1] > -0.8
    assert (pair.ultrasound[~pair.cone] == 0).all()
    # The cone's middle is the patch's middle, and the grid knows where it lies.
    assert np.argwhere(pair.cone).mean(axis=0)[0] == pytest.approx(19.5, abs=2)
    k, j, i = np.argwhere(inner)[len(np.argwhere(inner)) // 2]
    point = grid.index_to_physical(np.array([i, j, k], float))
    source = US_GRID.physical_to_index(point)
    x, y, z = np.rint(source).astype(int)
    value = ultrasound().array[z, y, x] / 250 * 255
    assert pair.ultrasound[k, j, i] == pytest.approx(value, abs=25)


def test_volumes_that_do_not_overlap_are_refused() -> None:
    far = sitk.TranslationTransform(3, (500.0, 0.0, 0.0))
    with pytest.raises(InputError, match="do not overlap"):
        prepare_pair(ultrasound(), mri(), far, 1.0)


def test_no_subject_changes_its_part_or_stands_in_two() -> None:
    subjects = [f"Case{n}" for n in range(1, 19)]
    split = draw_split(subjects, {})
    assert {part: len(split[part]) for part in PARTS} == {"train": 12, "validation": 3, "test": 3}
    later = draw_split([*subjects, *(f"Case{n}" for n in range(20, 30))], split)
    for part in PARTS:
        assert set(split[part]) <= set(later[part])
    everyone = [subject for part in PARTS for subject in later[part]]
    assert len(everyone) == len(set(everyone)) == 28
    assert draw_split(reversed(subjects), {}) == split


def test_the_commands_prepare_resect_and_train_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in (1, 2, 3):
        write_case(tmp_path / "RESECT" / "NIFTI", number, ".mnc" if number == 2 else ".nii.gz")
    write_tag(
        tmp_path / "RESECT/NIFTI/Case3/Landmarks/Case3-MRI-beforeUS.tag", POINTS[:2], POINTS[:2]
    )
    write_case(tmp_path / "RESECT" / "NIFTI", 4)
    out, work = tmp_path / "prepared", tmp_path / "run"

    def run(command: object, *arguments: object) -> None:
        monkeypatch.setattr(sys, "argv", ["command", *map(str, arguments)])
        command.main()  # type: ignore[attr-defined]

    run(prepare_pairs, "resect", tmp_path, "--out", out)
    printed = capsys.readouterr().out
    assert "Case3: 2 landmarks do not fix a rigid transform" in printed
    assert "3 pairs, 15 patches of 8 x 128 x 128" in printed
    table = json.loads((out / "pairs.json").read_text())
    assert [entry["residual_mm"] for entry in table["pairs"]] == [0.0, 0.0, 0.0]
    assert (out / "sheet.png").stat().st_size > 1000
    assert {part: len(prepared_pairs(out, part)) for part in PARTS} == dict.fromkeys(PARTS, 1)
    assert prepared_pairs(out, "train")[0].mri.shape[1:] == PATCH[1:]
    table["split"]["test"] = table["split"]["train"]
    (out / "leak").mkdir()
    (out / "leak" / "pairs.json").write_text(json.dumps(table))
    with pytest.raises(ValueError, match="in two parts"):
        prepared_pairs(out / "leak", "train")
    monkeypatch.delenv("USTOMRI_DATA", raising=False)
    run(train_pix2pix3d, "--pairs", out, "--work", work, "--steps", 1, "--smoke")
    state = load_checkpoint(work / "checkpoint.pt")
    assert state["step"] == 1
    assert state["config"]["contrast"] == "T1"
    page = tmp_path / "table.html"
    assert training_log.main([str(work / "log.jsonl"), "--report", str(page)]) == 0
    assert "SSIM" in page.read_text(encoding="utf-8")
