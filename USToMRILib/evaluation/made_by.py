"""The records that lie beside pseudo-MRI: by which weights and settings they were made."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..files import sidecar_path

_KEPT = ("tool", "version", "method", "bundles", "device")
# Differs from case to case by nature.
_OF_THE_CASE = "head"


def read_made_by(images: Iterable[Path]) -> list[dict[str, Any]]:
    """What made the images, each different record once with its number of images.

    Args:
        images: files; their records lie beside them, as ``ustomri translate`` writes them.

    Returns:
        Records with ``tool``, ``version``, ``method``, ``bundles``, ``device``, ``parameters`` and
        ``images``; images without a readable record are not counted.
    """
    counted: dict[str, int] = {}
    for image in images:
        record = _read(sidecar_path(image))
        if record is not None:
            text = json.dumps(record, sort_keys=True)
            counted[text] = counted.get(text, 0) + 1
    return [{**json.loads(text), "images": count} for text, count in counted.items()]


def _read(path: Path) -> dict[str, Any] | None:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        parameters = {k: v for k, v in record["parameters"].items() if k != _OF_THE_CASE}
        return {**{key: record[key] for key in _KEPT}, "parameters": parameters}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
