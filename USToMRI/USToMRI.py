"""Slicer's entry to the USToMRI module: a brain ultrasound in, a pseudo-MRI out.

Where things lie, in a source checkout and installed::

    checkout                          installed, under qt-scripted-modules/
    USToMRI/USToMRI.py                USToMRI.py
    USToMRI/USToMRIModule/            USToMRIModule/
    USToMRI/Resources/UI, Icons       Resources/UI, Icons
    USToMRILib/                       USToMRILib/
    Testing/slicer/USToMRITests/      USToMRITests/
    Resources/Models/                 Resources/Models/

Slicer looks for the resources of a module beside its file, the library for its models beside its
own folder: both hold in both places. Never put an ``__init__.py`` beside this file.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import ScriptedLoadableModule, ScriptedLoadableModuleTest


def _findLibrary() -> None:
    """Put a source checkout's root on the path; once installed, USToMRILib is on it already."""
    root = Path(__file__).resolve().parent.parent
    if (root / "USToMRILib" / "__init__.py").is_file() and str(root) not in sys.path:
        sys.path.append(str(root))


_findLibrary()

from USToMRIModule.Compare.CompareLayout import registerLayouts
from USToMRIModule.Logic import USToMRILogic
from USToMRIModule.ParameterNode import USToMRIParameterNode
from USToMRIModule.Samples import registerSamples
from USToMRIModule.Synthetic.SyntheticMarkObserver import startMarking
from USToMRIModule.Widget import USToMRIWidget

__all__ = ["USToMRI", "USToMRILogic", "USToMRIParameterNode", "USToMRITest", "USToMRIWidget"]


class USToMRI(ScriptedLoadableModule):
    """What Slicer shows about the module."""

    def __init__(self, parent: Any) -> None:
        """Describe the module to Slicer; called at its start, so nothing else happens here."""
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("Ultrasound to MRI")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Image Synthesis")]
        parent.dependencies = []
        parent.contributors = ["The USToMRI contributors"]
        parent.helpText = _helpText()
        parent.acknowledgementText = _acknowledgementText()
        slicer.app.connect("startupCompleted()", registerSamples)
        slicer.app.connect("startupCompleted()", startMarking)
        slicer.app.connect("startupCompleted()", registerLayouts)
        slicer.app.connect("startupCompleted()", _offerStatistics)


def _offerStatistics() -> None:
    """Add the contrast-to-noise ratio to Segment Statistics, where this Slicer has it."""
    if hasattr(slicer.modules, "segmentstatistics"):
        from USToMRIModule.CNR.CNRStatisticsPlugin import register

        register()


def _helpText() -> str:
    return _(
        "<p>Turns a brain ultrasound into a pseudo-MRI that lies exactly where the ultrasound"
        " lies. Choose the ultrasound and a method, and press Translate. DDIC and DDIB work on"
        " images of the fetal head, slice by slice; Pix2Pix works on volumes.</p>"
        "<p><b>The image is synthetic.</b> Networks made it; it can show structures that are not"
        " there and miss others that are. It is for research, not for diagnosis.</p>"
    )


def _acknowledgementText() -> str:
    return _(
        "<p>The methods are those of two papers:</p>"
        "<p>DDIC (Dual Diffusion Imposed Correlation): <i>Translation of Fetal Brain Ultrasound"
        " Images into Pseudo-MRI Images using Artificial Intelligence</i>.</p>"
        "<p>Pix2Pix in 3D: <i>BrainVoxGen: Deep Learning Framework for Synthesis of Ultrasound to"
        " MRI</i>.</p>"
    )


class USToMRITest(ScriptedLoadableModuleTest):
    """The self test: quick, offline, and without weights. It empties the scene."""

    def runTest(self) -> None:
        """Run the cases of USToMRITests; raise AssertionError where one fails."""
        from USToMRIModule.SelfTest import runSelfTest

        runSelfTest()
