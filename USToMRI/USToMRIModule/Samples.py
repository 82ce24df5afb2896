"""The sample image in Slicer's Sample Data module."""

from __future__ import annotations

from typing import Any

import slicer

_URL = (
    "https://raw.githubusercontent.com/USToMRI/USToMRI/main/Resources/Sample/"
    "generated_fetal_head.png"
)
_SHA256 = "9f365ee991caa956061cad705bcd1f73c1c09036c99c09396c7f3ab8c7a8c1a2"

# A picture does not say how large its pixels are; this is in the file beside it.
_PIXEL_SIZE_MM = 0.2735


def registerSamples() -> None:
    """Offer the sample image; called when Slicer has started."""
    import SampleData

    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category="USToMRI",
        sampleName="GeneratedFetalHead",
        uris=_URL,
        fileNames="generated_fetal_head.png",
        checksums=f"SHA256:{_SHA256}",
        nodeNames="GeneratedFetalHead",
        customDownloader=_download,
    )


def _download(source: Any) -> Any:
    """Download the image, check it, load it and set the size of its pixels."""
    import SampleData

    (path,) = SampleData.SampleDataLogic().downloadSourceIntoCache(source)
    node = slicer.util.loadVolume(path, {"name": source.nodeNames[0], "singleFile": True})
    node.SetSpacing(_PIXEL_SIZE_MM, _PIXEL_SIZE_MM, 1.0)
    slicer.util.setSliceViewerLayers(background=node, fit=True)
    return node
