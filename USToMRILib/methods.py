"""The methods of translation: one entry each, which everything else reads.

``translate``, the command line and its help, batch, the record and the panel know of a method what
its entry says, and nothing else. :func:`register` adds one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Callable, Protocol

from .compute.bundle import first_installed, list_bundles, read_metadata
from .errors import InputError
from .fetal import cyclegan, diffusion, guided, pix2pix2d
from .fetal.frame_spec import FrameSpec
from .image.volume import Volume
from .options import Option, check_options, make_options, options_of
from .pix2pix import generator, pix2pix3d
from .result import MAPS, Made, Request

SLICE, VOLUME = "slice", "volume"

# Whose brain a method knows. An image does not say which it shows.
FETAL, ADULT = "fetal head", "adult brain"

# What a user may ask for in the place of a method.
FAST, BEST = QUALITIES = "fast", "best"


class Loaded(Protocol):
    """A method with its networks, ready to translate."""

    def translate(self, volume: Volume, request: Request) -> Made:
        """Translate a checked volume."""


@dataclass(frozen=True)
class Method:
    """What is to be known about a method.

    Attributes:
        name: by which it is asked for.
        title: for a list to choose from.
        summary: one sentence for users.
        paper: where it is from.
        takes: what it translates: "slice", "volume".
        options: a dataclass of :func:`.options.option` fields.
        bundles: names of those that it needs.
        load: called with the options and the device; returns it :class:`Loaded`.
        offers: what else it can make, a key of :data:`.result.MAPS` each, with the sentence that
            says in the record what it shows.
        subject: whose brain it knows, :data:`FETAL` or :data:`ADULT`.
        qualities: for which kinds of image, of those that it takes, it is the method that
            :data:`FAST` or :data:`BEST` stands for.
        preferred: names of bundles that take the place of the others where all are installed.
    """

    name: str
    title: str
    summary: str
    paper: str
    takes: tuple[str, ...]
    options: type
    bundles: tuple[str, ...]
    load: Callable[[Any, str], Loaded]
    offers: Mapping[str, str] = field(default_factory=dict)
    subject: str = FETAL
    qualities: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    preferred: tuple[str, ...] = ()

    @property
    def bundles_in_use(self) -> tuple[str, ...]:
        """Names of the bundles that it takes from those that are installed."""
        return first_installed(self.preferred, self.bundles) if self.preferred else self.bundles

    @property
    def option_list(self) -> list[Option]:
        """Its options."""
        return options_of(self.options)

    @property
    def frame(self) -> FrameSpec | None:
        """The frame of its networks; None for a method that has none.

        Raises:
            InputError: its bundles cannot be used.
        """
        if SLICE not in self.takes or not self.bundles:
            return None
        return FrameSpec.from_metadata(read_metadata(self.bundles_in_use[0]))

    def make_options(self, options: Any = None, values: Mapping[str, Any] | None = None) -> Any:
        """Its options: an object of its dataclass, or values by name, or neither.

        Raises:
            InputError: for options of another method, unknown names and unusable values.
        """
        if options is None:
            return make_options(self.options, values or {}, self.name)
        if values:
            raise InputError(
                f"Give the options of {self.name!r} as {self.options.__name__} or one by one "
                f"({', '.join(values)}), not both."
            )
        if isinstance(options, Mapping):
            return make_options(self.options, options, self.name)
        if not isinstance(options, self.options):
            raise InputError(
                f"The options of {self.name!r} are {self.options.__name__}, and these are "
                f"{type(options).__name__}; give the former."
            )
        check_options(options)
        return options

    def check_offers(self, names: Iterable[str]) -> None:
        """Raise InputError if one of these maps is none that it makes."""
        for name in names:
            if name not in self.offers:
                has = [repr(other.name) for other in METHODS.values() if name in other.offers]
                raise InputError(
                    f"There is no {name} for the method {self.name!r}; use "
                    f"{' or '.join(has) or 'another'}, or leave it out."
                )

    def describe(self) -> dict[str, Any]:
        """Everything about it, ready for JSON; the frame only where its bundles are here."""
        bundles = self.bundles_in_use
        installed = set(bundles) <= set(list_bundles())
        frame = self.frame if installed else None
        return {
            "name": self.name,
            "title": self.title,
            "summary": self.summary,
            "paper": self.paper,
            "subject": self.subject,
            "takes": list(self.takes),
            "qualities": {name: list(kinds) for name, kinds in self.qualities.items()},
            "frame": frame.metadata if frame else None,
            "options": [each.describe() for each in self.option_list],
            "offers": dict(self.offers),
            "bundles": list(bundles),
            "installed": installed,
            "default": self.name == DEFAULT,
        }


METHODS: dict[str, Method] = {}
# The method where the user does not say.
DEFAULT = "pix2pix2d"


def register(method: Method) -> None:
    """Add a method.

    Raises:
        ValueError: one of this name is there, it offers something unknown, or another one is what
            a quality stands for already.
    """
    if method.name in METHODS:
        raise ValueError(f"There is a method {method.name!r} already.")
    if not set(method.offers) <= set(MAPS):
        raise ValueError(f"{method.name!r} offers {set(method.offers) - set(MAPS)}; see MAPS.")
    for quality, kinds in method.qualities.items():
        for kind in kinds:
            _check_quality(method, quality, kind)
    METHODS[method.name] = method


def _check_quality(method: Method, quality: str, kind: str) -> None:
    if quality not in QUALITIES or kind not in method.takes:
        raise ValueError(f"{method.name!r} cannot be {quality} for a {kind}.")
    for other in by_quality(quality, kind):
        if other.subject == method.subject:
            raise ValueError(
                f"{other.name!r} is {quality} for a {kind} of a {method.subject} already."
            )


def method_named(name: str) -> Method:
    """The method of this name.

    Raises:
        InputError: there is none.
    """
    if name not in METHODS:
        raise InputError(f"The method {name!r} is unknown; choose from {', '.join(METHODS)}.")
    return METHODS[name]


def by_quality(quality: str, kind: str) -> list[Method]:
    """The methods that a quality stands for.

    Args:
        quality: :data:`FAST` or :data:`BEST`.
        kind: of image, :data:`SLICE` or :data:`VOLUME`.

    Returns:
        One for each subject that there is a method for.
    """
    return [method for method in METHODS.values() if kind in method.qualities.get(quality, ())]


DDIC_PAPER = (
    "Translation of Fetal Brain Ultrasound Images into Pseudo-MRI Images using Artificial "
    "Intelligence"
)

register(
    Method(
        "pix2pix2d",
        "Pix2Pix: one pass, 2D",
        "One pass of a network that learned from simulated pairs: MRI and tissues of a fetal head, "
        "with the contrast of T2.",
        "Image-to-Image Translation with Conditional Adversarial Networks (Isola et al. 2017); "
        "BrainVoxGen's idea, for slices",
        (SLICE, VOLUME),
        pix2pix2d.Pix2Pix2dOptions,
        (pix2pix2d.BUNDLE,),
        pix2pix2d.load,
        {"uncertainty": pix2pix2d.UNCERTAINTY, "tissues": pix2pix2d.TISSUES},
        # It alone takes a volume in the head's own planes.
        qualities={FAST: (SLICE, VOLUME), BEST: (VOLUME,)},
    )
)
register(
    Method(
        "ddic-guided",
        "DDIC, guided: a crisp picture, 2D",
        "The picture of one pass, drawn anew by a diffusion model of fetal MRI that is pulled "
        "towards it.",
        DDIC_PAPER + "; SDEdit (Meng et al. 2022)",
        (SLICE, VOLUME),
        guided.GuidedOptions,
        (pix2pix2d.BUNDLE, guided.MRI_BUNDLE),
        guided.load,
        {"uncertainty": guided.UNCERTAINTY, "tissues": pix2pix2d.TISSUES},
        qualities={BEST: (SLICE,)},
    )
)
register(
    Method(
        "ddic",
        "DDIC: imposed correlation, 2D",
        "Two diffusion models of the fetal head, with the pseudo-MRI pulled towards images that "
        "correlate with the ultrasound.",
        DDIC_PAPER,
        (SLICE, VOLUME),
        diffusion.DdicOptions,
        diffusion.HEADS,
        diffusion.load,
        {"residual": diffusion.RESIDUAL},
        preferred=diffusion.BRAINS,
    )
)
register(
    Method(
        "ddib",
        "DDIB: diffusion bridge, 2D",
        "Two diffusion models of the fetal head: from ultrasound to noise with one, from noise to "
        "MRI with the other.",
        "Dual Diffusion Implicit Bridges for Image-to-Image Translation (Su et al. 2023)",
        (SLICE, VOLUME),
        diffusion.DdibOptions,
        diffusion.HEADS,
        diffusion.load,
        {"residual": diffusion.RESIDUAL},
        preferred=diffusion.BRAINS,
    )
)
register(
    Method(
        "cyclegan",
        "CycleGAN: one pass, 2D",
        "One pass of a network that was trained without pairs: the baseline of the DDIC paper.",
        "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks (Zhu et "
        "al. 2017)",
        (SLICE, VOLUME),
        cyclegan.CycleGanOptions,
        (cyclegan.BUNDLE,),
        cyclegan.load,
    )
)
register(
    Method(
        "pix2pix3d",
        "Pix2Pix: adversarial, 3D",
        "One pass of a 3D network over a volume of intra-operative ultrasound of an adult brain.",
        "BrainVoxGen: Deep Learning Framework for Synthesis of Ultrasound to MRI",
        (VOLUME,),
        pix2pix3d.Pix2Pix3dOptions,
        (generator.BUNDLE,),
        pix2pix3d.load,
        {"uncertainty": pix2pix3d.UNCERTAINTY},
        subject=ADULT,
        qualities={FAST: (VOLUME,), BEST: (VOLUME,)},
    )
)
