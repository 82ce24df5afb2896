"""Real ultrasound files of pydicom's public test data: the right picture, or a true sentence."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.pixel_data_handlers.util import apply_color_lut

from USToMRILib.errors import InputError
from USToMRILib.image.reading import luma
from USToMRILib.image.volume import Volume

data_store = pytest.importorskip("data_store", reason="pydicom-data is not installed")
ROOT = Path(data_store.__file__).parent


def _ultrasound() -> list[Path]:
    found = []
    for path in sorted(ROOT.rglob("*.dcm")):
        header = pydicom.dcmread(path, stop_before_pixels=True, force=True)
        if header.get("Modality") == "US":
            found.append(path)
    return found


FILES = _ultrasound()
NEEDS_PIXEL_SIZE = ("US1_", "color-p")
SIDE_BY_SIDE = "gdcm-US-ALOKA"


def _reference(path: Path) -> np.ndarray | None:
    """Grey frames as pydicom shows them, None where it has no decoder.

    Of big-endian palettes it takes the wrong bytes; the same picture is there in little-endian.
    """
    dataset = pydicom.dcmread(path.with_name(path.name.replace("_expb", "")))
    try:
        pixels = dataset.pixel_array
    except RuntimeError:
        return None
    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        colours = apply_color_lut(pixels, dataset)
        pixels = colours if colours.dtype == np.uint8 else (colours >> 8).astype(np.uint8)
    grey = luma(pixels) if pixels.shape[-1] == 3 else pixels
    return grey.reshape(-1, dataset.Rows, dataset.Columns)


def test_all_of_them_are_there() -> None:
    assert len(FILES) >= 16


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
@pytest.mark.filterwarnings("ignore")
def test_public_ultrasound(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reference = _reference(path)
    frames = int(pydicom.dcmread(path, stop_before_pixels=True).get("NumberOfFrames", 1))
    asks = path.name.startswith(NEEDS_PIXEL_SIZE)
    last = frames - 1 if frames > 1 else None
    if frames > 1:
        with pytest.raises(InputError, match=f"{frames} frames"):
            Volume.read(path)
    if asks:
        with pytest.raises(InputError, match="has no pixel size"):
            Volume.read(path, frame=last)
    if path.name.startswith(SIDE_BY_SIDE):
        with pytest.raises(InputError, match="2 B-mode images side by side"):
            Volume.read(path)
        assert reference is not None
        for region, columns in enumerate((slice(32, 336), slice(336, 640))):
            volume = Volume.read(path, region=region)
            np.testing.assert_array_equal(volume.array[0], reference[0, 24:416, columns])
            assert volume.grid.spacing[0] == pytest.approx(0.38265, abs=1e-5)
        return
    volume = Volume.read(path, 0.3 if asks else None, last)
    assert volume.array.max() - volume.array.min() > 150
    if reference is not None:
        # Decoders of lossy streams may round differently.
        np.testing.assert_allclose(volume.array[0].astype(int), reference[-1], atol=2)
