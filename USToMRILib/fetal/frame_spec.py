"""What the frame of a network is like, as the metadata of its bundle say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Optional

from ..errors import InputError
from .ellipse import Ellipse
from .skull import brain_inside

if TYPE_CHECKING:
    from ..compute.bundle import Bundle

FIXED, HEAD = "fixed", "head"
OUTLINE, SKULL = "outline", "skull"


@dataclass(frozen=True)
class FrameSpec:
    """How a head is laid into the square that a network sees.

    Attributes:
        kind: "fixed": all heads with pixels of one size, as the DDIC paper has it; "head": each
            with the pixels that give it one length along the midline.
        shape: (rows, columns) of the square.
        pixel_mm: edge of a pixel, of the kind "fixed".
        long_axis_pixels: length of the long axis of what is shown, of the kind "head".
        inside: what is shown: "outline", everything inside the skull's outer outline, or "skull",
            the brain within the skull (:func:`.skull.brain_inside`), which is given an even gain
            (:func:`.brain.normalise_brain`).

    Raises:
        InputError: for a frame that is none of these.
    """

    kind: str
    shape: tuple[int, int]
    pixel_mm: Optional[float] = None
    long_axis_pixels: Optional[float] = None
    inside: str = OUTLINE

    def __post_init__(self) -> None:
        sizes = {FIXED: self.pixel_mm, HEAD: self.long_axis_pixels}
        wrong = len(self.shape) != 2 or min(self.shape) < 2
        others = [size for kind, size in sizes.items() if kind != self.kind]
        if wrong or any(others) or not (sizes.get(self.kind) or 0) > 0:
            raise InputError(
                f"The frame {asdict(self)} is unknown; a bundle's metadata give the kind 'fixed' "
                "with pixel_mm or 'head' with long_axis_pixels, and a shape."
            )
        if self.inside not in (OUTLINE, SKULL):
            raise InputError(
                f"The frame shows what is inside {self.inside!r}, which is unknown; a bundle's "
                f"metadata say {OUTLINE!r} or {SKULL!r}."
            )

    @classmethod
    def paper(cls) -> FrameSpec:
        """The frame of the DDIC paper: 128 x 128 pixels of 1.094 mm, the skull within."""
        return cls(FIXED, (128, 128), pixel_mm=1.094)

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, Any]) -> FrameSpec:
        """The frame that a bundle's metadata name under ``frame``.

        Bundles without it have the kind "fixed": ``spacing_mm`` and the ``spatial_shape`` of the
        input say the rest.

        Raises:
            InputError: for an unknown frame, or one whose shape is not that of the input.
        """
        shape = metadata["network_data_format"]["inputs"]["image"]["spatial_shape"]
        named = metadata.get("frame")
        if named is None:
            named = {"kind": FIXED, "pixel_mm": metadata["spacing_mm"][0], "shape": shape}
        try:
            spec = cls(**{**named, "shape": tuple(named["shape"])})
        except (KeyError, TypeError):
            raise InputError(
                f"The frame {named} is unknown; install bundles made for this version."
            ) from None
        if list(spec.shape) != list(shape):
            raise InputError(
                f"The frame has {spec.shape} pixels and the network's input {tuple(shape)}; "
                "install the bundle again."
            )
        return spec

    @property
    def metadata(self) -> dict[str, Any]:
        """What :meth:`from_metadata` reads under ``frame``."""
        said = {name: value for name, value in asdict(self).items() if value is not None}
        return {**said, "shape": list(self.shape)}

    def shown(self, outline: Ellipse) -> Ellipse:
        """What of a head with this outer outline of the skull is shown.

        Raises:
            InputError: the skull holds no brain.
        """
        return brain_inside(outline) if self.inside == SKULL else outline

    def pixel_size(self, shown: Ellipse) -> float:
        """Edge of a pixel in mm for a head of which ``shown`` is shown."""
        if self.pixel_mm is not None:
            return self.pixel_mm
        assert self.long_axis_pixels is not None
        return 2 * shown.extents[0] / self.long_axis_pixels


def common_frame(*bundles: Bundle) -> FrameSpec:
    """The frame of networks that work together.

    Raises:
        InputError: if they have different ones, or a bundle's is unknown.
    """
    specs = [FrameSpec.from_metadata(bundle.metadata) for bundle in bundles]
    if any(spec != specs[0] for spec in specs):
        names = " and ".join(repr(bundle.name) for bundle in bundles)
        raise InputError(
            f"The bundles {names} were trained in different frames; install bundles that were "
            "trained in one."
        )
    return specs[0]


def takes_size(bundle: Bundle) -> bool:
    """Whether a network has the length of what is shown as its last input: mm, float32 [B]."""
    return "size" in bundle.metadata["network_data_format"]["inputs"]
