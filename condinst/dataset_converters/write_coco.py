"""Write a COCO json without holding all of it in memory."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any

from condinst.dataset_converters.json_kind import WRITTEN_HERE
from condinst.utils.files import replacing

__all__ = ["output_path", "write_coco", "written_here"]

_MARK = WRITTEN_HERE.decode()


def output_path(out: Path, split: str) -> Path:
    """Return the path of the json of a split.

    Raises:
        ValueError: the file exists and was not written by this module, or a link leads out of
            the folder.
    """
    path = out / "annotations" / f"instances_{split}.json"
    if not path.resolve().is_relative_to(out.resolve()):
        raise ValueError(f"{path.parent}: a link leads out of {out}: remove it")
    if path.exists() and not written_here(path):
        raise ValueError(f"{path} exists and was not written by condinst: give another folder")
    return path


def written_here(path: Path) -> bool:
    """Tell whether this module wrote a file."""
    if not path.is_file():  # a pipe would be waited for
        return False
    with open(path, "rb") as file:
        return file.read(len(_MARK)) == _MARK.encode()


def write_coco(
    path: Path,
    *,
    images: Iterable[dict[str, Any]],
    annotations: Iterable[dict[str, Any]],
    categories: list[dict[str, Any]],
    head: Mapping[str, Any] | None = None,
) -> None:
    """Write the whole file under a temporary name, then rename it.

    Args:
        path: the json to write.
        images, annotations, categories: COCO's lists.
        head: other keys of the file, such as ``info`` and ``licenses``.
    """
    with replacing(path) as partial, open(partial, "w", encoding="utf-8") as file:
        file.write(_MARK + "\n")
        for key, value in (head or {}).items():
            file.write(f"{json.dumps(key)}: {json.dumps(value)},\n")
        # mmdet's coco_error_analysis.py needs the key
        named = [
            {**entry, "supercategory": entry.get("supercategory", entry["name"])}
            for entry in categories
        ]
        file.write(f'"categories": {json.dumps(named)},\n')
        _write_list(file, "images", images)
        file.write(",\n")
        _write_list(file, "annotations", annotations)
        file.write("}\n")


def _write_list(file: IO[str], key: str, entries: Iterable[dict[str, Any]]) -> None:
    file.write(f'"{key}": [')
    for number, entry in enumerate(entries):
        file.write((",\n" if number else "\n") + json.dumps(entry, separators=(",", ":")))
    file.write("]")
