"""Small pictures of a case for the summary."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

import numpy as np

from ..image.display import eight_bit, ultrasound_levels
from ..image.volume import Volume

if TYPE_CHECKING:
    from PIL import Image

_HEIGHT = 180
_MOST_WIDTH = 200
_STRIP = 16
_CAPTIONS = ("ultrasound", "SYNTHETIC pseudo-MRI")


def thumbnail(ultrasound: Volume, mri: Volume) -> str:
    """A JPEG in base64: ultrasound left, pseudo-MRI right; of a volume, its middle slice.

    Captions under them say which is which, and that the pseudo-MRI is synthetic.
    """
    from PIL import Image, ImageDraw

    middle = ultrasound.grid.size[2] // 2
    pixels = ultrasound.array[middle]
    left = _scaled(ultrasound_levels(pixels), ultrasound)
    right = _scaled(eight_bit(mri.array[middle]), mri)
    picture = Image.new("L", (left.width + right.width + 2, left.height + _STRIP))
    draw = ImageDraw.Draw(picture)
    for part, start, caption in zip((left, right), (0, left.width + 2), _CAPTIONS):
        picture.paste(part, (start, 0))
        centre = (start + part.width / 2, left.height + _STRIP / 2)
        draw.text(centre, caption, fill=200, anchor="mm")
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=82)
    return base64.b64encode(data.getvalue()).decode()


def _scaled(levels: np.ndarray, volume: Volume) -> Image.Image:
    """Grey levels [j, i], uint8, as a picture with square pixels that fits into a thumbnail."""
    from PIL import Image

    width, height = (n * mm for n, mm in zip(volume.grid.size[:2], volume.grid.spacing[:2]))
    factor = min(_HEIGHT / height, _MOST_WIDTH / width)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return Image.fromarray(levels).resize(size, Image.Resampling.LANCZOS)
