"""A picture of ultrasound and pseudo-MRI beside and over each other."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from .errors import InputError
from .files import atomic
from .image.display import display_window
from .image.volume import Volume
from .result import Result

OVERLAY_OPACITY = 0.5
_SUFFIXES = (".png", ".jpg", ".jpeg")


def check_picture(path: Path) -> None:
    """Raise InputError unless a picture can have this name."""
    if path.suffix.lower() not in _SUFFIXES:
        raise InputError(f"A picture is a PNG or JPEG file; give {path} a name ending in .png.")


def write_comparison(path: Path, ultrasound: Volume, result: Result) -> None:
    """Write ultrasound, pseudo-MRI and their overlay; of a volume, its middle slice.

    The pseudo-MRI and the overlay carry the word SYNTHETIC.

    Args:
        path: of a PNG or JPEG file, by its name.
        ultrasound: what was translated.
        result: what became of it.
    """
    # The figure classes themselves, not pyplot: no window system, no global state.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    middle = ultrasound.grid.size[2] // 2
    us, mri = ultrasound.array[middle], result.volume.array[middle]
    low, high = display_window(us)
    width, height, _ = np.array(ultrasound.grid.size) * ultrasound.grid.spacing
    figure = Figure(figsize=(15, 5 * height / width + 0.6), layout="constrained", facecolor="black")
    panels = figure.subplots(1, 3)
    method = result.provenance["method"]
    titles = ("ultrasound", f"SYNTHETIC pseudo-MRI ({method})", "overlay, SYNTHETIC")
    for panel, title in zip(panels, titles):
        panel.set_axis_off()
        panel.set_title(title, color="white", fontsize=15)
    extent = (0, width, height, 0)
    for panel in (panels[0], panels[2]):
        panel.imshow(us, cmap="gray", vmin=low, vmax=high, extent=extent)
    panels[1].imshow(mri, cmap="gray", vmin=0, vmax=255, extent=extent)
    # Only where there is a pseudo-MRI: the ultrasound around it keeps its brightness.
    shown = np.ma.masked_less_equal(mri, 0)
    panels[2].imshow(shown, cmap="inferno", vmin=0, vmax=255, alpha=OVERLAY_OPACITY, extent=extent)
    FigureCanvasAgg(figure)
    stream = io.BytesIO()  # on a full disk Pillow leaves half a file without a word
    figure.savefig(stream, dpi="figure", format=path.suffix.lower()[1:])
    with atomic(path) as temporary:
        temporary.write_bytes(stream.getvalue())
