"""Import a folder of annotations in any known format as COCO json for training."""

from __future__ import annotations

import os
from pathlib import Path

from condinst.dataset_converters.cityscapes import find_cityscapes, read_cityscapes
from condinst.dataset_converters.coco import find_coco_files, import_coco
from condinst.dataset_converters.convert_folder import convert
from condinst.dataset_converters.detect_format import FORMATS, recognize
from condinst.dataset_converters.folder import Folder
from condinst.dataset_converters.label_maps import read_label_maps
from condinst.dataset_converters.labelme import find_labelme, read_labelme
from condinst.dataset_converters.mask_files import find_mask_files, read_mask_files
from condinst.dataset_converters.pascal import find_pascal, read_pascal
from condinst.dataset_converters.records import AnnotationSource, Imported, Notes
from condinst.dataset_converters.via import find_via, read_via
from condinst.dataset_converters.yolo import find_yolo, read_yolo

__all__ = ["FORMATS", "import_data"]


def import_data(
    path: str | Path,
    out: str | Path,
    *,
    val_fraction: float = 0.2,
    seed: int = 0,
    fmt: str | None = None,
) -> Imported:
    """Recognize the format of a dataset and write it as COCO json with a split.

    Images are not copied. COCO json that already has a split is used in place, and no file is
    written.

    Args:
        path: the dataset's folder, or its annotation file (COCO json, VIA json, YOLO's yaml).
        out: the folder that receives ``annotations/instances_{train,val,test}.json``.
        val_fraction: fraction of the images for validation, where the source has no split.
        seed: seed of that split.
        fmt: one of :data:`FORMATS`; None recognizes the format by the content.

    Returns:
        The files of each split, the classes, and notes on every decision.

    Raises:
        FileNotFoundError: ``path`` does not exist.
        ValueError: no format fits, or several do; a file is broken; an argument is out of range.
    """
    if not 0 < val_fraction < 1:
        raise ValueError(f"val_fraction: expected a number between 0 and 1, got {val_fraction}")
    if fmt is not None and fmt not in FORMATS:
        raise ValueError(f"fmt: expected one of {', '.join(FORMATS)}, got {fmt!r}")
    path, out, notes = Path(os.path.abspath(path)), Path(os.path.abspath(out)), Notes()
    folder, only = _open(path, out)
    if fmt is None:
        fmt = _format_of_file(folder, only) if only else recognize(folder)
    elif only is None and fmt not in ("masks", "cityscapes") and not FORMATS[fmt].find(folder):
        raise ValueError(f"{path}: expected {FORMATS[fmt].looked_for} ({fmt}), found none")
    if fmt == "coco":
        files = [only] if only else find_coco_files(folder)
        return import_coco(folder, out, notes, files=files, val_fraction=val_fraction, seed=seed)
    source = _SOURCES[fmt](folder, only, notes)
    return convert(source, folder.root, out, notes, val_fraction=val_fraction, seed=seed)


def _yolo(folder: Folder, only: str | None, notes: Notes) -> AnnotationSource:
    yamls = [only] if only else [f for f in find_yolo(folder) if f.endswith((".yaml", ".yml"))]
    if len(yamls) > 1:
        raise ValueError(
            f"{folder.root}: several descriptions of YOLO data, give one as the path: "
            f"{', '.join(yamls[:5])}"
        )
    return read_yolo(folder, yamls[0] if yamls else None, notes)


def _labelme(folder: Folder, only: str | None, notes: Notes) -> AnnotationSource:
    return read_labelme(folder, [only] if only else find_labelme(folder), notes)


def _via(folder: Folder, only: str | None, notes: Notes) -> AnnotationSource:
    return read_via(folder, [only] if only else find_via(folder), notes)


def _masks(folder: Folder, only: str | None, notes: Notes) -> AnnotationSource:
    if find_mask_files(folder):
        return read_mask_files(folder, notes)
    return read_label_maps(folder, notes)


def _pascal(folder: Folder, only: str | None, notes: Notes) -> AnnotationSource:
    bases = find_pascal(folder)
    if len(bases) > 1:
        raise ValueError(
            f"{folder.root}: several folders hold SegmentationObject, give one as the path: "
            f"{', '.join(bases[:5])}"
        )
    return read_pascal(folder, bases[0], notes)


def _cityscapes(folder: Folder, only: str | None, notes: Notes) -> AnnotationSource:
    return read_cityscapes(folder, find_cityscapes(folder), notes)


_SOURCES = {
    "yolo": _yolo,
    "labelme": _labelme,
    "via": _via,
    "masks": _masks,
    "pascal": _pascal,
    "cityscapes": _cityscapes,
}


def _format_of_file(folder: Folder, file: str) -> str:
    path = folder.root / file
    if path.suffix.lower() in (".yaml", ".yml"):
        return "yolo"
    kind = folder.sniffed(file).kind if path.suffix.lower() == ".json" else None
    if kind not in ("coco", "via", "labelme"):
        raise ValueError(
            f"{path}: expected a folder, a json of COCO, VIA or labelme, or YOLO's yaml"
            + (f"; this is a json of {kind} annotations" if kind else "")
        )
    return kind


def _open(path: Path, out: Path) -> tuple[Folder, str | None]:
    """Return the dataset's folder, and the annotation file in it when ``path`` is a file."""
    if path.is_dir():
        return Folder.listed(path, out), None
    if not path.is_file():
        raise FileNotFoundError(f"dataset not found: {path} is neither a folder nor a file")
    root = path.parent.parent if path.parent.name == "annotations" else path.parent
    return Folder.listed(root, out), path.relative_to(root).as_posix()
