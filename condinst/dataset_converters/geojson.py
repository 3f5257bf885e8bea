"""Read GeoJSON as QuPath exports it: one file per image, coordinates in pixels of the image."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from condinst.dataset_converters.folder import Folder, read_json, stated_split
from condinst.dataset_converters.image_sizes import image_size
from condinst.dataset_converters.outlines import (
    check_label,
    check_pixels,
    polygon_object,
    rings_rle,
    rle_object,
    union_rle,
)
from condinst.dataset_converters.records import ONE_CLASS, AnnotationSource, ImageRecord, Notes
from condinst.datasets.coco.entry_issues import short_repr

__all__ = ["find_geojson", "read_geojson"]


def find_geojson(folder: Folder) -> list[str]:
    """Return the folder's GeoJSON files, relative to the folder."""
    named = folder.with_suffix(".geojson")
    return sorted({*named, *folder.json_kinds.get("geojson", [])})


def read_geojson(folder: Folder, files: list[str], notes: Notes) -> AnnotationSource:
    """Read GeoJSON files; the class is QuPath's classification, the image has the file's name.

    Raises:
        ValueError: a file is broken, or its coordinates are those of a map.
    """
    return AnnotationSource("geojson", _read_all(folder, files, notes), None)


def _read_all(folder: Folder, files: list[str], notes: Notes) -> Iterator[ImageRecord]:
    used = set()
    for file in files:
        path = folder.root / file
        features = _features(path)
        name = _image(folder, file)
        if name is None:
            notes.miss("GeoJSON files without an image of their name, left out", file)
            continue
        if name in used:
            raise ValueError(f"{path}: a second GeoJSON file for the image {name}")
        used.add(name)
        height, width = image_size(folder.root / name)
        objects = list(_objects(path, features, height, width, notes))
        if not objects:
            notes.count("Images without objects, kept as negatives", name)
        split = stated_split(os.path.dirname(name))
        yield ImageRecord(folder.root / name, height, width, objects, split)
    for name in folder.images:
        if name not in used:
            notes.count("Images without a GeoJSON file, left out", name)


def _image(folder: Folder, file: str) -> str | None:
    """Return the image with the file's name: a.geojson or a.tif.geojson for a.tif."""
    stem = os.path.splitext(file)[0]
    if stem in folder.image_set:
        return stem
    if stem in folder.by_stem:
        return folder.by_stem[stem]
    base = os.path.basename(stem)
    found = folder.images_called(base) or folder.images_of_stem(base)
    if not found:  # a.ome.geojson for a.tif, a.geojson for a.ome.tif
        found = folder.images_of_stem(base.removesuffix(".ome")) or folder.images_of_stem(
            base + ".ome"
        )
    if len(found) > 1:
        raise ValueError(f"{folder.root / file}: several images fit: {', '.join(found[:3])}")
    return found[0] if found else None


def _features(path: Path) -> list[Any]:
    data = read_json(path)
    if isinstance(data, dict) and "crs" in data:
        raise ValueError(
            f"{path}: coordinates of a map (key crs), expected pixels of an image, as QuPath "
            "exports them"
        )
    if isinstance(data, dict):
        data = data["features"] if data.get("type") == "FeatureCollection" else [data]
    if not isinstance(data, list):
        raise ValueError(f"{path}: not GeoJSON: expected a list of features")
    return data


def _objects(
    path: Path, features: list[Any], height: int, width: int, notes: Notes
) -> Iterator[dict[str, Any]]:
    kinds = {_properties(f).get("objectType") for f in features if isinstance(f, dict)}
    smaller = bool(kinds & {"cell", "detection"})
    for number, feature in enumerate(features):
        where = f"{path.name}, feature {number}"
        if isinstance(feature, dict) and feature.get("geometry", 0) is None:
            notes.count("Features without a geometry, left out", where)
            continue
        if not isinstance(feature, dict) or not isinstance(feature.get("geometry"), dict):
            raise ValueError(
                f"{path}: feature {number}: not GeoJSON: expected a dict with a geometry, got "
                f"{short_repr(feature)}"
            )
        label = _label(path, number, feature)
        geometry = feature["geometry"]
        if label is None and smaller and _properties(feature).get("objectType") == "annotation":
            notes.count("Annotations without a class around cells or detections, left out", where)
            continue
        if label is not None and label.endswith("*"):  # QuPath's mark of classes to ignore
            notes.count(f"Objects of the ignored class {label!r}, left out", where)
            continue
        try:
            polygons = _polygons(geometry)
            if polygons is None:
                kind = short_repr(geometry.get("type"))
                notes.count(f"Shapes without an area ({kind}), left out", where)
                continue
            found = _object(label or ONE_CLASS, polygons, height, width)
        except (ValueError, TypeError) as error:
            raise ValueError(f"{path}: feature {number}: {error}") from None
        if found is None:
            notes.count("Objects that cover no pixel, left out", where)
            if any((polygon[0] < 0).any() and _like_degrees(polygon[0]) for polygon in polygons):
                notes.count(
                    "Objects whose coordinates look like degrees of a map; expected pixels of the "
                    "image, which its georeference gives (~transform of rasterio)",
                    f"{where}: {polygons[0][0][0].tolist()}",
                )
        else:
            yield found


def _properties(feature: dict) -> dict:
    found = feature.get("properties")
    return found if isinstance(found, dict) else {}


def _label(path: Path, number: int, feature: dict) -> str | None:
    """Return the class: the classification's name, a list of names, or the property class."""
    properties = _properties(feature)
    found = properties.get("classification")
    if isinstance(found, dict):
        names = found.get("names")
        found = found.get("name") or (
            ": ".join(map(str, names)) if isinstance(names, list) else None
        )
    found = found or properties.get("class") or properties.get("label")
    if found is None:
        return None
    if not check_label(found):
        raise ValueError(f"{path}: feature {number}: expected a class, got {short_repr(found)}")
    return str(found)


def _polygons(geometry: dict) -> list[list[np.ndarray]] | None:
    """Return the rings of each polygon, outer ring first; None for points and lines."""
    kind = geometry.get("type")
    coordinates: Any = geometry.get("coordinates")
    if kind == "Polygon":
        parts: Any = [coordinates]
    elif kind == "MultiPolygon":
        parts = coordinates
    elif kind in ("Point", "MultiPoint", "LineString", "MultiLineString") or (
        kind == "GeometryCollection" and not geometry.get("geometries")
    ):
        return None
    else:
        raise ValueError(f"expected a Polygon or MultiPolygon, got {short_repr(kind)}")
    if not isinstance(parts, list) or not all(isinstance(rings, list) for rings in parts):
        raise ValueError(f"expected lists of rings of [x, y], got {short_repr(coordinates)}")
    return [[_ring(ring) for ring in rings] for rings in parts if rings]


def _ring(ring: Any) -> np.ndarray:
    points = check_pixels(ring)
    if points.ndim != 2 or points.shape[1] not in (2, 3):
        raise ValueError(f"expected a ring [[x, y], ...], got {short_repr(ring)}")
    points = points[:, :2]
    if len(points) > 1 and (points[0] == points[-1]).all():
        points = points[:-1]
    if len(points) < 3:
        raise ValueError(f"expected a ring of three points or more, got {len(points)}")
    return points


def _like_degrees(points: np.ndarray) -> bool:
    return bool((np.abs(points) <= (180, 90)).all() and (points != np.rint(points)).any())


def _object(
    label: str, polygons: list[list[np.ndarray]], height: int, width: int
) -> dict[str, Any] | None:
    if not polygons:
        return None
    if all(len(rings) == 1 for rings in polygons):
        return polygon_object(label, [rings[0] for rings in polygons], height, width)
    rles = [rings_rle(rings, height, width) for rings in polygons]
    return rle_object(label, union_rle(rles))
