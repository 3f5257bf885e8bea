"""Turn VIA's csv files and VIA 3's projects into entries of VIA 2: one dict for each image."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from condinst.dataset_converters.csv_files import csv_columns, csv_header, read_csv
from condinst.dataset_converters.folder import read_text
from condinst.datasets.coco.entry_issues import short_repr

__all__ = ["csv_entries", "is_via_csv", "project_entries"]

_VIA2 = {"filename", "region_shape_attributes", "region_attributes"}
_VIA3 = (
    "metadata_id",
    "file_list",
    "flags",
    "temporal_coordinates",
    "spatial_coordinates",
    "metadata",
)
_HEADER = "# CSV_HEADER"


def is_via_csv(path: Path) -> bool:
    """Tell whether a csv file is VIA's, from its beginning."""
    header = csv_header(path)
    names = {name.strip().lower().lstrip("#") for name in header}
    return names >= _VIA2 or bool(header and header[0].startswith("# Exported using VGG Image"))


def csv_entries(path: Path) -> list[Any]:
    """Return the images of a csv file.

    Raises:
        ValueError: the file is broken; the message names it.
    """
    header, rows = read_csv(path)
    places = {name.lstrip("#"): place for name, place in csv_columns(header).items()}
    if not places.keys() >= _VIA2:
        return _via3_csv(path)
    entries: dict[str, dict[str, Any]] = {}
    last = max(places[name] for name in _VIA2)
    for line, row in rows:
        if len(row) <= last:
            raise ValueError(f"{path}: line {line}: expected {len(header)} values, got {len(row)}")
        name = row[places["filename"]]
        shape = _json(path, line, row[places["region_shape_attributes"]])
        attributes = _json(path, line, row[places["region_attributes"]])
        regions = entries.setdefault(name, {"filename": name, "regions": []})["regions"]
        if shape:  # an image without regions has one row
            regions.append({"shape_attributes": shape, "region_attributes": attributes})
    return list(entries.values())


def _json(path: Path, line: int, text: str) -> dict[str, Any]:
    try:
        found = json.loads(text) if text.strip() else {}
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ValueError(f"{path}: line {line}: expected a json dict, got {short_repr(text)}")
    return found


def _via3_csv(path: Path) -> list[Any]:
    """Read VIA 3's csv, whose header is in a comment."""
    import csv
    import io

    lines = [line for line in read_text(path).splitlines() if line.strip()]
    table = [line for line in lines if not line.startswith("#")]
    entries: dict[str, dict[str, Any]] = {}
    for number, row in enumerate(csv.reader(io.StringIO("\n".join(table))), 1):
        where = f"{path}: row {number}"
        if len(row) != len(_VIA3):
            raise ValueError(f"{where}: expected {', '.join(_VIA3)}, got {len(row)} values")
        try:
            files, z, xy, values = (json.loads(row[place]) for place in (1, 3, 4, 5))
        except (ValueError, RecursionError):
            raise ValueError(f"{where}: expected json values, got {short_repr(row)}") from None
        if not isinstance(files, list) or len(files) != 1 or z:
            raise ValueError(f"{where}: expected one image file, got {short_repr(files)}")
        entry = entries.setdefault(str(files[0]), {"filename": str(files[0]), "regions": []})
        entry["regions"] += _regions(where, xy, values, {})
    return list(entries.values())


def project_entries(path: Path, data: dict[str, Any]) -> list[Any]:
    """Return the images of a VIA 3 project.

    Raises:
        ValueError: the project is broken or of a video; the message names the file.
    """
    files, metadata = data.get("file"), data.get("metadata")
    views = data.get("view")
    if not all(isinstance(part, dict) for part in (files, metadata, views)):
        raise ValueError(f"{path}: not VIA 3's layout: expected file, view and metadata")
    attributes = data.get("attribute")
    attributes = attributes if isinstance(attributes, dict) else {}
    entries: dict[str, dict[str, Any]] = {}
    for key, view in views.items():  # type: ignore[union-attr]
        numbers = view.get("fid_list") if isinstance(view, dict) else None
        if not isinstance(numbers, list):
            raise ValueError(f"{path}: view {short_repr(key)}: expected a list under fid_list")
        for number in numbers:
            file = files.get(str(number))  # type: ignore[union-attr]
            name = file.get("fname") if isinstance(file, dict) else None
            if not isinstance(name, str):
                raise ValueError(f"{path}: view {short_repr(key)}: it has no file with an fname")
            if file.get("type", 2) != 2:
                raise ValueError(f"{path}: {short_repr(name)}: a video or sound, expected images")
            entries[str(key)] = {"filename": name, "regions": []}
    for key, region in metadata.items():  # type: ignore[union-attr]
        where = f"{path}: metadata {short_repr(key)}"
        entry = entries.get(str(region.get("vid"))) if isinstance(region, dict) else None
        if entry is None or not isinstance(region.get("av", {}), dict):
            raise ValueError(f"{where}: expected a region with the vid of an image")
        entry["regions"] += _regions(where, region.get("xy"), region.get("av", {}), attributes)
    return list(entries.values())


def _regions(where: str, xy: Any, values: Any, attributes: dict[str, Any]) -> Iterator[dict]:
    """Yield the region of VIA 3's coordinates: a number for the shape, then x, y, ..."""
    if not isinstance(xy, list) or not isinstance(values, dict):
        raise ValueError(f"{where}: expected coordinates, got {short_repr(xy)}")
    if not xy:  # a value of the whole image
        return
    if not all(type(value) in (int, float) for value in xy):
        raise ValueError(f"{where}: expected numbers, got {short_repr(xy)}")
    kind, numbers = xy[0], xy[1:]
    shape: dict[str, Any] = {"name": {1: "point", 5: "line"}.get(kind, str(kind))}
    if kind in (2, 8) and len(numbers) == 4:
        shape = dict(zip(("x", "y", "width", "height"), numbers, strict=True), name="rect")
    elif kind in (3, 9) and len(numbers) == 3:
        shape = dict(zip(("cx", "cy", "r"), numbers, strict=True), name="circle")
    elif kind == 4 and len(numbers) == 4:
        shape = dict(zip(("cx", "cy", "rx", "ry"), numbers, strict=True), name="ellipse")
    elif kind in (6, 7) and len(numbers) % 2 == 0:
        name = "polygon" if kind == 7 else "polyline"
        shape = {"name": name, "all_points_x": numbers[::2], "all_points_y": numbers[1::2]}
    elif kind in (2, 3, 4, 6, 7, 8, 9):
        raise ValueError(
            f"{where}: shape {kind} of VIA 3: expected its coordinates, got {len(numbers)} numbers"
        )
    named = {}
    for key, value in values.items():
        attribute = attributes.get(key)
        attribute = attribute if isinstance(attribute, dict) else {}
        options = attribute.get("options")
        if isinstance(options, dict) and isinstance(value, str):
            value = options.get(value, value)
        named[str(attribute.get("aname") or key)] = value
    yield {"shape_attributes": shape, "region_attributes": named}
