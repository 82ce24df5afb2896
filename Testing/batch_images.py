"""Small images for the tests and measurements of whole folders, good and damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from USToMRILib import Grid, Volume

# The image shows nothing but the head; two steps are enough to see who did what.
FAST = ["--head-mask", "none", "--steps", "2", "--method", "ddib"]


def add_image(path: Path, seed: int = 0, size: int = 24) -> None:
    """Write a small textured disc, different for every seed."""
    rows, columns = np.indices((size, size))
    disc = np.hypot(rows - size / 2, columns - size / 2) < size / 3
    texture = np.random.default_rng(seed).integers(60, 200, (size, size))
    path.parent.mkdir(parents=True, exist_ok=True)
    grid = Grid((size, size, 1), (100 / size, 100 / size, 1.0))
    Volume((disc * texture).astype(np.uint8)[None], grid).write(path)


DAMAGES = (
    "cut",
    "empty",
    "rubbish",
    "constant",
    "not a number",
    "no pixel size",
    "several frames",
    "flipped bit",
    "text",
    "no geometry",
)


def add_damaged(folder: Path, name: str, damage: str, seed: int) -> Path:
    """Write an image that cannot be translated, in one of the ways of DAMAGES, and its path."""
    path = folder / f"{name}.nrrd"
    add_image(path, seed)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-40])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "rubbish":
        path.write_bytes(np.random.default_rng(seed).bytes(500))
    elif damage in ("constant", "not a number"):
        volume = Volume.read(path)
        value = 7.0 if damage == "constant" else np.nan
        volume.with_array(np.full(volume.array.shape, value, np.float32)).write(path)
    elif damage == "no pixel size":
        path = _replaced(path, folder / f"{name}.png")
    elif damage == "several frames":
        path = _replaced(path, folder / f"{name}.tif")
        _add_page(path)
    elif damage == "flipped bit":
        path = _replaced(path, folder / f"{name}.nii.gz")
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 0x10
        path.write_bytes(bytes(data))
    elif damage == "text":
        path.write_text("Sorry, the scan could not be exported.")
    elif damage == "no geometry":
        header, _, voxels = path.read_bytes().partition(b"\n\n")
        lines = [li for li in header.split(b"\n") if not li.startswith(b"sizes")]
        path.write_bytes(b"\n".join(lines) + b"\n\n" + voxels)
    return path


def _replaced(old: Path, new: Path) -> Path:
    """The image in another format."""
    Volume.read(old).write(new)
    old.unlink()
    return new


def _add_page(path: Path) -> None:
    from PIL import Image

    with Image.open(path) as page:
        pages = [page.copy(), page.copy()]
    pages[0].save(path, save_all=True, append_images=pages[1:])
