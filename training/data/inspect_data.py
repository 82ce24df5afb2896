"""Say what a folder of data holds, what is left out, and why.

``python -m training.data.inspect_data hc18 FOLDER``; the kinds are those of :data:`FINDERS`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from training.data import volume_pairs
from training.data.fetal_planes import find_planes
from training.data.fetal_volumes import find_atlas, find_feta
from training.data.hc18 import find_hc18
from training.data.inventory import Inventory
from training.data.volume_pairs import CONTRASTS

FINDERS: dict[str, Callable[[Path], Inventory[Any]]] = {
    "hc18": find_hc18,
    "fetal_planes": find_planes,
    "atlas": find_atlas,
    "feta": find_feta,
}


def main() -> None:
    """Say what a folder of data holds, what is left out, and why."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("kind", choices=[*FINDERS, *volume_pairs.FINDERS])
    parser.add_argument("folder", type=Path, help="as it was downloaded")
    parser.add_argument(
        "--contrast", choices=CONTRASTS, default="T1", help="of the MRI, for pairs of volumes"
    )
    options = parser.parse_args()
    if not options.folder.is_dir():
        parser.error(f"{options.folder} is no folder; give the one that holds the data")
    if options.kind in FINDERS:
        inventory = FINDERS[options.kind](options.folder)
    else:
        inventory = volume_pairs.FINDERS[options.kind](options.folder, options.contrast)
    print(inventory.report())


if __name__ == "__main__":
    main()
