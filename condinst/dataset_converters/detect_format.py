"""Recognize the format of a folder of annotations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from condinst.dataset_converters.cityscapes import find_cityscapes
from condinst.dataset_converters.coco import find_coco_files
from condinst.dataset_converters.folder import Folder
from condinst.dataset_converters.label_maps import find_label_maps
from condinst.dataset_converters.labelme import find_labelme
from condinst.dataset_converters.mask_files import find_mask_files
from condinst.dataset_converters.pascal import find_pascal
from condinst.dataset_converters.via import find_via
from condinst.dataset_converters.yolo import find_yolo

__all__ = ["FORMATS", "Format", "recognize"]


@dataclass(frozen=True)
class Format:
    """A format and how it is recognized.

    Attributes:
        looked_for: the files that are looked for, in words.
        find: returns these files of a folder; an empty list if the format does not fit.
    """

    looked_for: str
    find: Callable[[Folder], list[Any]]


def _masks(folder: Folder) -> list[Any]:
    if find_pascal(folder) or find_cityscapes(folder):
        return []
    return find_mask_files(folder) or find_label_maps(folder)


FORMATS = {
    "coco": Format("json files with images, annotations and categories", find_coco_files),
    "yolo": Format("a yaml with names and train or val, or folders labels with .txt", find_yolo),
    "labelme": Format("json files with shapes and imagePath", find_labelme),
    "via": Format("a json with filename and regions", find_via),
    "masks": Format("ID/images and ID/masks, or a folder images and a folder masks", _masks),
    "pascal": Format("a folder SegmentationObject", find_pascal),
    "cityscapes": Format("files named *instanceIds.png", find_cityscapes),
}


def recognize(folder: Folder) -> str:
    """Return the name of the only format that fits.

    Raises:
        ValueError: no format fits, or several do.
    """
    found = {name: entry.find(folder) for name, entry in FORMATS.items()}
    fitting = [name for name, evidence in found.items() if evidence]
    if len(fitting) > 1 and all(folder.sniffed(file).written_here for file in found["coco"]):
        # an earlier import of the other format wrote these
        fitting = [name for name in fitting if name != "coco"]
    if len(fitting) == 1:
        return fitting[0]
    listed = "".join(
        f"\n  {name}: {entry.looked_for}: {_evidence(found[name])}"
        for name, entry in FORMATS.items()
    )
    what = (
        f"several formats fit, {' and '.join(fitting)}; choose one with the format"
        if fitting
        else f"no known annotations in its {len(folder.files)} files ({len(folder.images)} images)"
    )
    raise ValueError(f"{folder.root}: {what}. Looked for:{listed}")


def _evidence(found: list[Any]) -> str:
    if not found:
        return "none"
    first = found[0] if isinstance(found[0], str) else " with ".join(found[0])
    return f"{len(found)} ({first or '.'}{', ...' if len(found) > 1 else ''})"
