"""Metadata and model cards, the same shape for every bundle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

INTENDED_USE = (
    "Research on ultrasound-to-MRI translation. Not a medical device: no diagnosis, no measurement "
    "and no treatment decision may rest on its output."
)


def bundle_metadata(
    task: str,
    description: str,
    formats: dict[str, dict[str, Any]],
    runs_file: Path,
    data: list[dict[str, str]],
    metrics: dict[str, Any],
    caution: str | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Metadata in MONAI's bundle schema, with what made the weights and how good they are.

    The export adds ``version``, ``changelog`` and ``sha256``.

    Args:
        task: one line.
        description: a sentence or two.
        formats: ``network_data_format``: "inputs" and "outputs".
        runs_file: ``run.json`` of the training run; command, commit, seed and versions of each of
            its commands go in.
        data: sources with name, part, DOI and licence.
        metrics: measured on held-out data, with the command that measured them.
        caution: a sentence that the library adds to the warnings of every result.
        more: what else the library needs of this bundle.
    """
    runs = json.loads(runs_file.read_text())
    versions = runs[-1]["versions"]
    return {
        "schema": "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/"
        "0.8.1/meta_schema_20240725.json",
        "monai_version": versions["monai"],
        "pytorch_version": versions["torch"],
        "numpy_version": versions["numpy"],
        "task": task,
        "description": description,
        "authors": "the USToMRI contributors",
        "copyright": "the USToMRI contributors",
        "intended_use": INTENDED_USE,
        "network_data_format": formats,
        "data": data,
        "training": {"runs": runs},
        "metrics": metrics,
        "caution": caution,
        **more,
    }


def model_card(title: str, metadata: dict[str, Any], sections: dict[str, str]) -> str:
    """The card's Markdown: description, ``sections`` in order, and what the metadata know."""
    runs = metadata["training"]["runs"]
    commands = "\n".join(
        f"- from step {run['from_step']}: `{run['command']}` at commit `{run['commit']}`, seed "
        f"{run['seed']}, {run['date']}"
        for run in with_earlier(runs)
    )
    versions = ", ".join(f"{name} {number}" for name, number in runs[-1]["versions"].items())
    sources = "\n".join(
        f"- {source['name']}: {source['part']}. {source['reference']} Licence: {source['licence']}."
        for source in metadata["data"]
    )
    parts = {
        **sections,
        "Data": sources,
        "Made by": f"{commands}\n\nWith {versions}.",
        "Measured": measured_table(metadata["metrics"]),
        "Intended use": metadata["intended_use"],
    }
    return f"# {title}\n\n{metadata['description']}\n\n{_body(parts)}\n"


def measured_table(metrics: dict[str, Any]) -> str:
    """The card's tables of what was measured: once, and by kind of data, a column each."""
    once = {name: value for name, value in metrics.items() if not isinstance(value, dict)}
    kinds = {name: _flat(value) for name, value in metrics.items() if isinstance(value, dict)}
    tables = [_table(["what", "value"], [[name, value] for name, value in once.items()])]
    if kinds:
        measures = dict.fromkeys(name for measured in kinds.values() for name in measured)
        rows = [[name, *(of.get(name, "") for of in kinds.values())] for name in measures]
        tables.append(_table(["what", *kinds], rows))
    return "\n\n".join(tables)


def _flat(measured: dict[str, Any], of: str = "") -> dict[str, Any]:
    """Measures in measures, named "outer: inner"."""
    flat: dict[str, Any] = {}
    for name, value in measured.items():
        inner = isinstance(value, dict)
        flat |= _flat(value, f"{of}{name}: ") if inner else {f"{of}{name}": value}
    return flat


def _table(head: list[str], rows: list[list[Any]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def replace_sections(card: str, sections: dict[str, str]) -> str:
    """Return a card with other text under some headings; new ones come after "Limits"."""
    head, *parts = card.rstrip().split("\n\n## ")
    old = dict(part.split("\n\n", 1) for part in parts)
    merged: dict[str, str] = {}
    for heading, text in old.items():
        merged[heading] = sections.get(heading, text)
        if heading == "Limits":
            merged |= {name: text for name, text in sections.items() if name not in old}
    return f"{head}\n\n{_body(merged)}\n"


def _body(sections: dict[str, str]) -> str:
    return "\n\n".join(f"## {heading}\n\n{text.strip()}" for heading, text in sections.items())


def with_earlier(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Runs after those whose weights they began with, and those before them, and so on."""
    earlier = runs[0].get("started_from", [])
    return [*(with_earlier(earlier) if earlier else []), *runs]
