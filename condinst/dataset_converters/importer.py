"""Import a folder of annotations in any known format as COCO json for training."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from condinst.dataset_converters.ade20k import find_ade20k, read_ade20k
from condinst.dataset_converters.cityscapes import find_cityscapes, read_cityscapes
from condinst.dataset_converters.coco import find_coco_files, import_coco
from condinst.dataset_converters.convert_folder import convert
from condinst.dataset_converters.cvat import find_cvat, read_cvat
from condinst.dataset_converters.datumaro import find_datumaro, read_datumaro
from condinst.dataset_converters.detect_format import FORMATS, recognize
from condinst.dataset_converters.folder import Folder, stated_split
from condinst.dataset_converters.geojson import find_geojson, read_geojson
from condinst.dataset_converters.label_maps import read_label_maps
from condinst.dataset_converters.label_studio import find_label_studio, read_label_studio
from condinst.dataset_converters.labelme import find_labelme, read_labelme
from condinst.dataset_converters.mask_files import find_bowl, read_bowl, read_mask_files
from condinst.dataset_converters.mask_hints import mask_hint
from condinst.dataset_converters.mask_pairs import find_pairs
from condinst.dataset_converters.mask_places import folder_word
from condinst.dataset_converters.mask_values import MEANINGS
from condinst.dataset_converters.panoptic import find_panoptic, read_panoptic
from condinst.dataset_converters.pascal import find_pascal, read_pascal
from condinst.dataset_converters.records import AnnotationSource, Imported, Notes
from condinst.dataset_converters.rle_csv import find_rle_csv, read_rle_csv
from condinst.dataset_converters.sam import find_sam, read_sam
from condinst.dataset_converters.supervisely import find_supervisely, read_supervisely
from condinst.dataset_converters.unread import name_unread, unread_images
from condinst.dataset_converters.via import find_via, read_via
from condinst.dataset_converters.xml_objects import find_xml_objects, read_xml_objects
from condinst.dataset_converters.yolo import find_yolo, read_yolo

__all__ = ["FORMATS", "import_data"]


def import_data(
    path: str | Path,
    out: str | Path,
    *,
    val_fraction: float = 0.2,
    seed: int = 0,
    fmt: str | None = None,
    masks: str | None = None,
    mask_folder: str | None = None,
) -> Imported:
    """Recognize the format of a dataset and write it as COCO json with a split.

    Images are not copied. COCO json that already has a split is used in place, and no file is
    written.

    Args:
        path: the dataset's folder, or its annotation file.
        out: the folder that receives ``annotations/instances_{train,val,test}.json``, and images
            that only the annotations hold.
        val_fraction: fraction of the images for validation, where the source has no split.
        seed: seed of that split.
        fmt: one of :data:`FORMATS`; None recognizes the format by the content.
        masks: what the values of masks mean, one of ``mask_values.MEANINGS``; None finds out.
        mask_folder: the name of the folders of masks; None knows them by usual names.

    Returns:
        The files of each split, the classes, and notes on every decision.

    Raises:
        FileNotFoundError: ``path`` does not exist.
        ValueError: no format fits, or several do; a file is broken; it is not clear what masks
            mean; an argument is out of range.
    """
    if not 0 < val_fraction < 1:
        raise ValueError(f"val_fraction: expected a number between 0 and 1, got {val_fraction}")
    for name, value, known in (("fmt", fmt, tuple(FORMATS)), ("masks", masks, MEANINGS)):
        if value is not None and value not in known:
            raise ValueError(f"{name}: expected one of {', '.join(known)}, got {value!r}")
    path, out, notes = Path(os.path.abspath(path)), Path(os.path.abspath(out)), Notes()
    folder, only = _open(path, out)
    if mask_folder is not None:
        if only is not None or fmt not in (None, "masks"):
            raise ValueError(
                f"--mask-folder {mask_folder}: expected a folder of images and masks, got {path}"
                + (f" with --format {fmt}" if only is None else "")
            )
        fmt = "masks"
    if fmt is None:
        fmt = _format_of_file(folder, only) if only else recognize(folder)
    elif only is None and fmt not in ("masks", "cityscapes") and not FORMATS[fmt].find(folder):
        raise ValueError(f"{path}: expected {FORMATS[fmt].looked_for} ({fmt}), found none")
    if masks is not None and fmt not in ("masks", "rle-csv"):
        raise ValueError(f"--masks {masks}: {path} is read as {fmt}, which has no masks as images")
    if unread := unread_images(folder):
        notes.say(f"{unread[0].upper()}{unread[1:]}.")
    if only is None and fmt in folder.json_kinds:
        for file in folder.json_kinds.get("", []):
            if os.path.basename(file) not in _SETTINGS:
                notes.count("JSON files that are no annotations of a known kind, not read", file)
    if fmt == "coco":
        files = [only] if only else find_coco_files(folder)
        return import_coco(folder, out, notes, files=files, val_fraction=val_fraction, seed=seed)
    if fmt == "masks":
        source = _masks(folder, masks, mask_folder, notes)
    elif fmt == "rle-csv":
        source = read_rle_csv(folder, [only] if only else find_rle_csv(folder), masks, notes)
    elif fmt == "labelme":
        files = [only] if only else find_labelme(folder)
        source = read_labelme(folder, files, notes, out)
    else:
        source = _SOURCES[fmt](folder, only, notes)
    return convert(source, folder, out, notes, val_fraction=val_fraction, seed=seed)


def _masks(folder: Folder, asked: str | None, named: str | None, notes: Notes) -> AnnotationSource:
    if named is None and find_bowl(folder):
        return read_bowl(folder, asked, notes)
    found = find_pairs(folder, named)
    if named is not None and not (found.maps or found.files):
        raise ValueError(
            f"--mask-folder {named}: no file of it has the name of an image in {folder.root}. "
            f"{mask_hint(folder)}"
        )
    if found.files:
        return read_mask_files(folder, found, asked, notes)
    heads = {os.path.basename(os.path.dirname(mask)) for _, mask in found.maps}
    heads = {name for name in heads if folder_word(name.lower())[0] is None}
    if found.label is None and len(heads) > 1 and not any(map(stated_split, heads)):
        notes.say(
            f"The masks lie in {len(heads)} folders, such as {min(heads)}: the folders' names are "
            "not read as classes."
        )
    return read_label_maps(folder, found, asked, notes)


def _yolo(folder: Folder, only: str | None, notes: Notes) -> AnnotationSource:
    found = [only] if only else find_yolo(folder)
    yamls = [file for file in found if file.lower().endswith((".yaml", ".yml", ".data"))]
    if len(yamls) > 1:
        raise ValueError(
            f"{folder.root}: several descriptions of YOLO data, use --data FILE with one of them: "
            f"{', '.join(yamls[:5])}"
        )
    return read_yolo(folder, yamls[0] if yamls else None, notes)


def _pascal(folder: Folder, only: str | None, notes: Notes) -> AnnotationSource:
    bases = find_pascal(folder)
    if len(bases) > 1:
        raise ValueError(
            f"{folder.root}: several folders hold SegmentationObject, use --data FOLDER with one "
            f"of them: {', '.join(bases[:5])}"
        )
    return read_pascal(folder, bases[0], notes)


def _cityscapes(folder: Folder, only: str | None, notes: Notes) -> AnnotationSource:
    return read_cityscapes(folder, find_cityscapes(folder), notes)


def _files(
    find: Callable[[Folder], list[str]],
    read: Callable[[Folder, list[str], Notes], AnnotationSource],
) -> Callable[[Folder, str | None, Notes], AnnotationSource]:
    """Return a function that reads the given file, or all that are found."""

    def read_files(folder: Folder, only: str | None, notes: Notes) -> AnnotationSource:
        return read(folder, [only] if only else find(folder), notes)

    return read_files


_SOURCES = {
    "yolo": _yolo,
    "via": _files(find_via, read_via),
    "pascal": _pascal,
    "cityscapes": _cityscapes,
    "ade20k": _files(find_ade20k, read_ade20k),
    "cvat": _files(find_cvat, read_cvat),
    "xml": _files(find_xml_objects, read_xml_objects),
    "geojson": _files(find_geojson, read_geojson),
    "label-studio": _files(find_label_studio, read_label_studio),
    "panoptic": _files(find_panoptic, read_panoptic),
    "sam": _files(find_sam, read_sam),
    "supervisely": _files(find_supervisely, read_supervisely),
    "datumaro": _files(find_datumaro, read_datumaro),
}
# beside annotations, in Supervisely's, Label Studio's and Segment Anything's folders
_SETTINGS = (
    "meta.json",
    "classes.json",
    "labels.json",
    "notes.json",
    "obj_class_to_machine_color.json",
)
_BY_FILE = ("coco", "labelme", "via", "cvat", "rle-csv", "label-studio", "panoptic", "datumaro")


def _format_of_file(folder: Folder, file: str) -> str:
    path = folder.root / file
    if path.suffix.lower() in (".yaml", ".yml", ".data"):
        return "yolo"
    single = Folder(folder.root, (file,))
    for name in (*_BY_FILE, "geojson", "sam", "supervisely", "xml"):
        if FORMATS[name].find(single):
            return name
    raise ValueError(
        f"{path}: expected a folder, YOLO's yaml, CVAT's xml or another with objects, a csv of VIA "
        "or of RLEs, GeoJSON, or a json of COCO (panoptic too), VIA, labelme, Label Studio, "
        "Datumaro, Segment Anything or Supervisely; "
        f"{name_unread(single) or 'this is none of them'}"
    )


def _open(path: Path, out: Path) -> tuple[Folder, str | None]:
    """Return the dataset's folder, and the annotation file in it when ``path`` is a file."""
    if path.is_dir():
        return Folder.listed(path, out), None
    if not path.is_file():
        raise FileNotFoundError(f"dataset not found: {path} is neither a folder nor a file")
    if path.suffix.lower() in (".zip", ".tar", ".gz", ".tgz", ".7z", ".rar"):
        raise ValueError(f"{path}: an archive: unpack it and give the folder with --data")
    root = path.parent.parent if path.parent.name == "annotations" else path.parent
    return Folder.listed(root, out), path.relative_to(root).as_posix()
