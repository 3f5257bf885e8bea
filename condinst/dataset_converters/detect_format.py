"""Recognize the format of a folder of annotations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from condinst.dataset_converters.ade20k import find_ade20k
from condinst.dataset_converters.cityscapes import find_cityscapes
from condinst.dataset_converters.coco import find_coco_files
from condinst.dataset_converters.cvat import find_cvat
from condinst.dataset_converters.datumaro import find_datumaro
from condinst.dataset_converters.folder import Folder
from condinst.dataset_converters.geojson import find_geojson
from condinst.dataset_converters.label_studio import find_label_studio
from condinst.dataset_converters.labelme import find_labelme
from condinst.dataset_converters.mask_files import find_bowl
from condinst.dataset_converters.mask_hints import mask_hint
from condinst.dataset_converters.mask_pairs import find_pairs
from condinst.dataset_converters.panoptic import find_panoptic
from condinst.dataset_converters.pascal import find_pascal
from condinst.dataset_converters.rle_csv import find_rle_csv
from condinst.dataset_converters.sam import find_sam
from condinst.dataset_converters.supervisely import find_supervisely
from condinst.dataset_converters.unread import name_unread
from condinst.dataset_converters.via import find_via
from condinst.dataset_converters.xml_objects import find_xml_objects
from condinst.dataset_converters.yolo import find_yolo
from condinst.utils.words import counted

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
    if bowl := find_bowl(folder):
        return bowl
    found = find_pairs(folder)
    return found.maps or [file.path for files in found.files.values() for file in files]


FORMATS = {
    "coco": Format("json files with images, annotations and categories", find_coco_files),
    "yolo": Format(
        "a yaml with names and train or val, obj.data, folders labels with .txt, or .txt beside "
        "images with classes.txt",
        find_yolo,
    ),
    "labelme": Format("json files with shapes and imagePath", find_labelme),
    "via": Format("VIA's json or csv, with filename and regions", find_via),
    "masks": Format(
        "folders images and masks, ID/images and ID/masks, or 1.png with 1_mask.png", _masks
    ),
    "pascal": Format("a folder SegmentationObject", find_pascal),
    "cityscapes": Format("files named *instanceIds.png", find_cityscapes),
    "ade20k": Format("ADE20K's NAME_seg.png with NAME.json or NAME_atr.txt", find_ade20k),
    "cvat": Format("CVAT's xml with annotations and image", find_cvat),
    "xml": Format("Pascal VOC's or LabelMe's xml, one for each image", find_xml_objects),
    "rle-csv": Format(
        "a csv with columns of an image's id and of RLE or EncodedPixels", find_rle_csv
    ),
    "geojson": Format("GeoJSON of QuPath, one for each image", find_geojson),
    "label-studio": Format("Label Studio's json", find_label_studio),
    "panoptic": Format("COCO's panoptic json with its folder of PNGs", find_panoptic),
    "sam": Format("json files of Segment Anything, one for each image", find_sam),
    "supervisely": Format("json files with objects and classTitle", find_supervisely),
    "datumaro": Format("Datumaro's json with items and categories", find_datumaro),
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
    if len(fitting) > 1 and "masks" in fitting and not find_pairs(folder).by_folder:
        fitting.remove("masks")  # the images of the other format may have names like those of masks
    if len(fitting) == 1:
        return fitting[0]
    if not fitting and (unread := name_unread(folder)):
        raise ValueError(f"{folder.root}: {unread}")
    if fitting:
        listed = ", ".join(f"{name}: {_evidence(found[name])}" for name in fitting)
        raise ValueError(
            f"{folder.root}: several formats fit, {' and '.join(fitting)}; choose one with "
            f"--format, or give one file with --data ({listed})"
        )
    if not folder.files:
        raise ValueError(f"{folder.root}: is empty, expected images with their annotations")
    what = (
        f"no known annotations in its {counted(len(folder.files), 'file')} "
        f"({counted(len(folder.images), 'image')})"
    )
    hint = mask_hint(folder)
    raise ValueError(
        f"{folder.root}: {what}. {hint + '. ' * bool(hint)}condinst new --help names the formats, "
        "and --format FORMAT says what is missing for one"
    )


def _evidence(found: list[Any]) -> str:
    if not found:
        return "none"
    first = found[0] if isinstance(found[0], str) else " with ".join(found[0])
    return f"{len(found)} ({first or '.'}{', ...' if len(found) > 1 else ''})"
