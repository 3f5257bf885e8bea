"""Measure the masks of an annotation file: areas, boxes, points, and what is wrong with them.

Polygons are measured as arrays, because a file may hold a million of them. pycocotools fills a
polygon by the even-odd rule: an area that the outline encloses twice is a hole.

Letters in shapes: A = annotations, R = rings (polygons of three or more points), P = points.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import shapely
from pycocotools import mask as coco_mask

from condinst.data_report.report_source import ReportSource
from condinst.datasets.coco.coco_entries import Segmentation
from condinst.datasets.coco.coco_records import CocoFile
from condinst.datasets.coco.entry_issues import short_repr
from condinst.datasets.coco.entry_values import MAX_PIXELS
from condinst.masks.polygon_rle import polygons_to_rle
from condinst.masks.rle import checked_rle
from condinst.masks.self_crossing import has_many_crossings

__all__ = ["Crossing", "Masks", "measure_masks", "rasterize"]

ZERO_AREA = 1e-3  # square pixels; the rounded area of collinear points is below
_SMALL = 4.0  # square pixels; polygons below may cover no pixel's center
_MANY_POINTS = 40  # a ring with more points may be tangled
_CHUNK = 200_000  # rings that shapely handles at once
_RLES_AT_ONCE = 255  # pycocotools 2.0.11 counts RLEs in a byte and fails with more


@dataclass(frozen=True)
class Crossing:
    """A polygon whose outline crosses itself.

    Attributes:
        annotation: its index.
        place: the polygon's index in the annotation.
        fraction: fraction of the filled outline that is enclosed twice, or runs the other way
            round like one half of a bow tie.
        at: x, y of the first crossing, in pixels.
    """

    annotation: int
    place: int
    fraction: float
    at: tuple[float, float]


@dataclass(frozen=True)
class Masks:
    """Measures of A masks, in pixels of their images.

    Attributes:
        areas: (A,) areas; NaN without a readable mask.
        boxes: (A, 4) x, y, width, height around the points of polygons or the pixels of RLEs; NaN
            without a readable mask.
        num_polygons: (A,) number of polygons with three or more points.
        num_points: (A,) number of points of these polygons.
        short: (annotation, place) of polygons with under three points.
        flat: (annotation, place) of polygons without area.
        crossings: polygons that cross themselves.
        malformed: annotation -> why its mask cannot be read.
        other_size: annotation -> how the size of its RLE differs from its image's.
        empty: annotations whose mask covers no pixel.
    """

    areas: np.ndarray
    boxes: np.ndarray
    num_polygons: np.ndarray
    num_points: np.ndarray
    short: list[tuple[int, int]] = field(default_factory=list)
    flat: list[tuple[int, int]] = field(default_factory=list)
    crossings: list[Crossing] = field(default_factory=list)
    malformed: dict[int, str] = field(default_factory=dict)
    other_size: dict[int, str] = field(default_factory=dict)
    empty: list[int] = field(default_factory=list)

    @property
    def usable(self) -> np.ndarray:
        """Return (A,) bool: whether the mask can be read and covers a pixel."""
        usable = np.isfinite(self.areas) & (self.areas > 0)
        usable[self.empty] = False
        return usable


@dataclass
class _Rings:
    points: np.ndarray  # (P, 2) x, y of all rings
    starts: np.ndarray  # (R,) index of the first point
    owners: np.ndarray  # (R,) annotation
    places: np.ndarray  # (R,) index of the polygon in the annotation

    def of_ring(self) -> np.ndarray:
        """Return the ring of each point, (P,)."""
        return np.repeat(np.arange(len(self.starts)), self.lengths())

    def lengths(self) -> np.ndarray:
        return np.diff(np.append(self.starts, len(self.points)))


def measure_masks(source: ReportSource) -> Masks:
    """Measure every mask of a file.

    An RLE of an unknown image is measured by the size that it states.
    """
    number = source.num_annotations
    masks = Masks(
        areas=np.full(number, np.nan),
        boxes=np.full((number, 4), np.nan),
        num_polygons=np.zeros(number, np.int64),
        num_points=np.zeros(number, np.int64),
    )
    kinds = source.file.segmentations
    for issue in source.file.issues:
        if issue.rule in ("segmentation", "polygon", "rle"):
            masks.malformed.setdefault(issue.index, issue.text)
    _measure_rles(source, masks, np.flatnonzero(_is_rle(kinds)))
    rings = _read_rings(source.file, masks)
    if len(rings.starts):
        _measure_rings(source, rings, masks)
    _find_empty(source, masks)
    return masks


def rasterize(segmentation: Any, height: int, width: int) -> dict[str, Any]:
    """Return the pixels of a mask as compressed RLE; polygons under three points are left out.

    Raises:
        ValueError: an RLE does not fit the image, or there is no polygon.
    """
    if isinstance(segmentation, dict):
        return checked_rle(segmentation, height, width)
    polygons = [polygon for polygon in segmentation if len(polygon) >= 6 and not len(polygon) % 2]
    return polygons_to_rle(polygons, height, width)


def _is_rle(kinds: np.ndarray) -> np.ndarray:
    return np.isin(kinds, (Segmentation.RLE, Segmentation.UNCOMPRESSED_RLE))


def _is_polygons(kinds: np.ndarray) -> np.ndarray:
    return np.isin(
        kinds, (Segmentation.POLYGONS, Segmentation.SOME_DEGENERATE, Segmentation.DEGENERATE)
    )


def _measure_rles(source: ReportSource, masks: Masks, chosen: np.ndarray) -> None:
    read: list[int] = []
    rles = []
    for i in chosen.tolist():
        segmentation = source.file.rles[i]
        place = source.file.image_index[i]
        size: Any = segmentation.get("size")
        if place >= 0:
            height, width = (int(x) for x in source.file.sizes[place])
            if _is_size(size) and size != [height, width]:
                stated = f"{short_repr(size[1])} x {short_repr(size[0])}"
                masks.other_size[i] = f"RLE of {stated}, image of {width} x {height}"
                masks.malformed.pop(i, None)
                continue
        elif _is_size(size) and 0 < size[0] * size[1] <= MAX_PIXELS:
            height, width = size
        else:
            height = width = 0
        if i in source.file.broken_rles:
            continue
        try:
            rles.append(checked_rle(segmentation, height, width))
            read.append(i)
        except ValueError as error:
            masks.malformed[i] = str(error)
    for start in range(0, len(rles), _RLES_AT_ONCE):
        part = slice(start, start + _RLES_AT_ONCE)
        masks.areas[read[part]] = coco_mask.area(rles[part])
        masks.boxes[read[part]] = coco_mask.toBbox(rles[part])


def _is_size(size: Any) -> bool:
    return isinstance(size, list) and len(size) == 2 and all(type(x) is int for x in size)


def _read_rings(file: CocoFile, masks: Masks) -> _Rings:
    numbers = np.arange(len(file.polygon_ends))
    lengths = np.diff(file.polygon_ends, prepend=0)
    owners = np.searchsorted(file.last_polygons, numbers, side="right")
    places = numbers - np.append(0, file.last_polygons)[owners]
    read = _is_polygons(file.segmentations)[owners]
    good = read & (lengths >= 6) & (lengths % 2 == 0)
    for j in np.flatnonzero(read & ~good).tolist():
        masks.short.append((int(owners[j]), int(places[j])))
    points = file.coordinates[np.repeat(good, lengths)].reshape(-1, 2)
    sizes = lengths[good] // 2
    return _Rings(points, np.cumsum(sizes) - sizes, owners[good], places[good])


def _measure_rings(source: ReportSource, rings: _Rings, masks: Masks) -> None:
    low = np.minimum.reduceat(rings.points, rings.starts)
    high = np.maximum.reduceat(rings.points, rings.starts)
    first = np.flatnonzero(np.diff(rings.owners, prepend=-1))  # first ring of each annotation
    owners = rings.owners[first]
    low, high = np.minimum.reduceat(low, first), np.maximum.reduceat(high, first)
    masks.boxes[owners] = np.hstack([low, high - low])
    signed = _shoelace(rings)
    areas = np.abs(signed)
    for start in range(0, len(rings.starts), _CHUNK):
        _measure_invalid(source, rings, slice(start, start + _CHUNK), areas, masks)
    masks.areas[owners] = np.add.reduceat(areas, first)
    np.add.at(masks.num_polygons, rings.owners, 1)
    np.add.at(masks.num_points, rings.owners, rings.lengths())
    for j in np.flatnonzero(areas <= ZERO_AREA):
        masks.flat.append((int(rings.owners[j]), int(rings.places[j])))


def _shoelace(rings: _Rings) -> np.ndarray:
    """Return the (R,) signed areas by the shoelace formula."""
    x, y = rings.points.T
    following = np.arange(1, len(x) + 1)
    ends = rings.starts + rings.lengths() - 1
    following[ends] = rings.starts
    # coordinates relative to the first point are small, which keeps the products exact
    origin = rings.points[rings.starts][rings.of_ring()]  # (P, 2)
    x, y = x - origin[:, 0], y - origin[:, 1]
    return np.add.reduceat(x * y[following] - x[following] * y, rings.starts) / 2


def _measure_invalid(
    source: ReportSource, rings: _Rings, part: slice, areas: np.ndarray, masks: Masks
) -> None:
    """Measure the rings that cross or touch themselves by the even-odd rule, and list them."""
    starts, lengths = rings.starts[part], rings.lengths()[part]
    points = rings.points[starts[0] : starts[-1] + lengths[-1]]
    tangled = np.zeros(len(starts), bool)
    for j in np.flatnonzero(lengths > _MANY_POINTS).tolist():  # before shapely looks at them
        tangled[j] = has_many_crossings(points[starts[j] - starts[0] :][: lengths[j]])
    for j in np.flatnonzero(tangled).tolist():
        _measure_tangled(source, rings, j + (part.start or 0), areas, masks)
    index = np.repeat(np.arange(len(starts)), lengths)
    plain = np.flatnonzero(~tangled)
    if not plain.size:
        return
    chosen = ~tangled[index]
    numbers = (np.cumsum(~tangled) - 1)[index[chosen]]
    polygons = shapely.polygons(shapely.linearrings(points[chosen], indices=numbers))
    bad = ~shapely.is_valid(polygons)
    polygons, invalid = polygons[bad], plain[bad]
    if not invalid.size:
        return
    numbers = invalid + (part.start or 0)
    filled = shapely.area(shapely.make_valid(polygons, method="structure", keep_collapsed=False))
    even_odd = shapely.area(shapely.make_valid(polygons))
    wound = areas[numbers]
    # the shoelace sum counts an area enclosed twice two times, and subtracts a reversed loop
    wrong = np.maximum(np.abs(filled - even_odd), np.abs(wound - even_odd) / 2)
    areas[numbers] = even_odd
    reasons = shapely.is_valid_reason(polygons)
    for j, ring in enumerate(numbers.tolist()):
        if filled[j] <= ZERO_AREA or wrong[j] <= ZERO_AREA:
            continue  # flat, or the outline touches itself without crossing
        owner, place = int(rings.owners[ring]), int(rings.places[ring])
        fraction = float(wrong[j] / max(filled[j], even_odd[j]))
        masks.crossings.append(Crossing(owner, place, min(fraction, 1.0), _point(reasons[j])))


def _measure_tangled(
    source: ReportSource, rings: _Rings, ring: int, areas: np.ndarray, masks: Masks
) -> None:
    """Measure a ring with very many crossings by its pixels in the image."""
    owner, place = int(rings.owners[ring]), int(rings.places[ring])
    image = source.file.image_index[owner]
    points = rings.points[rings.starts[ring] :][: rings.lengths()[ring]]
    areas[ring] = 0.0
    if source.in_sized_image[owner]:
        size = (int(side) for side in source.file.sizes[image])
        areas[ring] = float(coco_mask.area(rasterize([points.ravel()], *size)))
    x, y = points[0].tolist()
    masks.crossings.append(Crossing(owner, place, 1.0, (x, y)))


def _point(reason: str) -> tuple[float, float]:
    """Read the point from "Self-intersection[5 8.25]", the only place where shapely states it."""
    x, y, *_ = reason.rpartition("[")[2].rstrip("]").split()
    return float(x), float(y)


def _find_empty(source: ReportSource, masks: Masks) -> None:
    """List empty RLEs, and small polygons that cover no pixel's center."""
    kinds = source.file.segmentations
    masks.empty.extend(np.flatnonzero(_is_rle(kinds) & (masks.areas == 0)).tolist())
    flat = np.isfinite(masks.areas) & (masks.areas <= ZERO_AREA)
    small = _is_polygons(kinds) & (masks.areas < _SMALL) & ~flat & source.in_sized_image
    for i in np.flatnonzero(small).tolist():
        height, width = (int(x) for x in source.file.sizes[source.file.image_index[i]])
        rle = rasterize(source.mask(i), height, width)
        if not coco_mask.area(rle):
            masks.empty.append(i)
