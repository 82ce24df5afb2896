"""The table of one pair in the panel."""

from __future__ import annotations

from typing import Any, Optional

from .CNRLogic import PairMeasurement

_ROWS = 8  # CNR; ratio; region and background with mean, SD and voxels


def showMeasurement(table: Any, measured: Optional[PairMeasurement]) -> None:
    """Write a pair's numbers into the ``QTableWidget`` of the panel; empty it where None."""
    for column in range(2):
        for row, text in enumerate(_texts(measured, column)):
            table.item(row, column).setText(text)


def _texts(measured: Optional[PairMeasurement], column: int) -> list[str]:
    if measured is None:
        return [""] * _ROWS
    cnr = (measured.ultrasound, measured.pseudoMri)[column].cnr
    if cnr is None:
        return [""] * _ROWS
    hasRatio = column == 1 and measured.ratio == measured.ratio  # NaN differs from itself
    texts = [f"{cnr.cnr:.3f}", f"{measured.ratio:.3f}" if hasRatio else ""]
    for part in (cnr.roi, cnr.background):
        texts += [f"{part.mean:.2f}", f"{part.standard_deviation:.2f}", str(part.voxels)]
    return texts
