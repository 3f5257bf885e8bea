"""Name annotations and images that are not read, and say what to export instead."""

from __future__ import annotations

import codecs
import os
import re
import zipfile
from collections import Counter
from pathlib import Path

from condinst.dataset_converters.csv_files import csv_columns, csv_header
from condinst.dataset_converters.folder import Folder
from condinst.dataset_converters.numpy_masks import is_pickled
from condinst.datasets.coco.json_stream import load_json
from condinst.images.limit import open_image
from condinst.utils.files import check_regular

__all__ = ["name_unread", "unread_images"]

_JSON = (  # patterns that must all be in the beginning of the file
    (
        "CreateML's boxes",
        (rb'"coordinates"\s*:', rb'"annotations?"\s*:', rb'"image(filename)?"\s*:'),
    ),
    ("Labelbox's export", (rb'"data_row"|"DataRow ID"|"Labeled Data"',)),
    ("V7 Darwin's json", (rb'"bounding_box"\s*:', rb'"(item|dataset)"\s*:', rb'"annotations"\s*:')),
    ("V7 Darwin's json", (rb'"slots"\s*:', rb'"item"\s*:', rb'"annotations"\s*:')),
    ("Dataloop's json", (rb'"(itemMetadata|datasetId)"\s*:', rb'"annotations"\s*:')),
    ("BDD100K's json", (rb'"poly2d"|"box2d"',)),
    ("Scale's json", (rb'"vertices"\s*:', rb'"label"\s*:')),
    ("Segments.ai's json", (rb'"segmentation_bitmap"|"label_status"',)),
    ("Encord's json", (rb'"objectHash"|"label_hash"',)),
    ("a list of detections in COCO's layout for results", (rb'"score"\s*:', rb'"category_id"\s*:')),
    ("Hasty's json", (rb'"export_format_version"\s*:', rb'"images"\s*:', rb'"labels"\s*:')),
    ("YouTube-VIS' json of videos", (rb'"videos"\s*:', rb'"(video_id|file_names)"\s*:')),
    ("SuperAnnotate's json", (rb'"instances"\s*:', rb'"className"\s*:')),
    ("EISeg's json", (rb'"labelIdx"\s*:', rb'"points"\s*:')),
    ("VoTT's json", (rb'"assets?"\s*:', rb'"regions"\s*:', rb'"tags"\s*:')),
    ("Unity Perception's json (SOLO)", (rb'"captures"\s*:', rb"unity")),
    ("LabelMe's or ISAT's json", (rb'"info"\s*:', rb'"objects"\s*:', rb'"segmentation"\s*:')),
)
_WAYS = {  # instead of "export it as COCO"
    "VoTT's json": "write its points as COCO json, or export Pascal VOC, which has the boxes alone",
    "Unity Perception's json (SOLO)": "convert it to COCO with Unity's solo2coco (pysolotools)",
    "EISeg's json": "save COCO's format in EISeg",
}
_XML = (  # patterns of the beginning of the file
    (
        "Aperio ImageScope's xml",
        (rb"<Annotations?\b", rb"<Regions?\b", rb"<Vert(ices|ex)\b"),
        "draw its regions as label maps of the image's size, where each has its own value, and "
        "save them as masks/NAME.png",
    ),
    (
        "PAGE xml",
        (rb"<(\w+:)?PcGts\b",),
        "write the points of its Coords as COCO json",
    ),
)
_BRUSH = re.compile(r"task-\d+-annotation-\d+-by-.+-tag-.+-\d+\.png")
_CITY = (rb'"imgHeight"\s*:', rb'"objects"\s*:', rb'"polygon"\s*:')
_FILES = (  # endings of file names
    (
        "Cellpose's _seg.npy files, which are pickled,",
        ("_seg.npy",),
        "save the masks as images: File > Save masks as PNG/tif in Cellpose's window, or "
        "--save_png or --save_tif on its command line",
    ),
    ("ImageJ's regions", (".roi", "roiset.zip"), "draw them as a label map and save it as TIFF"),
    ("MATLAB's files", (".mat",), "write the masks as PNG"),
    ("TFRecord files", (".tfrecord", ".tfrecords"), "export them as COCO"),
    ("ilastik's or other HDF5 files", (".h5", ".hdf5", ".ilp"), "export the masks as PNG or TIFF"),
    ("NIfTI volumes", (".nii", ".nii.gz"), "export slices and their masks as PNG or TIFF"),
    ("Zarr arrays", (".zarr", ".zgroup", ".zarray"), "export images and masks as PNG or TIFF"),
    (
        "Numpy arrays outside a folder of masks, or without an image of their name,",
        (".npy", ".npz"),
        "save images as PNG or TIFF, so that masks/1.npy has images/1.png, or, in one folder, "
        "1_masks.npy has 1.png",
    ),
    ("QuPath's projects", (".qpdata", ".qpproj"), "export GeoJSON (File > Export objects)"),
    ("Parquet files", (".parquet",), "export them as COCO"),
    (
        "Compressed files",
        (".gz", ".tgz", ".tar", ".bz2", ".xz", ".zst", ".7z", ".rar", ".zip"),
        "unpack them",
    ),
    ("shapefiles", (".shp", ".gpkg"), "draw masks of the image's size and save them as PNG"),
)
_TABLES = (  # columns
    (
        "a csv of napari's shapes",
        {"shape-type", "vertex-index"},
        "in napari, convert the shapes to a labels layer and save it as TIFF",
    ),
    (
        "Label Studio's csv",
        {"annotation_id", "annotator", "lead_time"},
        "export JSON from Label Studio",
    ),
    ("a csv of boxes", {"filename", "xmin", "ymax"}, "export Pascal VOC's xml or COCO"),
    ("a csv of boxes", {"imageid", "xmin", "ymax"}, "export Pascal VOC's xml or COCO"),
    (
        "SpaceNet's csv of polygons",
        {"imageid", "polygonwkt_pix"},
        "write its polygons as COCO json: shapely.wkt.loads gives exterior.coords, of which x and "
        "y are needed",
    ),
    ("a csv of polygons", {"filename", "polygon"}, "write its polygons as COCO json"),
    ("a csv of polygons", {"image_id", "polygon"}, "write its polygons as COCO json"),
    ("a csv of polygons", {"imageid", "polygon"}, "write its polygons as COCO json"),
)
_REGIONS = (
    "ImageJ's regions are not read; draw them as a label map, where each region has its own value, "
    "and save it as TIFF"
)
_IMAGES = (
    *(".heic", ".heif", ".hif", ".dcm", ".svs", ".ndpi", ".czi", ".lif", ".nd2", ".vsi", ".cr2"),
    *(".nef", ".arw", ".dng", ".psd", ".svg", ".exr", ".jxl", ".raw", ".mrxs", ".scn"),
)
_BLOCK = 1 << 16
_LARGE_JSON = 1 << 26  # bytes
_MOTS = re.compile(rb"\d+ \d+ \d+ \d+ \d+ [!-~]+\r?\n")  # frame, id, class, height, width, RLE


def name_unread(folder: Folder) -> str | None:
    """Return a sentence that names annotations of a known kind that is not read; else None."""
    bitmask = next((file for file in folder.images if "/bitmasks/" in f"/{file}"), None)
    if bitmask is not None and _has_numbers_in_alpha(folder.root / bitmask):
        return (
            f"{bitmask} is a bitmask of BDD100K, which is not read; convert the bitmasks of each "
            "split to COCO by BDD100K's toolkit (its documentation names bdd100k.label.to_coco "
            "with -m ins_seg and --only-mask)"
        )
    if named := _of_image_names(folder):
        return named
    for file in folder.json_kinds.get("", [])[:50]:
        with open(folder.root / file, "rb") as stream:
            text = stream.read(_BLOCK)
        for name, patterns in _JSON:
            if all(re.search(pattern, text) for pattern in patterns):
                way = _WAYS.get(name, "export it as COCO")
                return f"{file} is {name}, which is not read; {way}"
        if all(re.search(pattern, text) for pattern in _CITY):
            return (
                f"{file} is Cityscapes' json of polygons, which is not read; take the files "
                "_instanceIds.png of gtFine, which hold the same objects"
            )
    if lines := folder.with_suffix(".jsonl", ".ndjson"):
        return f"{lines[0]}: JSON lines are not read; export it as COCO"
    if named := _of_beginning(folder):
        return named
    pickled = [file for file in folder.with_suffix(".npy") if is_pickled(folder.root / file)]
    if pickled and not pickled[0].endswith("_seg.npy"):
        return (
            f"{pickled[0]} holds pickled Python objects, which can run code and are not read; save "
            "a plain array of numbers, or masks as PNG or TIFF"
        )
    for file in folder.with_suffix(".csv"):
        columns = csv_columns(csv_header(folder.root / file)).keys()
        for name, needed, way in _TABLES:
            if needed <= columns:
                return f"{file} is {name}, which is not read; {way}"
    for file in folder.with_suffix(".txt")[:50]:
        path = folder.root / file
        if not path.is_file():
            continue
        with open(path, "rb") as stream:
            if _MOTS.match(stream.read(_BLOCK)):
                return f"{file} is MOTS' txt, which is not read; take MOTS' PNGs, or export COCO"
    for file in folder.with_suffix(".zip")[:20]:
        if _has_regions(folder.root / file):
            return f"{file}: {_REGIONS}"
    for name, endings, way in _FILES:
        if found := folder.with_suffix(*endings):
            return f"{found[0]}: {name} are not read; {way}"
    if not folder.images and (unread := unread_images(folder)):
        return unread
    return _of_several_pages(folder) or _broken_json(folder)


def _of_image_names(folder: Folder) -> str | None:
    """Return a sentence on masks whose names tell the program that wrote them."""
    for file in folder.images:
        name = os.path.basename(file)
        if _BRUSH.fullmatch(name):
            return (
                f"{file} is one of Label Studio's brush masks, whose names do not tell the image; "
                "export JSON from Label Studio, which holds the masks too"
            )
        if name.endswith("_instance_id_RGB.png"):
            return (
                f"{file} is one of iSAID's masks, whose colors are not read; take iSAID's json, "
                "which is COCO's and has the same objects"
            )
    return None


def _of_beginning(folder: Folder) -> str | None:
    for file in folder.with_suffix(".xml")[:50]:
        text = _beginning(folder.root / file)
        for name, patterns, way in _XML:
            if all(re.search(pattern, text) for pattern in patterns):
                return f"{file} is {name}, which is not read; {way}"
    for file in folder.with_suffix(".manifest")[:50]:
        if re.search(rb'"source-ref"\s*:', _beginning(folder.root / file)):
            return (
                f"{file} is SageMaker Ground Truth's manifest, which is not read; put the PNGs "
                "that it names into a folder masks, with the names of their images"
            )
    return None


def _beginning(path: Path) -> bytes:
    try:
        check_regular(path)
        with open(path, "rb") as stream:
            text = stream.read(_BLOCK)
    except (OSError, ValueError):
        return b""
    marks = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    return text.decode("utf-16", "replace").encode() if text.startswith(marks) else text


def _of_several_pages(folder: Folder) -> str | None:
    for file in [name for name in folder.images if name.lower().endswith((".tif", ".tiff"))][:5]:
        try:
            check_regular(folder.root / file)
            with open_image(folder.root / file) as image:
                pages = getattr(image, "n_frames", 1)
        except Exception:  # each format's reader raises its own errors for a broken file
            continue
        if pages > 1:
            return (
                f"{file} has {pages} pages: stacks are not read; write each page as a file, such "
                "as images/1.tif with masks/1.tif"
            )
    return None


def _broken_json(folder: Folder) -> str | None:
    """Return what is wrong with the first json file that is none, such as one that was cut."""
    for file in folder.json_kinds.get("", [])[:50]:
        path = folder.root / file
        if path.stat().st_size > _LARGE_JSON:
            continue
        try:
            load_json(str(path))
        except ValueError as error:
            return f"{file}{str(error).removeprefix(str(path))}"
    return None


def _has_numbers_in_alpha(path: Path) -> bool:
    try:
        check_regular(path)
        with open_image(path) as image:
            return image.mode == "RGBA" and image.getextrema()[3][1] < 255
    except Exception:  # each format's reader raises its own errors for a broken file
        return False


def _has_regions(path: Path) -> bool:
    """Tell whether a zip file lists ImageJ's regions."""
    try:
        check_regular(path)
        with zipfile.ZipFile(path) as archive:
            return any(name.lower().endswith(".roi") for name in archive.namelist()[:1000])
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError):
        return False


def unread_images(folder: Folder) -> str | None:
    """Return a sentence on files that are images of kinds that are not read; None without any."""
    counts = Counter(os.path.splitext(file)[1].lower() for file in folder.with_suffix(*_IMAGES))
    if not counts:
        return None
    listed = ", ".join(f"{count} {suffix}" for suffix, count in counts.most_common(4))
    return f"images that are not read: {listed}; convert them to PNG or TIFF of the same names"
