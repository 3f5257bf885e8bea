"""A folder of annotations in any known format -> COCO json for training and validation."""

from __future__ import annotations

import os
from pathlib import Path

from condinst.annotations.coco import find_coco_files, import_coco
from condinst.annotations.folder import Folder
from condinst.annotations.records import Imported, Notes

__all__ = ["FORMATS", "import_data"]

FORMATS = ("coco", "yolo", "labelme", "via", "masks", "pascal", "cityscapes")


def import_data(
    path: str | Path,
    out: str | Path,
    *,
    val_fraction: float = 0.2,
    seed: int = 0,
    fmt: str | None = None,
) -> Imported:
    """Find out what is annotated and how, and make it COCO json with a split.

    Pictures are not copied. COCO json that has a split is used where it is, and nothing is written.

    Args:
        path: the data set's folder, or its annotation file (COCO json, VIA json, YOLO's yaml).
        out: the folder that gets ``annotations/instances_{train,val,test}.json``.
        val_fraction: of the pictures, for validation, where the source has no split.
        seed: of that split.
        fmt: one of :data:`FORMATS`; None recognises it by the content.

    Raises:
        FileNotFoundError: there is nothing at ``path``.
        ValueError: no format fits, or several; a file is broken; an argument is out of range.
    """
    if not 0 < val_fraction < 1:
        raise ValueError(f"val_fraction: expected a number between 0 and 1, got {val_fraction}")
    if fmt is not None and fmt not in FORMATS:
        raise ValueError(f"fmt: expected one of {', '.join(FORMATS)}, got {fmt!r}")
    path, out, notes = Path(os.path.abspath(path)), Path(os.path.abspath(out)), Notes()
    folder, only = _open(path)
    files = [only] if only else find_coco_files(folder)
    if not files:
        raise ValueError(f"{path}: no annotations found")
    return import_coco(folder, out, notes, files=files, val_fraction=val_fraction, seed=seed)


def _open(path: Path) -> tuple[Folder, str | None]:
    """The data set's folder, and the annotation file in it when ``path`` is one."""
    if path.is_dir():
        return Folder.listed(path), None
    if not path.is_file():
        raise FileNotFoundError(f"data set not found: {path} is neither a folder nor a file")
    root = path.parent.parent if path.parent.name == "annotations" else path.parent
    return Folder.listed(root), path.relative_to(root).as_posix()
