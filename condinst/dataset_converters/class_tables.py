"""Read the tables of classes that tools write beside masks: names by line, often with colors.

- ``class_names.txt`` of labelme2voc and ``labels.txt`` of CVAT's MOTS: a name in each line;
- ``label_colors.txt`` of Datumaro's Cityscapes and KITTI, and of CamVid: ``red green blue name``;
- ``labelmap.txt`` of CVAT: ``name:red,green,blue:parts:actions``;
- ``class_dict.csv``: the columns name, r, g and b;
- ``config.json`` of Mapillary Vistas: ``labels``, a list in which the place is the number.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from condinst.dataset_converters.folder import Folder, read_json, read_text
from condinst.dataset_converters.outlines import check_label
from condinst.dataset_converters.records import Label, Notes

__all__ = ["CITYSCAPES_CLASSES", "ClassTable", "class_table", "published_classes"]

CITYSCAPES_CLASSES: dict[Label, str] = {  # the classes that Cityscapes evaluates as instances
    24: "person",
    25: "rider",
    26: "car",
    27: "truck",
    28: "bus",
    31: "train",
    32: "motorcycle",
    33: "bicycle",
}

_IGNORED = 10000  # of MOTS
_BACKGROUND = ("background", "_background_", "__background__", "void", "unlabeled", "unlabelled")
_COLOR = r"(\d{1,3})\D+(\d{1,3})\D+(\d{1,3})"
_VISTAS = re.compile(r"config(_v[\d.]+)?\.json")


@dataclass(frozen=True)
class ClassTable:
    """The names of classes by number, and by color, red * 65536 + green * 256 + blue.

    Attributes:
        path: the file.
        numbers: number -> name, without the background where it is number 0.
        colors: color -> name; empty without colors.
        background: the colors of the background.
        things: the numbers of the classes that have instances; empty if the table does not say.
    """

    path: Path
    numbers: dict[int, str]
    colors: dict[int, str]
    background: frozenset[int] = frozenset()
    things: frozenset[int] = frozenset()

    def has_colors(self, values: Iterable[int]) -> bool:
        """Tell whether the values of masks, of which some is no small number, are its colors."""
        values = set(values) - {0}
        return any(value > 255 for value in values) and values <= {*self.colors, *self.background}

    def named(self, values: Iterable[int]) -> dict[int, str]:
        """Return value -> name: by color if all values are colors of the table."""
        return self.colors if self.has_colors(values) else self.numbers


def class_table(folder: Folder) -> ClassTable | None:
    """Return the first table of a folder that is one; None without one."""
    for name, read in (
        ("label_colors.txt", _colored),
        ("labelmap.txt", _colored),
        ("class_dict.csv", _class_dict),
        ("class_names.txt", _names),
        ("labels.txt", _names),
    ):
        for file in folder.files_named(name):
            if rows := read(folder.root / file):
                return _table(folder.root / file, rows)
    for file in folder.with_suffix(".json"):
        if _VISTAS.fullmatch(file.rsplit("/", 1)[-1]) and (table := _vistas(folder.root / file)):
            return table
    return None


def published_classes(
    kind: str, values: Iterable[int], images: Iterable[str], notes: Notes
) -> dict[Label, str] | None:
    """Return the classes of KITTI and MOTS, which their folders and values tell; else None.

    Args:
        kind: what the values of the masks mean, see ``mask_values.Meaning``.
        values: the values of the masks.
        images: the paths of the images.
        notes: receives which classes they are.
    """
    values = set(values)
    kitti = any(re.search(r"(^|/)image_0?2/", image) for image in images)
    if kind == "class256" and kitti:
        notes.say("The classes are Cityscapes', whose numbers KITTI uses: 24 is 'person'.")
        return dict(CITYSCAPES_CLASSES)
    classes = {value // 1000 for value in values - {_IGNORED}}
    if kind == "class1000" and (kitti or _IGNORED in values) and classes <= {1, 2}:
        notes.say("The classes are those of MOTS: 1 is 'car', 2 is 'pedestrian'.")
        return {1: "car", 2: "pedestrian"}
    return None


def _table(path: Path, rows: list[tuple[str, int | None]]) -> ClassTable:
    names = [name for name, _ in rows]
    first = 0 if names[0].lower() in _BACKGROUND else 1  # 0 is the background in any case
    if names[0] == "__ignore__":
        first = -1  # labelme's list
    numbers = {number: name for number, name in enumerate(names, first) if number > 0}
    none = {color for name, color in rows if color is not None and name.lower() in _BACKGROUND}
    colors = {color: name for name, color in rows if color is not None and color not in none}
    return ClassTable(path, numbers, colors, frozenset(none))


def _names(path: Path) -> list[tuple[str, int | None]]:
    names = [line.strip() for line in read_text(path).splitlines() if line.strip()]
    words = all(check_label(name) and re.search(r"[^\W\d]", name) for name in names)
    return [(name, None) for name in names] if words else []


def _colored(path: Path) -> list[tuple[str, int | None]]:
    rows: list[tuple[str, int | None]] = []
    for line in read_text(path).splitlines():
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        if match := re.fullmatch(rf"([^:]+):\s*{_COLOR}\s*(:.*)?", text):  # CVAT's
            name, color = match[1].strip(), match.groups()[1:4]
        elif match := re.fullmatch(rf"{_COLOR}\s+(\S.*)", text):
            name, color = match[4], match.groups()[:3]
        else:
            return []
        if not check_label(name):
            return []
        rows.append((name, _packed(color)))
    return rows


def _class_dict(path: Path) -> list[tuple[str, int | None]]:
    rows: list[tuple[str, int | None]] = []
    for row in csv.DictReader(read_text(path).splitlines(), skipinitialspace=True):
        try:
            name, color = row["name"].strip(), _packed((row["r"], row["g"], row["b"]))
        except (KeyError, TypeError, ValueError, AttributeError):
            return []
        if not check_label(name):
            return []
        rows.append((name, color))
    return rows


def _vistas(path: Path) -> ClassTable | None:
    try:
        data = read_json(path)
    except ValueError:  # another program's config.json
        return None
    labels = data.get("labels") if isinstance(data, dict) else None
    try:
        names = [entry.get("readable") or entry["name"] for entry in labels or ()]
        things = frozenset(i for i, entry in enumerate(labels or ()) if entry["instances"] is True)
    except (AttributeError, KeyError, TypeError):
        return None
    if not names or not all(map(check_label, names)):
        return None
    return ClassTable(path, {i: str(name) for i, name in enumerate(names)}, {}, things=things)


def _packed(color: Iterable[str]) -> int:
    red, green, blue = (int(part) for part in color)
    return (red << 16) + (green << 8) + blue
