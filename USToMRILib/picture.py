"""A picture of ultrasound and pseudo-MRI beside and over each other, and of the tissues."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .errors import InputError
from .files import atomic
from .image.dicom_segmentation import Label
from .image.display import display_window
from .image.volume import Volume
from .result import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

OVERLAY_OPACITY, TISSUE_OPACITY = 0.5, 0.6
_SUFFIXES = (".png", ".jpg", ".jpeg")


def check_picture(path: Path) -> None:
    """Raise InputError unless a picture can have this name."""
    if path.suffix.lower() not in _SUFFIXES:
        raise InputError(f"A picture is a PNG or JPEG file; give {path} a name ending in .png.")


def write_comparison(path: Path, ultrasound: Volume, result: Result) -> None:
    """Write ultrasound, pseudo-MRI and their overlay; of a volume, its middle slice.

    The tissues, where the result has them, lie over the ultrasound, with their names. All but the
    ultrasound carries the word SYNTHETIC.

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
    method = result.provenance["method"]
    titles = ["ultrasound", f"SYNTHETIC pseudo-MRI ({method})", "overlay, SYNTHETIC"]
    if result.tissues is not None:
        titles.append("tissues, SYNTHETIC")
    size = 5 * len(titles), 5 * height / width + 0.6
    figure = Figure(figsize=size, layout="constrained", facecolor="black")
    panels = figure.subplots(1, len(titles))
    for panel, title in zip(panels, titles):
        panel.set_axis_off()
        panel.set_title(title, color="white", fontsize=15)
    extent = (0, width, height, 0)
    for panel in (panels[0], *panels[2:]):
        panel.imshow(us, cmap="gray", vmin=low, vmax=high, extent=extent)
    panels[1].imshow(mri, cmap="gray", vmin=0, vmax=255, extent=extent)
    # Only where there is a pseudo-MRI: the ultrasound around it keeps its brightness.
    shown = np.ma.masked_less_equal(mri, 0)
    panels[2].imshow(shown, cmap="inferno", vmin=0, vmax=255, alpha=OVERLAY_OPACITY, extent=extent)
    if result.tissues is not None:
        _draw_tissues(panels[3], result.tissues.array[middle], result.labels, extent)
    FigureCanvasAgg(figure)
    stream = io.BytesIO()  # on a full disk Pillow leaves half a file without a word
    figure.savefig(stream, dpi="figure", format=path.suffix.lower()[1:])
    with atomic(path) as temporary:
        temporary.write_bytes(stream.getvalue())


def _draw_tissues(
    panel: Axes,
    tissues: np.ndarray,
    labels: Mapping[int, Label],
    extent: tuple[float, float, float, float],
) -> None:
    """Lay tissues [rows, columns] over a panel in their colours, and name those that are there."""
    from matplotlib.patches import Patch

    colours = np.zeros((max(labels) + 1, 4))
    for number, label in labels.items():
        colours[number] = *np.array(label.colour) / 255, TISSUE_OPACITY
    panel.imshow(colours[tissues], extent=extent, interpolation="nearest")
    named = [
        Patch(color=tuple(colours[number, :3]), label=label.title)
        for number, label in labels.items()
        if (tissues == number).any()
    ]
    panel.legend(
        handles=named,
        loc="center left",
        bbox_to_anchor=(1, 0.5),
        fontsize=12,
        frameon=False,
        labelcolor="white",
    )
