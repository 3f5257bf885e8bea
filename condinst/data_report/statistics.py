"""Measure a dataset: classes, sizes, crowding, masks. Objects are the annotations without crowds.

Sizes are in pixels of the files, before a config resizes the images. All arrays follow the order of
the annotation file.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from condinst.data_report.image_facts import ImageFacts
from condinst.data_report.mask_measures import Masks
from condinst.data_report.report_source import ReportSource
from condinst.datasets.coco.coco_entries import Segmentation

__all__ = ["RANGES", "STRIDES", "Statistics", "measure"]

STRIDES = (8, 16, 32, 64, 128)
RANGES = {"small": (0, 32**2), "medium": (32**2, 96**2), "large": (96**2, np.inf)}  # COCO's
ENLARGED = (1, 2, 4)
_KINDS = {
    Segmentation.POLYGONS: "polygons",
    Segmentation.SOME_DEGENERATE: "polygons",
    Segmentation.DEGENERATE: "unusable",
    Segmentation.MALFORMED: "unusable",
    Segmentation.RLE: "RLE",
    Segmentation.UNCOMPRESSED_RLE: "uncompressed RLE",
    Segmentation.NONE: "none",
}


@dataclass(frozen=True)
class Statistics:
    """Measures of one dataset; O = objects, N = images, C = classes."""

    name: str
    num_crowds: int
    classes: list[str]  # C
    class_objects: np.ndarray  # (C,)
    class_crowds: np.ndarray  # (C,)
    class_images: np.ndarray  # (C,)
    class_sizes: np.ndarray  # (C,) median of `sizes`; NaN without objects
    sizes: np.ndarray  # (O,) square root of the area of the mask, else of the box; pixels
    short_sides: np.ndarray  # (O,) shorter side of the box, pixels
    per_image: np.ndarray  # (N,) number of objects
    overlaps: np.ndarray  # (O,) greatest IoU of the box with another box of the image
    points: dict[int, tuple[int, int]]  # stride -> points in a box, points in several
    missed: dict[tuple[int, int], int]  # (stride, enlargement) -> boxes without a point
    image_sizes: Counter[tuple[int, int]]  # (width, height) as annotated
    formats: Counter[tuple[str, str, int]]  # file format, colors, bits
    mask_kinds: Counter[str]
    num_points: np.ndarray  # (objects with polygons,) points per object
    num_polygons: np.ndarray  # (objects with polygons,) polygons per object

    @property
    def num_images(self) -> int:
        return len(self.per_image)

    @property
    def num_objects(self) -> int:
        return len(self.sizes)

    @property
    def num_empty(self) -> int:
        """The number of images without objects."""
        return int((self.per_image == 0).sum())

    def fraction(self, name: str) -> float:
        """Return the fraction of objects in one of COCO's area ranges."""
        low, high = RANGES[name]
        areas = self.sizes**2
        return float(((areas >= low) & (areas < high)).mean()) if len(areas) else 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return the counts and quantiles, without the values of single objects."""
        sizes = _quantiles(self.sizes)
        return {
            "images": self.num_images,
            "objects": self.num_objects,
            "crowds": self.num_crowds,
            "images_without_objects": self.num_empty,
            "classes": [
                {"name": name, "objects": int(n), "crowds": int(c), "images": int(p)}
                for name, n, c, p in zip(
                    self.classes,
                    self.class_objects,
                    self.class_crowds,
                    self.class_images,
                    strict=True,
                )
            ],
            "object_size_px": sizes,
            "fraction_by_coco_area": {name: self.fraction(name) for name in RANGES},
            "objects_per_image": _quantiles(self.per_image),
            "greatest_box_iou": {
                "mean": float(self.overlaps.mean()) if len(self.overlaps) else 0.0,
                "fraction_over_0.5": float((self.overlaps > 0.5).mean())
                if len(self.overlaps)
                else 0,
            },
            "points_in_boxes": {
                str(stride): {"in_a_box": inside, "in_several": several}
                for stride, (inside, several) in self.points.items()
            },
            "boxes_without_a_point": [
                {"stride": stride, "enlarged": factor, "boxes": count}
                for (stride, factor), count in self.missed.items()
            ],
            "image_sizes": [
                {"width": w, "height": h, "images": n}
                for (w, h), n in self.image_sizes.most_common()
            ],
            "image_formats": [
                {"format": kind, "colors": mode, "bits": bits, "images": n}
                for (kind, mode, bits), n in self.formats.most_common()
            ],
            "masks": dict(self.mask_kinds),
            "polygon_points_per_object": _quantiles(self.num_points),
        }


def _quantiles(values: np.ndarray) -> dict[str, float]:
    if not len(values):
        return {}
    names = {"min": 0, "5%": 5, "median": 50, "95%": 95, "max": 100}
    return {name: float(np.percentile(values, q)) for name, q in names.items()}


def measure(source: ReportSource, masks: Masks, facts: ImageFacts) -> Statistics:
    """Measure a dataset."""
    file = source.file
    known = (file.image_index >= 0) & (file.category_index >= 0)
    boxes = file.boxes
    with np.errstate(invalid="ignore"):
        usable = known & ~file.crowd & (boxes[:, 2] > 0) & (boxes[:, 3] > 0)
    areas = np.where(masks.usable, masks.areas, boxes[:, 2] * boxes[:, 3])[usable]
    sizes = np.sqrt(areas)
    labels, images = file.category_index[usable], file.image_index[usable]
    edges = np.hstack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]])[usable]
    number = len(file.categories)
    pairs = np.unique(np.column_stack([labels, images]), axis=0)
    with_polygons = usable & (masks.num_polygons > 0)
    overlaps, points = _crowding(edges, images, file.sizes)
    return Statistics(
        name=source.name,
        num_crowds=int((known & file.crowd).sum()),
        classes=[name for _, name in file.categories],
        class_objects=np.bincount(labels, minlength=number),
        class_crowds=np.bincount(file.category_index[known & file.crowd], minlength=number),
        class_images=np.bincount(pairs[:, 0], minlength=number),
        class_sizes=np.array(
            [
                np.median(sizes[labels == c]) if (labels == c).any() else np.nan
                for c in range(number)
            ]
        ),
        sizes=sizes,
        short_sides=boxes[usable, 2:].min(axis=1) if usable.any() else np.zeros(0),
        per_image=np.bincount(images, minlength=len(file.image_ids)),
        overlaps=overlaps,
        points=points,
        missed={
            (stride, factor): int((~_has_point(edges * factor, stride)).sum())
            for stride in STRIDES
            for factor in ENLARGED
        },
        image_sizes=Counter((int(w), int(h)) for h, w in file.sizes),
        formats=Counter(
            (header.format, _colors(header.mode), header.bits)
            for header in facts.headers
            if header is not None
        ),
        mask_kinds=Counter(_KINDS[Segmentation(k)] for k in file.segmentations.tolist()),
        num_points=masks.num_points[with_polygons],
        num_polygons=masks.num_polygons[with_polygons],
    )


def _colors(mode: str) -> str:
    names = {
        "1": "black and white",
        "L": "gray",
        "LA": "gray and alpha",
        "P": "palette",
        "RGB": "RGB",
        "RGBA": "RGB and alpha",
        "CMYK": "CMYK",
        "I": "gray",
        "F": "gray, floating point",
    }
    return "gray" if mode.startswith("I;16") else names.get(mode, mode)


def _has_point(edges: np.ndarray, stride: int) -> np.ndarray:
    """Return (O,) bool: whether a point (stride / 2 + i * stride) lies in the box."""
    first = np.ceil((edges[:, :2] - stride / 2) / stride)
    last = np.floor((edges[:, 2:] - stride / 2) / stride)
    return np.all(last >= first, axis=1)


def _crowding(
    edges: np.ndarray, images: np.ndarray, sizes: np.ndarray
) -> tuple[np.ndarray, dict[int, tuple[int, int]]]:
    """Return each box's greatest IoU with another, and counts of points in boxes by stride."""
    overlaps = np.zeros(len(edges))
    points = dict.fromkeys(STRIDES[:3], (0, 0))
    order = np.argsort(images, kind="stable")
    for same in np.split(order, np.flatnonzero(np.diff(images[order])) + 1):
        if not len(same):
            continue
        boxes = edges[same]
        if len(same) > 1:
            ious = _ious(boxes)
            np.fill_diagonal(ious, 0)
            overlaps[same] = ious.max(axis=1)
        size = sizes[images[same[0]]]
        for stride in points:
            inside, several = _count_points(boxes, size, stride)
            points[stride] = (points[stride][0] + inside, points[stride][1] + several)
    return overlaps, points


def _ious(boxes: np.ndarray) -> np.ndarray:
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    common = np.clip(high - low, 0, None).prod(axis=2)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    return common / (areas[:, None] + areas[None, :] - common)


def _count_points(boxes: np.ndarray, size: np.ndarray, stride: int) -> tuple[int, int]:
    """Count the points of an image's grid in at least one box, and in at least two."""
    rows, columns = (max(0, int(side // stride) + 1) for side in size)
    limit = np.array([columns, rows])
    first = np.clip(np.ceil((boxes[:, :2] - stride / 2) / stride), 0, limit).astype(int)
    last = np.clip(np.floor((boxes[:, 2:] - stride / 2) / stride) + 1, 0, limit).astype(int)
    keep = (last > first).all(axis=1)
    (x1, y1), (x2, y2) = first[keep].T, last[keep].T
    # the cumulative sums of the steps are the numbers of boxes at each point
    steps = np.zeros((rows + 1, columns + 1), np.int32)
    for y, x, step in ((y1, x1, 1), (y1, x2, -1), (y2, x1, -1), (y2, x2, 1)):
        np.add.at(steps, (y, x), step)
    for axis in (0, 1):
        np.cumsum(steps, axis=axis, out=steps)
    return int((steps > 0).sum()), int((steps > 1).sum())
