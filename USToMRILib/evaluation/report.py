"""One self-contained HTML page out of sections."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from ..errors import InputError
from ..files import atomic, check_readable

if TYPE_CHECKING:
    from matplotlib.figure import Figure


# The sections' data lie at the end of the page, where no text of theirs may end them early.
_DATA_START = '<script type="application/json">'
_HIDDEN_END = "<\\/"


class Section(TypedDict):
    """A part of the report.

    Attributes:
        title: plain text.
        html: what is shown; no reference to any other file.
        data: the same for ``results.json``, ready for JSON; sections share no keys.
    """

    title: str
    html: str
    data: dict[str, Any]


def write_results(path: Path, sections: Sequence[Section]) -> None:
    """Write the data of all sections as one JSON object.

    Raises:
        InputError: if two sections tell of the same thing, as two evaluations would.
    """
    data: dict[str, Any] = {}
    for section in sections:
        twice = data.keys() & section["data"].keys()
        if twice:
            raise InputError(
                f"Two parts of the report hold {min(twice)!r}; include each kind of report once."
            )
        data.update(section["data"])
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(data, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def write_report(path: Path, title: str, lead: str, sections: Sequence[Section]) -> None:
    """Write the page.

    Args:
        path: ``.html``; appears complete or not at all.
        title, lead: plain text; the lead is the paragraph under the title.
        sections: in order.
    """
    numbered = list(enumerate(sections, start=1))
    links = "".join(f'<a href="#s{i}">{escape(s["title"])}</a>' for i, s in numbered)
    bodies = "".join(
        f'<section id="s{i}"><h2>{escape(s["title"])}</h2>{s["html"]}</section>'
        for i, s in numbered
    )
    data = json.dumps([{"title": s["title"], "data": s["data"]} for s in sections])
    page = (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>"
        f"<header><h1>{escape(title)}</h1>{paragraph(lead)}<nav>{links}</nav></header>"
        f"<main>{bodies}</main>{_DATA_START}{data.replace('</', _HIDDEN_END)}</script>"
        "</body></html>\n"
    )
    with atomic(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def read_report(path: Path) -> list[Section]:
    """The sections of a page that :func:`write_report` wrote, to put them into another.

    Raises:
        InputError: if the file cannot be read or is no such page.
    """
    check_readable(path)
    try:
        page = path.read_text(encoding="utf-8")
        start = page.rindex(_DATA_START) + len(_DATA_START)
        told = json.loads(page[start : page.index("</script>", start)])
        bodies = re.findall(r'<section id="s\d+"><h2>.*?</h2>(.*?)</section>', page, re.DOTALL)
        if len(bodies) != len(told):
            raise ValueError
        return [
            {"title": one["title"], "html": html, "data": one["data"]}
            for one, html in zip(told, bodies)
        ]
    except (UnicodeDecodeError, ValueError, KeyError, TypeError):
        raise InputError(
            f"{path} is no report of ustomri; give a page that one of its commands wrote."
        ) from None


def paragraph(text: str, kind: str = "") -> str:
    """Plain text as a paragraph; ``kind`` is "note" for small print, "warning", or nothing."""
    return f'<p class="{kind}">{escape(text)}</p>' if kind else f"<p>{escape(text)}</p>"


def bullets(texts: Iterable[str]) -> str:
    """Plain texts as a list."""
    return "<ul>" + "".join(f"<li>{escape(text)}</li>" for text in texts) + "</ul>"


def folded(summary: str, html: str) -> str:
    """Something long that opens on a click."""
    return f"<details><summary>{escape(summary)}</summary>{html}</details>"


def table(
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    caption: str = "",
    text_columns: int = 1,
) -> str:
    """A table of plain texts.

    Args:
        header: of the columns; a line break in it is kept.
        rows: cells.
        caption: above the table.
        text_columns: how many columns on the left hold words; the others are set as numbers.
    """

    def cells(tag: str, texts: Sequence[str]) -> str:
        kinds = ["words" if i < text_columns else "number" for i in range(len(texts))]
        return "".join(
            f'<{tag} class="{kind}">{escape(text)}</{tag}>' for kind, text in zip(kinds, texts)
        )

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    top = f"<caption>{escape(caption)}</caption>" if caption else ""
    return (
        f'<div class="wide"><table>{top}<thead><tr>{cells("th", header)}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def drawing(figure: Figure, caption: str) -> str:
    """A matplotlib figure of lines and letters, as an SVG inside the page."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    text = io.StringIO()
    # Without a date and random names of its parts, the same figure is the same page.
    with rc_context({"svg.hashsalt": "ustomri"}):
        FigureCanvasSVG(figure).print_svg(text, metadata={"Date": None})
    svg = text.getvalue()
    return _figure(svg[svg.index("<svg") :], caption)


def photograph(figure: Figure, caption: str, dpi: int = 150) -> str:
    """A matplotlib figure that shows images, as a PNG inside the page."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    pixels = io.BytesIO()
    figure.set_dpi(dpi)
    FigureCanvasAgg(figure).print_png(pixels)
    encoded = base64.b64encode(pixels.getvalue()).decode()
    return _figure(f'<img src="data:image/png;base64,{encoded}" alt="{escape(caption)}">', caption)


def _figure(content: str, caption: str) -> str:
    return f"<figure>{content}<figcaption>{escape(caption)}</figcaption></figure>"


_STYLE = """
:root { --ink: #1c2430; --soft: #5b6675; --line: #d9dee5; --paper: #fff; --tint: #f5f7f9;
        --accent: #0b5c8a; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
       font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
header, main { max-width: 62rem; margin: 0 auto; padding: 0 1.5rem; }
header { padding-top: 3rem; }
h1 { font-size: 2rem; line-height: 1.2; margin: 0 0 .75rem; letter-spacing: -.01em; }
h2 { font-size: 1.35rem; margin: 3rem 0 .75rem; padding-top: 1rem;
     border-top: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
p, ul { max-width: 46rem; margin: .5rem 0 .9rem; }
li { margin: .2rem 0; }
header > p { font-size: 1.1rem; color: var(--soft); }
nav { display: flex; flex-wrap: wrap; gap: .3rem 1.25rem; margin: 1.25rem 0 0; }
a { color: var(--accent); text-decoration: none; }
a:hover { text-decoration: underline; }
.note { font-size: .875rem; color: var(--soft); }
.warning { border-left: 4px solid #c25b00; background: #fdf4ea; padding: .6rem .9rem; }
.wide { overflow-x: auto; margin: 1rem 0 1.25rem; }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums;
        border-top: 2px solid var(--ink); border-bottom: 2px solid var(--ink); min-width: 50%; }
caption { text-align: left; color: var(--soft); padding: 0 0 .4rem; }
th { font-weight: 600; text-align: left; vertical-align: bottom; white-space: pre-line; }
thead th { border-bottom: 1px solid var(--ink); }
th, td { padding: .35rem .6rem .35rem 0; vertical-align: top; }
td { border-bottom: 1px solid var(--line); }
tbody tr:last-child td { border-bottom: 0; }
.number { text-align: right; white-space: pre; padding-left: .6rem; }
td.words { overflow-wrap: break-word; }
figure { margin: 1.25rem 0; }
figure svg, figure img { max-width: 100%; height: auto; display: block; }
figcaption { font-size: .875rem; color: var(--soft); max-width: 46rem; margin-top: .5rem; }
code { font: .85em/1.5 ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
pre { background: var(--tint); border: 1px solid var(--line); border-radius: 4px;
      padding: .75rem .9rem; white-space: pre-wrap; overflow-wrap: anywhere; }
details { margin: .75rem 0; }
summary { cursor: pointer; color: var(--accent); }
main { padding-bottom: 4rem; }
@media print { nav { display: none; } h2 { break-after: avoid; } figure, tr { break-inside: avoid; }
               body { font-size: 10pt; } }
"""
