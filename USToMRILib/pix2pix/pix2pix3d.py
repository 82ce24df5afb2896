"""The method "pix2pix3d": options, result and what is said with it."""

from __future__ import annotations

from dataclasses import dataclass

from ..compute.bundle import Bundle
from ..image.volume import Volume
from ..options import option
from ..result import Made, Request
from .generator import load_generator, precision_of
from .orientation import ECHO, UNSURE
from .translation import DEFAULT_MEMORY_GIB, VolumeTranslation, translate_volume

UNCERTAINTY = (
    "standard deviation of the pseudo-MRI over the volume as it is, mirrored along the sweep, "
    "mirrored laterally, and both: the spread of the model under flips, not its error"
)


@dataclass(frozen=True)
class Pix2Pix3dOptions:
    """How "pix2pix3d" translates."""

    memory_gib: float = option(
        DEFAULT_MEMORY_GIB,
        "that the process may take in all",
        unit="GIB",
        flag="--memory",
        of_machine=True,
    )


@dataclass(frozen=True)
class VolumeMethod:
    """The generator with the options, ready to translate volumes."""

    bundle: Bundle
    options: Pix2Pix3dOptions

    def translate(self, volume: Volume, request: Request) -> Made:
        """Translate a volume window by window.

        Raises:
            InputError: the memory does not suffice.
            Cancelled: when the progress' token is set.
        """
        wanted = "uncertainty" in request.maps
        memory = self.options.memory_gib
        done = translate_volume(volume, self.bundle, request.progress, memory, wanted)
        return Made(
            done.array,
            {self.bundle.name: self.bundle.sha256},
            {
                # Bundles that do not say are from when there was none but T1.
                "contrast": self.bundle.metadata.get("contrast", "T1"),
                "precision": precision_of(self.bundle),
                "orientation": done.describe(),
                "echo_exponent": round(done.echo_exponent, 3),
            },
            (*self.bundle.cautions, *_doubts(volume, done, self.bundle)),
            {} if done.spread is None else {"uncertainty": done.spread},
        )


def _doubts(volume: Volume, done: VolumeTranslation, bundle: Bundle) -> list[str]:
    """What to say of a volume that is not as those of the training."""
    doubts = [UNSURE] if done.orientation.told_by == ECHO else []
    thickness, least = min(volume.array.shape), bundle.metadata["window"][0]
    if thickness < least:
        doubts.append(
            f"The image is {thickness} {'slice' if thickness == 1 else 'slices'} thick, and the "
            f"network has learned from {least} slices at once: the pseudo-MRI is less reliable; "
            "give the whole volume."
        )
    return doubts


def load(options: Pix2Pix3dOptions, device: str) -> VolumeMethod:
    """The generator on ``device``.

    Raises:
        InputError: if the bundle cannot be used.
    """
    return VolumeMethod(load_generator(device), options)
