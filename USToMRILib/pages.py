"""HTML pages out of jinja2 templates; jinja2 comes with torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from .files import atomic

if TYPE_CHECKING:
    from jinja2 import Environment, Template


def environment(folder: Path) -> Environment:
    """The templates of a folder; what they are given is text, unless it says that it is HTML."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )


def write_page(path: Path, template: Template, **values: Any) -> None:
    """Write a page piece by piece, so that it need not fit into memory.

    Args:
        path: ``.html``; appears complete or not at all.
        template: of the page.
        values: by their names in the template.
    """
    with atomic(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        file.writelines(template.generate(**values))
