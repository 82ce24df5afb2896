"""The sample images in Slicer's Sample Data module. Nothing is downloaded before one is chosen."""

from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path
from typing import Any, NamedTuple, Optional

import slicer
from slicer.i18n import tr as _

_CATEGORY = "USToMRI"


class _Sample(NamedTuple):
    """Where an image is published, and what its publisher says of the file.

    checksum - "SHA256:" or "MD5:" and the digest
    member - the image in a zip file
    pixelSize - in mm, where the file does not say how large its pixels are; 0: it does
    """

    uri: str
    fileName: str
    checksum: str
    member: str = ""
    pixelSize: float = 0.0


_SAMPLES = {
    # Of HC18; Resources/Sample/fetal_head.json says the same.
    "FetalHead": _Sample(
        "https://raw.githubusercontent.com/USToMRI/USToMRI/main/Resources/Sample/fetal_head.png",
        "fetal_head.png",
        "SHA256:648e1028789848eecaa0ced382f26b05df0033720de2e26b20786e9725295674",
        pixelSize=0.116265929023,
    ),
    # HC18, van den Heuvel et al. 2018, doi:10.5281/zenodo.1327317, CC BY 4.0, with the MD5 that
    # Zenodo lists. The image is one that the bundled networks were not trained on; its pixel size
    # is in training_set_pixel_size_and_HC.csv.
    "HC18FetalHead": _Sample(
        "https://zenodo.org/records/1327317/files/training_set.zip",
        "HC18_training_set.zip",
        "MD5:00eb8198b9a505b2b3a6dfc740382497",
        member="training_set/702_HC.png",
        pixelSize=0.193766080416,
    ),
    # RESECT, Xiao et al. 2017, doi:10.11582/2017.00004, with the MD5 of the archive's
    # table of contents: before the resection of a glioma.
    "RESECTCase4": _Sample(
        "https://s3.nird.sigma2.no/archive-ro/5686d8fa-2003-4837-8e66-8e887fabe21e/"
        "RESECT/NIFTI/Case4/US/Case4-US-before.nii.gz",
        "RESECT-Case4-US-before.nii.gz",
        "MD5:984ab4b314a55b014e770b32e623b16c",
    ),
}


def registerSamples() -> None:
    """Offer the sample images; called when Slicer has started."""
    import SampleData

    for name, sample in _SAMPLES.items():
        SampleData.SampleDataLogic.registerCustomSampleDataSource(
            category=_CATEGORY,
            sampleName=name,
            uris=sample.uri,
            fileNames=sample.fileName,
            checksums=sample.checksum,
            nodeNames=name,
            # SampleData.downloadSample(), which knows nothing of members, returns the zip file.
            loadFileType="ZipFile" if sample.member else "VolumeFile",
            loadFiles=False if sample.member else None,
            customDownloader=_downloadOrTell,
        )


def _downloadOrTell(source: Any) -> Optional[Any]:
    """Download and load a sample; where that fails, say why and return None."""
    try:
        return _load(_SAMPLES[source.sampleName], _download(source), source.nodeNames[0])
    except (OSError, ValueError, RuntimeError) as error:
        slicer.util.errorDisplay(str(error))
        return None


def _download(source: Any) -> Path:
    """Return the path of a source's file in Slicer's cache, downloaded where it is not there yet.

    :raises ValueError: it could not be downloaded, or is not what the publisher published. Nothing
        is left of it then.
    """
    import SampleData

    # The Sample Data module's own log, where it is open, shows how far the download is.
    widget = getattr(slicer.modules, "SampleDataWidget", None)
    logic = SampleData.SampleDataLogic(widget.logMessage if widget else None)
    cache = Path(slicer.mrmlScene.GetCacheManager().GetRemoteCacheDirectory())
    path = cache / source.fileNames[0]
    try:
        logic.downloadSourceIntoCache(source)
    except ValueError:
        path.unlink(missing_ok=True)  # a part of it
        raise
    if not path.is_file():  # Slicer removes a file whose checksum is another
        text = _("{url} did not send the file that was published there; try again later.")
        raise ValueError(text.format(url=source.uris[0]))
    return path


def _load(sample: _Sample, path: Path, name: str) -> Any:
    """Load a sample's image from its file, show it, and return its node.

    :raises RuntimeError: Slicer cannot read it.
    """
    with tempfile.TemporaryDirectory(prefix="USToMRI-") as folder:
        if sample.member:
            with zipfile.ZipFile(path) as archive:
                path = Path(archive.extract(sample.member, folder))
        node = slicer.util.loadVolume(str(path), {"name": name, "singleFile": True})
    # As Slicer does with its own samples: the cache is no place to save a scene's volume in.
    slicer.mrmlScene.RemoveNode(node.GetStorageNode())
    if sample.pixelSize:
        node.SetSpacing(sample.pixelSize, sample.pixelSize, 1.0)
    slicer.util.setSliceViewerLayers(background=node, fit=True)
    return node
