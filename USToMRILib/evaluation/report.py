"""One self-contained HTML page out of sections.

A section is made of blocks: texts, tables and pictures. How each looks stands in the template of
its name in ``report_page/``.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Union

from ..files import atomic
from ..pages import environment, write_page

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PAGE = Path(__file__).with_name("report_page")


@dataclass(frozen=True)
class Paragraph:
    """A paragraph; ``style`` is "note" for small print, or nothing."""

    template: ClassVar[str] = "paragraph.html"
    text: str
    style: str = ""


@dataclass(frozen=True)
class Heading:
    """A heading within a section."""

    template: ClassVar[str] = "heading.html"
    text: str


@dataclass(frozen=True)
class Code:
    """A command as it was typed."""

    template: ClassVar[str] = "code.html"
    text: str


@dataclass(frozen=True)
class Bullets:
    """Texts as a list."""

    template: ClassVar[str] = "bullets.html"
    texts: Sequence[str]


@dataclass(frozen=True)
class Table:
    """A table of texts.

    Attributes:
        header: of the columns; a line break in it is kept.
        rows: cells.
        caption: above the table.
        text_columns: how many columns on the left hold words; the others are set as numbers.
        summary: the table opens on a click at these words; empty: it is shown.
    """

    template: ClassVar[str] = "table.html"
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    text_columns: int = 1
    summary: str = ""


@dataclass(frozen=True)
class Picture:
    """A picture inside the page.

    Attributes:
        content: an SVG's own text, or the data address of a PNG.
        svg: which of them.
        caption: below it.
    """

    template: ClassVar[str] = "picture.html"
    content: str
    svg: bool
    caption: str


Block = Union[Paragraph, Heading, Code, Bullets, Table, Picture]


@dataclass(frozen=True)
class Section:
    """A part of the report.

    Attributes:
        title: plain text.
        blocks: what is shown, in order; no reference to any other file.
        data: the same for ``results.json``, ready for JSON; sections share no keys.
    """

    title: str
    blocks: Sequence[Block]
    data: dict[str, Any] = field(default_factory=dict)


def write_results(path: Path, sections: Sequence[Section]) -> None:
    """Write the data of all sections as one JSON object."""
    data = {key: value for section in sections for key, value in section.data.items()}
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(data, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def write_report(path: Path, title: str, lead: str, sections: Sequence[Section]) -> None:
    """Write the page.

    Args:
        path: ``.html``; appears complete or not at all.
        title, lead: plain text; the lead is the paragraph under the title.
        sections: in order.
    """
    template = environment(_PAGE).get_template("page.html")
    write_page(path, template, title=title, lead=lead, sections=sections)


def drawing(figure: Figure, caption: str) -> Picture:
    """A matplotlib figure of lines and letters, as an SVG."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    text = io.StringIO()
    # Without a date and random names of its parts, the same figure is the same page.
    with rc_context({"svg.hashsalt": "ustomri"}):
        FigureCanvasSVG(figure).print_svg(text, metadata={"Date": None})
    svg = text.getvalue()
    return Picture(svg[svg.index("<svg") :], True, caption)


def photograph(figure: Figure, caption: str, dpi: int = 150) -> Picture:
    """A matplotlib figure that shows images, as a PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    pixels = io.BytesIO()
    figure.set_dpi(dpi)
    FigureCanvasAgg(figure).print_png(pixels)
    encoded = base64.b64encode(pixels.getvalue()).decode()
    return Picture(f"data:image/png;base64,{encoded}", False, caption)
