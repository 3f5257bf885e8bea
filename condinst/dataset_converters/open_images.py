"""Read the classes that OpenImages' csv gives to mask files of one object each."""

from __future__ import annotations

import os
from dataclasses import replace

from condinst.dataset_converters.csv_files import csv_columns, csv_header, read_csv
from condinst.dataset_converters.folder import Folder
from condinst.dataset_converters.object_files import ObjectFile
from condinst.dataset_converters.outlines import check_label
from condinst.dataset_converters.records import Notes

__all__ = ["with_stated_labels"]

_FILE, _LABEL = "maskpath", "labelname"


def with_stated_labels(
    folder: Folder, files: dict[str, list[ObjectFile]], notes: Notes
) -> dict[str, list[ObjectFile]]:
    """Return the mask files with the classes of a csv with MaskPath and LabelName, if there is one.

    Args:
        folder: the dataset's folder.
        files: image -> its mask files.
        notes: receives the name of the csv, and the files that it does not name.
    """
    tables = [
        file
        for file in folder.with_suffix(".csv")
        if {_FILE, _LABEL} <= csv_columns(csv_header(folder.root / file)).keys()
    ]
    if not tables:
        return files
    wanted = {os.path.basename(file.path) for found in files.values() for file in found}
    labels: dict[str, str] = {}
    for table in tables:
        header, rows = read_csv(folder.root / table)
        places = csv_columns(header)
        for line, row in rows:
            if len(row) <= max(places[_FILE], places[_LABEL]):
                raise ValueError(
                    f"{folder.root / table}: line {line}: expected {len(header)} fields"
                )
            name, label = row[places[_FILE]].strip(), row[places[_LABEL]].strip()
            if not check_label(label):
                raise ValueError(f"{folder.root / table}: line {line}: expected a class name")
            if name in wanted:
                labels[name] = label
    names = _descriptions(folder)
    notes.say(f"The classes of the masks are those of {', '.join(tables[:3])} (LabelName).")

    def labeled(file: ObjectFile) -> ObjectFile:
        name = os.path.basename(file.path)
        if name not in labels:
            notes.count("Mask files that the csv does not name", file.path)
            return replace(file, label=None, numbered=True)
        return replace(file, label=names.get(labels[name], labels[name]), numbered=True)

    return {image: [labeled(file) for file in found] for image, found in files.items()}


def _descriptions(folder: Folder) -> dict[str, str]:
    """Return /m/... -> name, of OpenImages' class-descriptions."""
    found = {}
    for file in folder.with_suffix(".csv"):
        if "class-descriptions" in os.path.basename(file):
            first, rows = read_csv(folder.root / file)
            for row in (first, *(row for _, row in rows)):
                if len(row) == 2 and check_label(row[1].strip()) and row[0].startswith("/m/"):
                    found[row[0].strip()] = row[1].strip()
    return found
