"""Where the training data are."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

VARIABLE = "USTOMRI_DATA"


def add_data_option(parser: argparse.ArgumentParser, needed: bool = True) -> None:
    """Add ``--data``, by default the folder that the environment variable USTOMRI_DATA names.

    Without ``needed``, nothing is asked for where there is no such default.
    """
    folder = os.environ.get(VARIABLE)
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(folder) if folder else None,
        required=needed and not folder,
        help=f"folder with hc18, fetal_planes, fetal_mri and adult_labels; default: ${VARIABLE}",
    )


def add_feta_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--feta``, the folder of FeTA where its volumes should stand beside the atlases'."""
    parser.add_argument(
        "--feta", type=Path, metavar="FOLDER", help="of FeTA as published, beside the MRI atlases"
    )
