"""Pictures of the panel and of the views, to be looked at.

    python -m slicer_host.pictures OUT_DIR

The repository's sample is loaded, translated with *Fast*, and its head measured, as a user does it
in the panel; that takes a minute. The views are drawn by Slicer's own code; the panel by the
stand-in, so its picture is a test artefact and never a screenshot of Slicer.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np
import slicer
from PIL import Image

from . import host, views
from .waiting import let_pass, wait_until

_ROOT = Path(__file__).parents[3]
_MODULE = _ROOT / "USToMRI" / "USToMRI.py"
_PANEL_WIDTH = 400
_NAME = "FetalHead"
# Seconds; by then the panel has followed a change.
_UPDATED = 0.3
# Of a picture's palette, and how far apart red, green and blue are in what is not grey.
_GREYS, _COLOURS, _VIVID = 64, 24, 24

# Where the regions of the picture lie: parts of the image's width and height.
_PAIRS = {
    "Proximal lateral ventricle": ((0.58, 0.40), (0.40, 0.40)),
    "Distal lateral ventricle": ((0.58, 0.56), (0.40, 0.56)),
}


def main() -> int:
    """Write the pictures and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("out_dir", type=Path)
    options = parser.parse_args()
    options.out_dir.mkdir(parents=True, exist_ok=True)
    host.start(panel=True)
    host.new_scene()
    layout_node = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLLayoutNode")
    layout_node.SetViewArrangement(layout_node.SlicerLayoutFourUpView)
    panel = host.open_panel(host.load_module(_MODULE))
    _translate_sample(panel)
    _place_pairs()
    _draw_views(panel, options.out_dir)
    for theme in ("light", "dark"):
        _draw_panel(panel, theme, options.out_dir / f"panel_{theme}.png")
    panel.cleanup()
    print(*sorted(path.name for path in options.out_dir.glob("*.png")), sep="\n")
    return 0


def _translate_sample(panel: Any) -> None:
    """Load the sample and press the panel's buttons, as a user does."""
    from USToMRIModule.Logic import USToMRILogic

    section = panel.sections[0]
    section.logic = USToMRILogic(command=[sys.executable, "-m", "USToMRILib"])
    sample = _ROOT / "Resources" / "Sample" / "fetal_head.png"
    facts = json.loads(sample.with_suffix(".json").read_text(encoding="utf-8"))
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", _NAME)
    with Image.open(sample) as picture:  # the wheel's readers know no pictures
        slicer.util.updateVolumeFromArray(node, np.array(picture.convert("L"))[None])
    node.SetIJKToRASDirections(-1, 0, 0, 0, -1, 0, 0, 0, 1)
    node.AddDefaultStorageNode()
    node.GetStorageNode().SetFileName(str(sample))
    node.CreateDefaultDisplayNodes()
    panel.enter()  # takes the ultrasound as the input
    wait_until(lambda: section.ui.inputSelector.currentNode() is node)
    section.ui.pixelSizeSpinBox.value = facts["pixel_size_mm"]
    section.ui.qualitySelector.currentIndex = 0
    for button in (section.ui.translateButton, section.ui.findHeadButton):
        wait_until(lambda button=button: button.enabled)
        button.click()
        wait_until(lambda: not section.ui.cancelButton.enabled)


def _place_pairs() -> None:
    """Add the pairs, with the boxes that Place makes."""
    from USToMRIModule.CNR.CNRPairs import ROLES, addPair
    from USToMRIModule.CNR.CNRPlacement import addBox
    from USToMRIModule.Scene.WorldSpace import worldFromIjk

    ultrasound = slicer.util.getNode(_NAME)
    size = np.array(ultrasound.GetImageData().GetDimensions()[:2])
    for name, places in _PAIRS.items():
        pair = addPair(name)
        for role, part in zip(ROLES, places):
            place = worldFromIjk(ultrasound).TransformPoint(*(size * part), 0.0)
            pair.setRegion(role, addBox(place, ultrasound, role, pair.regionName(role)))
    let_pass(_UPDATED)


def _draw_views(panel: Any, folder: Path) -> None:
    """Draw the two views of the comparison, side by side, for each kind of overlay."""
    from USToMRIModule.Compare import CompareLayout

    assert CompareLayout.isShown()  # since the translation
    names = (CompareLayout.ULTRASOUND_VIEW, CompareLayout.PSEUDO_MRI_VIEW)
    drawn = [views.SliceView(name, 480, 480) for name in names]
    section = panel.sections[1]
    for _ in range(2):  # to be fitted to the size of these views
        section.ui.compareButton.click()
    let_pass(_UPDATED)
    seen = set()
    # The mark is drawn anew where the layers change, so another overlay comes first.
    for index, name in ((1, "checkerboard"), (2, "swipe"), (0, "side_by_side")):
        section.ui.overlaySelector.currentIndex = index
        section.ui.overlaySlider.value = 100 if index == 0 else 50
        let_pass(_UPDATED)
        row = np.hstack([view.pixels() for view in drawn])
        _save(row, folder / f"compare_{name}.png")
        seen.add(row.tobytes())
    assert len(seen) == 3, "Every overlay is another picture."
    for view in drawn:
        view.close()


def _draw_panel(panel: Any, theme: str, path: Path) -> None:
    """Draw the panel at the width of Slicer's, as it is after the first translation."""
    from PySide6 import QtGui, QtWidgets

    if theme == "dark":
        palette = QtGui.QPalette(QtGui.QColor(53, 53, 53), QtGui.QColor(40, 40, 40))
        palette.setColor(QtGui.QPalette.ColorRole.Base, QtGui.QColor(35, 35, 35))
        palette.setColor(QtGui.QPalette.ColorRole.AlternateBase, QtGui.QColor(45, 45, 45))
        QtWidgets.QApplication.setPalette(palette)
    widget = panel.parent
    widget.resize(_PANEL_WIDTH, 400)
    widget.show()
    slicer.app.processEvents()
    widget.resize(_PANEL_WIDTH, max(widget.layout().sizeHint().height(), 400))
    slicer.app.processEvents()
    widget.grab().save(str(path))
    with Image.open(path) as picture:
        pixels = np.array(picture.convert("RGB"))
    _save(pixels, path)


def _save(pixels: np.ndarray, path: Path) -> None:
    """Write a small PNG of few colours, most of them grey as images and widgets are."""
    greys = np.repeat(np.linspace(0, 255, _GREYS).round().astype(np.uint8), 3)
    vivid = np.ptp(pixels.astype(int), axis=-1) > _VIVID
    colours = greys[:0]
    if vivid.any():
        of = Image.fromarray(pixels[vivid][None]).quantize(_COLOURS)
        colours = np.array(of.getpalette(), np.uint8)[: 3 * _COLOURS]
    palette = Image.new("P", (1, 1))
    palette.putpalette([*greys.tolist(), *colours.tolist()])
    few = Image.fromarray(pixels).quantize(palette=palette, dither=Image.Dither.NONE)
    few.save(path, optimize=True)


if __name__ == "__main__":
    sys.exit(main())
