"""Read the names of classes that masks give by numbers."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from condinst.dataset_converters.class_tables import class_table
from condinst.dataset_converters.csv_files import csv_columns, csv_header, read_csv
from condinst.dataset_converters.folder import Folder, read_json, read_yaml
from condinst.dataset_converters.outlines import check_label
from condinst.dataset_converters.records import Label, Notes
from condinst.datasets.coco.entry_issues import short_repr

__all__ = [
    "CLASS_FILES",
    "classes_of_values",
    "note_alike",
    "number_name",
    "spelling_key",
    "stated_classes",
    "unnamed",
]

CLASS_FILES = ("classes.json", "labels.json", "classes.yaml", "classes.yml", "labels.yaml")

# name of a table -> its columns of pixel values and of classes
_COLUMNS = {"_classes.csv": ("pixel value", "class"), "objectInfo150.txt": ("idx", "name")}


def number_name(label: Label) -> str:
    """Return the name of a class that only has a number."""
    return f"class_{label}"


def unnamed(label: Label) -> str:
    """Return what is counted for objects of a class that a list of names lacks."""
    return f"Objects of class {label}, which has no name, named {number_name(label)}"


def spelling_key(name: str) -> str:
    """Return a name without what spellings of one class may differ by: case, spaces, _ and -."""
    return " ".join(name.casefold().replace("_", " ").replace("-", " ").split())


def note_alike(names: Iterable[str], notes: Notes) -> None:
    """Warn of classes whose names differ by case or spaces only."""
    spelled: dict[str, list[str]] = {}
    for name in names:
        spelled.setdefault(spelling_key(name), []).append(name)
    for alike in spelled.values():
        if len(alike) > 1:
            notes.say(
                f"Warning: {', '.join(map(repr, alike))} are read as different classes, although "
                "their names differ by case or spaces only; give them one name if they are one."
            )


def classes_of_values(folder: Folder) -> list[str]:
    """Return the files that give classes to pixel values: Roboflow's and ADE20K's tables."""
    found = []
    for file in folder.with_suffix(".csv", ".txt"):
        columns = _COLUMNS.get(os.path.basename(file))
        if columns and set(columns) <= csv_columns(csv_header(folder.root / file)).keys():
            found.append(file)
    return found


def _read_values(folder: Folder, files: list[str]) -> dict[Label, str]:
    classes: dict[Label, str] = {}
    for file in files:
        path = folder.root / file
        header, rows = read_csv(path)
        places = csv_columns(header)
        number, title = _COLUMNS[path.name]
        for line, row in rows:
            try:
                value = int(row[places[number]])
                name = row[places[title]].strip()
            except (IndexError, ValueError):
                raise ValueError(
                    f"{path}: line {line}: expected a pixel value and a class"
                ) from None
            if not check_label(name):
                raise ValueError(f"{path}: line {line}: expected a class name")
            if value and classes.setdefault(value, name) != name:
                raise ValueError(
                    f"{path}: line {line}: value {value} is {name!r} here and {classes[value]!r} "
                    f"in {files[0]}"
                )
    return dict(sorted(classes.items()))  # type: ignore[type-var]


def stated_classes(
    folder: Folder, notes: Notes, values: Iterable[int] = ()
) -> dict[Label, str] | None:
    """Read number -> name from the first class file.

    The file holds {number: name}, {name: number}, a list of names, or a list of dicts with ``id``
    and ``name``; or it is one of the tables of ``class_tables``.

    Args:
        folder: the dataset's folder.
        notes: receives where the names come from.
        values: the values of the masks, which tell numbers of classes from colors.
    """
    for name in CLASS_FILES:
        for file in folder.files_named(name):
            path = folder.root / file
            data = read_json(path) if name.endswith("json") else read_yaml(path)
            classes = _classes_in(data)
            if classes is None:
                raise ValueError(
                    f"{path}: expected class numbers and names, {{number: name}} or a list of "
                    f"{{id, name}}, got {short_repr(data)}"
                )
            notes.say(f"Class numbers and names are those of {path}.")
            return classes
    if files := classes_of_values(folder):
        return _read_values(folder, files)
    if table := class_table(folder):
        named = table.named(values)
        listed = ", ".join(f"{number} is {name!r}" for number, name in [*named.items()][:3])
        notes.say(
            f"Class numbers and names are those of {table.path}: {listed}"
            f"{', ...' if len(named) > 3 else ''}."
        )
        return dict(named.items())
    return None


def _classes_in(data: Any) -> dict[Label, str] | None:
    pairs: list[tuple[Any, Any]]
    if isinstance(data, dict):
        pairs = [(v, k) if isinstance(v, int) else (k, v) for k, v in data.items()]
    elif isinstance(data, list) and all(isinstance(entry, dict) for entry in data):
        pairs = [(entry.get("id"), entry.get("name")) for entry in data]
    elif isinstance(data, list):
        pairs = list(enumerate(data))
    else:
        return None
    try:
        if not all(check_label(name) for _, name in pairs):
            return None
        return dict(sorted((int(number), str(name)) for number, name in pairs)) or None
    except (TypeError, ValueError, OverflowError):
        return None
