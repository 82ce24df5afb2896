"""The ultrasound of Slicer's DICOM database as a table of cases."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import slicer

_MODALITY, _ULTRASOUND = "0008,0060", "US"


def writeCases(table: Path) -> int:
    """Write a CSV file for ``ustomri batch`` and return how many images are in it.

    They are named by their instance UIDs, which stay the same when more is imported.
    """
    files = list(_ultrasoundFiles())
    if files:
        with open(table, "w", newline="", encoding="utf-8") as stream:
            rows = csv.writer(stream)
            rows.writerow(["input", "name"])
            rows.writerows([file, slicer.dicomDatabase.instanceForFile(file)] for file in files)
    return len(files)


def _ultrasoundFiles() -> Iterator[str]:
    database = getattr(slicer, "dicomDatabase", None)
    if database is None or not database.isOpen:
        return
    for patient in database.patients():
        for study in database.studiesForPatient(patient):
            for series in database.seriesForStudy(study):
                files = list(database.filesForSeries(series))
                if files and database.fileValue(files[0], _MODALITY) == _ULTRASOUND:
                    yield from files
