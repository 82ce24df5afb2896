"""What is asked of a method, what it makes, and what the user gets of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .errors import InputError
from .files import atomic, expanded, sample_path, sidecar_path
from .image.dicom_segmentation import Label, write_segmentation
from .image.dicom_writing import is_dicom_name
from .image.volume import PathLike, Volume
from .progress import Progress

# What a method may make besides the pseudo-MRI, on the same grid, with one line for users.
MAPS = {
    "uncertainty": "also write its spread, which is not its error",
    "residual": "also write where the way back does not meet the ultrasound",
    "tissues": "also write a label map of the tissues",
}


@dataclass(frozen=True)
class Request:
    """What is asked of a loaded method besides its options.

    Attributes:
        device: "cpu", "cuda" or "mps".
        head: what the user knows about the head (:data:`.fetal.heads.HeadHint`).
        maps: what else to make, keys of :data:`MAPS`.
        progress: reports and cancels.
    """

    device: str
    progress: Progress
    head: Any = None
    maps: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Made:
    """What a method makes of a volume, as arrays on its grid.

    Attributes:
        array: pseudo-MRI, float32 [k, j, i] in 0 .. 255, 0 where nothing is shown.
        bundles: names of those used, with the SHA-256 of their weights.
        parameters: of the run, for the record; those that are named like an option say what
            became of it.
        warnings: sentences that the user should read.
        maps: what else was asked for, by key of :data:`MAPS`: float32 in the units of `array`,
            tissues uint8.
        samples: several answers of a method that draws, each as `array`.
        labels: what the numbers of the tissues mean.
    """

    array: np.ndarray
    bundles: dict[str, str]
    parameters: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    maps: dict[str, np.ndarray] = field(default_factory=dict)
    samples: tuple[np.ndarray, ...] = ()
    labels: dict[int, Label] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """A pseudo-MRI.

    Attributes:
        volume: on the input's grid, float32 in 0 .. 255 (arbitrary units, 0 = background); its
            metadata carry the provenance, so that a file written from it does too.
        provenance: how it was made, ready for JSON.
        warnings: sentences that the user should read; part of the provenance.
        timings: seconds of each phase.
        maps: what else was asked for, on the same grid, by key of :data:`MAPS`; the record says
            what each shows.
        samples: several answers of a method that draws.
        labels: what the numbers of the tissues mean.
    """

    volume: Volume
    provenance: dict[str, Any]
    warnings: list[str]
    timings: dict[str, float]
    maps: dict[str, Volume] = field(default_factory=dict)
    samples: tuple[Volume, ...] = ()
    labels: dict[int, Label] = field(default_factory=dict)

    @property
    def image(self) -> Volume:
        """The same as `volume`: what was made of the input, be it a volume or a cine."""
        return self.volume

    @property
    def uncertainty(self) -> Volume | None:
        """The spread of the answer, float32 in the units of `volume`, where it was asked for."""
        return self.maps.get("uncertainty")

    @property
    def residual(self) -> Volume | None:
        """Where the way back does not meet the ultrasound, float32 in 0 .. 255."""
        return self.maps.get("residual")

    @property
    def tissues(self) -> Volume | None:
        """Labels of the tissues, uint8, 0 where there is none."""
        return self.maps.get("tissues")

    def write(
        self,
        output: PathLike,
        provenance_path: PathLike | None = None,
        compress: bool = True,
        map_paths: Mapping[str, PathLike] | None = None,
    ) -> None:
        """Write the volume, and its provenance beside it as ``OUTPUT.json``; all or nothing.

        Samples, of a method that drew several, go beside it as ``OUTPUT_SAMPLE_1`` and so on.

        Args:
            output: file of the pseudo-MRI.
            provenance_path: where the record goes instead.
            compress: whether to, where the format can.
            map_paths: files of what else was made, by key of :data:`MAPS`.

        Raises:
            InputError: as :meth:`Volume.write`; or a map is to be written that was not computed.
        """
        output = expanded(output)
        record = expanded(provenance_path) if provenance_path else sidecar_path(output)
        maps = {name: expanded(path) for name, path in (map_paths or {}).items()}
        for name in maps:
            if name not in self.maps:
                raise InputError(f"No {name} was computed; ask translate for it.")
        try:
            self._write(output, record, compress, maps)
        except OSError as error:
            raise InputError(
                f"{output} could not be written ({error.strerror}); free some space there or "
                "choose another folder."
            ) from error

    def _write(self, output: Path, record: Path, compress: bool, maps: dict[str, Path]) -> None:
        with ExitStack() as files:
            text = json.dumps(self.provenance, indent=2) + "\n"
            files.enter_context(atomic(record)).write_text(text, encoding="utf-8")
            image = files.enter_context(atomic(output))
            self.volume.write(image, compress=compress)
            for name, path in maps.items():
                temporary = files.enter_context(atomic(path))
                if name == "tissues" and is_dicom_name(path):
                    write_segmentation(temporary, self.maps[name], self.labels, image)
                else:
                    self.maps[name].write(temporary, compress=compress)
            for number, sample in enumerate(self.samples, start=1):
                path = files.enter_context(atomic(sample_path(output, number)))
                sample.write(path, compress=compress)
