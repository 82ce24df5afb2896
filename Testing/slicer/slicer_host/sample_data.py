"""A stand-in for Slicer's Sample Data module, with its manners when a download goes wrong."""

from __future__ import annotations

import types
import urllib.request
from pathlib import Path
from typing import Any, Callable, Optional

import slicer

# What was registered, by the name of the sample.
sources: dict[str, Any] = {}


class SampleDataLogic:
    """``SampleData.SampleDataLogic``: registers sources, and downloads their files."""

    def __init__(self, logMessage: Optional[Callable[..., None]] = None) -> None:
        self.logMessage = logMessage or (lambda *args: None)

    @staticmethod
    def registerCustomSampleDataSource(
        category: str,
        sampleName: str,
        uris: str,
        fileNames: str,
        nodeNames: str,
        customDownloader: Callable[[Any], Any],
        checksums: str,
        loadFileType: str = "VolumeFile",
        loadFiles: Optional[bool] = None,
    ) -> None:
        """Keep a source of one file, its fields turned to lists as Slicer does."""
        sources[sampleName] = types.SimpleNamespace(
            category=category,
            sampleName=sampleName,
            uris=[uris],
            fileNames=[fileNames],
            nodeNames=[nodeNames],
            checksums=[checksums],
            loadFileType=[loadFileType],
            loadFiles=[loadFiles],
            customDownloader=customDownloader,
        )

    def downloadSourceIntoCache(self, source: Any) -> list[str]:
        """Return the path of the file in the cache.

        Like Slicer's: after an interrupted download the part stays there, and the path of a file
        with another checksum is returned all the same, but the file is removed.
        """
        cache = Path(slicer.mrmlScene.GetCacheManager().GetRemoteCacheDirectory())
        path = cache / source.fileNames[0]
        if not path.is_file():
            try:
                urllib.request.urlretrieve(source.uris[0], path)
            except OSError as error:
                path.write_bytes(b"a part")
                raise ValueError(f"Failed to download {source.uris[0]} to {path}") from error
        self.logMessage("Verifying checksum")
        algorithm, digest = slicer.util.extractAlgoAndDigest(source.checksums[0])
        if slicer.util.computeChecksum(algorithm, str(path)) != digest:
            path.unlink()
        return [str(path)]
