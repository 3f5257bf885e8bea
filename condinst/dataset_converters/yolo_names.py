"""Read the names of YOLO's classes, from the yaml file or a text file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from condinst.dataset_converters.class_names import number_name
from condinst.dataset_converters.folder import Folder, read_text
from condinst.dataset_converters.outlines import check_label
from condinst.dataset_converters.records import Label, Notes
from condinst.datasets.coco.entry_issues import short_repr

__all__ = ["CLASS_FILES", "MAX_CLASS", "class_names", "names_from_text"]

CLASS_FILES = ("classes.txt", "obj.names", "labels.txt", "_darknet.labels")
MAX_CLASS = 1_000_000


def class_names(path: Path, data: Any, notes: Notes) -> dict[Label, str]:
    """Return number -> name of a yaml file's names; ValueError names the file."""
    number = data.get("nc") if isinstance(data, dict) and "names" not in data else None
    if type(number) is int and 0 < number <= MAX_CLASS:
        notes.say(f"{path} has no names: its {number} classes are named by their numbers.")
        return {label: number_name(label) for label in range(number)}
    if not isinstance(data, dict) or not isinstance(data.get("names"), list | dict):
        raise ValueError(
            f"{path}: expected the class names under the key names, as a list or as number: name"
        )
    if "kpt_shape" in data:
        raise ValueError(
            f"{path}: the labels are keypoints (key kpt_shape), expected polygons of instances"
        )
    names = data["names"]
    try:
        pairs = enumerate(names) if isinstance(names, list) else names.items()
        numbered = sorted((int(k), v) for k, v in pairs)
        if all(check_label(name) and 0 <= k <= MAX_CLASS for k, name in numbered):
            found: dict[Label, str] = {number: str(name) for number, name in numbered}
            _check_distinct(path, found)
            return found
    except _NamesError:
        raise
    except (TypeError, ValueError, OverflowError):
        pass
    raise ValueError(f"{path}: names: expected number: name, got {short_repr(names)}")


class _NamesError(ValueError):
    """Names of classes that cannot be told apart."""


def _check_distinct(path: Path, names: dict[Label, str]) -> None:
    first: dict[str, Label] = {}
    for number, name in names.items():
        if not name.strip():
            raise _NamesError(f"{path}: names: class {number} has an empty name")
        if name in first:
            raise _NamesError(
                f"{path}: names: classes {first[name]} and {number} are both called {name!r}"
            )
        first[name] = number


def names_from_text(folder: Folder, notes: Notes) -> dict[Label, str] | None:
    """Return number -> name of the lines of a class file; None without one."""
    for name in CLASS_FILES:
        for file in folder.files_named(name):
            lines = read_text(folder.root / file).splitlines()
            notes.say(f"Class names are those of {folder.root / file}.")
            if not all(check_label(line.strip()) for line in lines):
                raise ValueError(f"{folder.root / file}: expected a class name in each line")
            return {number: line.strip() for number, line in enumerate(lines) if line.strip()}
    notes.say("There is no yaml file and no classes.txt: classes are named by their numbers.")
    return None
