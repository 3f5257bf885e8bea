"""Add the statistics of the datasets to the page of a report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from condinst.data_report import charts
from condinst.data_report.examination import Examination
from condinst.data_report.issue_drawing import draw_objects
from condinst.data_report.statistics import ENLARGED, RANGES, STRIDES, Statistics
from condinst.utils.html_page import HtmlPage

__all__ = ["add_statistics"]

_MASKS = {"none": "annotations without a mask", "unusable": "annotations with an unusable mask"}
_BUSIEST = 4  # images drawn of each dataset


def add_statistics(
    page: HtmlPage, examinations: Sequence[Examination], statistics: Sequence[Statistics]
) -> None:
    """Add classes, images, sizes, crowding and masks, the datasets beside each other."""
    _classes(page, statistics)
    _images(page, statistics)
    _sizes(page, statistics)
    _crowding(page, examinations, statistics)
    _masks(page, statistics)


def _figure(page: HtmlPage, chart: charts.Chart, caption: str, name: str) -> None:
    page.figure(
        chart.figure, caption, name=name, columns=chart.columns, rows=chart.rows, text=chart.text
    )


def _classes(page: HtmlPage, statistics: Sequence[Statistics]) -> None:
    page.heading("Classes")
    columns = ["class"]
    for s in statistics:
        before = f"{s.name}: " if len(statistics) > 1 else ""
        columns += [f"{before}{what}" for what in ("objects", "images", "crowds", "median size")]
    objects: dict[str, int] = {}
    for s in statistics:
        for name, number in zip(s.classes, s.class_objects.tolist(), strict=True):
            objects[name] = objects.get(name, 0) + number
    rows = []
    for name in sorted(objects, key=lambda name: -objects[name]):
        row: list[Any] = [name]
        for s in statistics:
            c = s.classes.index(name) if name in s.classes else None
            row += [None] * 4 if c is None else _class_row(s, c)
        rows.append(row)
    bars = range(1, len(columns), 4)
    page.table(columns, rows, name="classes", digits=1, max_rows=80, bars=bars)
    page.paragraph("A size is the square root of a mask's area, in pixels.")


def _class_row(s: Statistics, c: int) -> list[Any]:
    size = float(s.class_sizes[c])
    numbers = (s.class_objects[c], s.class_images[c], s.class_crowds[c])
    return [*map(int, numbers), None if np.isnan(size) else size]


def _images(page: HtmlPage, statistics: Sequence[Statistics]) -> None:
    page.heading("Images")
    names = [s.name for s in statistics]
    sizes = sorted(
        {size for s in statistics for size in s.image_sizes},
        key=lambda size: -sum(s.image_sizes[size] for s in statistics),
    )
    rows = [[f"{w} x {h}", *(s.image_sizes[w, h] for s in statistics)] for w, h in sizes]
    page.table(["width x height", *names], rows, name="image_sizes", max_rows=10)
    kinds = sorted({kind for s in statistics for kind in s.formats})
    if kinds:
        formats = [
            [f"{form}, {mode}, {bits} bit", *(s.formats[form, mode, bits] for s in statistics)]
            for form, mode, bits in kinds
        ]
        page.table(["file", *names], formats, name="image_formats")


def _sizes(page: HtmlPage, statistics: Sequence[Statistics]) -> None:
    page.heading("Sizes of objects")
    page.paragraph(
        "Sizes are in pixels of the files; a config resizes images before the model sees them."
    )
    _figure(
        page,
        charts.size_figure(statistics),
        "Square roots of the masks' areas. Dotted: COCO's limits between small, medium and large, "
        "32 and 96 pixels.",
        "object_sizes",
    )
    names = [s.name for s in statistics]
    rows: list[list[Any]] = [
        [
            f"square root of the area, px: {label}",
            *(_percentile(s.sizes, q) for s in statistics),
        ]
        for label, q in (("5 %", 5), ("median", 50), ("95 %", 95), ("largest", 100))
    ]
    rows += [[f"% {name}", *(100 * s.fraction(name) for s in statistics)] for name in RANGES]
    page.table(["", *names], rows, name="size_summary", digits=1, sort=False)
    page.paragraph(
        "A box is learned from the points in it, which lie a stride's pixels apart; a box without "
        "a point is never learned at that stride. Enlarging the images helps. The table gives "
        "the percentage of boxes without a point:"
    )
    rows = [
        [
            f"{s.name}, {'as it is' if factor == 1 else f'enlarged {factor} times'}",
            *(100 * s.missed[stride, factor] / max(1, s.num_objects) for stride in STRIDES),
        ]
        for s in statistics
        for factor in ENLARGED
    ]
    columns = ["", *(f"stride {stride}" for stride in STRIDES)]
    page.table(columns, rows, name="boxes_without_points", digits=1, sort=False)


def _percentile(values: np.ndarray, q: float) -> float | None:
    return float(np.percentile(values, q)) if len(values) else None


def _crowding(
    page: HtmlPage, examinations: Sequence[Examination], statistics: Sequence[Statistics]
) -> None:
    page.heading("Crowding")
    _figure(page, charts.crowd_figure(statistics), "Objects per image.", "objects_per_image")
    rows: list[list[Any]] = [
        [
            f"objects per image: {label}",
            *(_percentile(s.per_image, q) for s in statistics),
        ]
        for label, q in (("median", 50), ("95 %", 95), ("most", 100))
    ]
    rows.append(
        [
            "mean over objects of the greatest box IoU with another",
            *(float(s.overlaps.mean()) if len(s.overlaps) else None for s in statistics),
        ]
    )
    rows.append(
        [
            "% of objects whose box has an IoU over 0.5 with another",
            *(
                100 * float((s.overlaps > 0.5).mean()) if len(s.overlaps) else None
                for s in statistics
            ),
        ]
    )
    for stride in statistics[0].points:
        rows.append(
            [
                f"% of the points in a box at stride {stride} that lie in several",
                *(_ambiguous(s, stride) for s in statistics),
            ]
        )
    rows = [[label, *map(_whole, values)] for label, *values in rows]
    page.table(["", *(s.name for s in statistics)], rows, name="crowding", digits=2, sort=False)
    page.paragraph(
        "model.test_cfg.max_per_img must not be below the most objects in an image. At a point in "
        "several boxes, the smallest box is learned."
    )
    for examination, s in zip(examinations, statistics, strict=True):
        busiest = np.argsort(-s.per_image, kind="stable")[:_BUSIEST].tolist()
        drawn = draw_objects(examination, busiest)
        if drawn:
            page.heading(f"The busiest images of {s.name}", level=3)
            page.images(drawn, side=400, max_pixels=900)


def _ambiguous(s: Statistics, stride: int) -> float | None:
    inside, several = s.points[stride]
    return 100 * several / inside if inside else None


def _masks(page: HtmlPage, statistics: Sequence[Statistics]) -> None:
    page.heading("Masks")
    names = [s.name for s in statistics]
    kinds = sorted({kind for s in statistics for kind in s.mask_kinds})
    rows: list[list[Any]] = [
        [
            _MASKS.get(kind, f"annotations with {kind}"),
            *(s.mask_kinds[kind] for s in statistics),
        ]
        for kind in kinds
    ]
    if any(len(s.num_points) for s in statistics):
        rows += [
            ["objects of several polygons", *(int((s.num_polygons > 1).sum()) for s in statistics)],
            [
                "points per object: median",
                *(_percentile(s.num_points, 50) for s in statistics),
            ],
        ]
    page.table(["", *names], rows, name="masks", digits=0, sort=False)
    if any(len(s.num_points) for s in statistics):
        _figure(
            page, charts.points_figure(statistics), "Polygon points per object.", "polygon_points"
        )


def _whole(value: float | None) -> float | None:
    """Return a whole number without places after its point: 6 objects, not 6.00."""
    return int(value) if value is not None and value == int(value) else value
