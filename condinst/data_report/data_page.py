"""The report as a page."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from condinst.data_report.drawing import draw_fault
from condinst.data_report.examination import Examination
from condinst.data_report.fix import Repaired
from condinst.data_report.issue_types import KINDS
from condinst.data_report.issues import Issue
from condinst.data_report.page_statistics import add_statistics
from condinst.data_report.statistics import Statistics
from condinst.data_report.text_report import count, faults_of, place_of
from condinst.utils.html_page import HtmlPage

__all__ = ["write_page"]

_LISTED = 8  # places of a fault that are named without an image


def write_page(
    path: str | os.PathLike[str],
    examinations: Sequence[Examination],
    repaired: Sequence[Repaired] = (),
) -> Path:
    """Write the report, and its numbers as CSV into the folder ``STEM_data`` beside it.

    Raises:
        OSError: it cannot be written.
    """
    statistics = [e.statistics for e in examinations]
    page = HtmlPage("Data: " + ", ".join(e.source.name for e in examinations))
    _overview(page, examinations, statistics)
    _faults(page, examinations)
    if repaired:
        _repairs(page, repaired)
    add_statistics(page, examinations, statistics)
    return page.write(path)


def _overview(
    page: HtmlPage, examinations: Sequence[Examination], statistics: Sequence[Statistics]
) -> None:
    rows: list[list[Any]] = [
        ["images", *(s.num_images for s in statistics)],
        ["images without objects", *(s.num_empty for s in statistics)],
        ["objects", *(s.num_objects for s in statistics)],
        ["crowds, which are not learned from", *(s.num_crowds for s in statistics)],
        ["classes", *(len(s.classes) for s in statistics)],
        ["kinds of errors", *(_number(e, "error") for e in examinations)],
        ["kinds of warnings", *(_number(e, "warning") for e in examinations)],
    ]
    page.table(["", *(s.name for s in statistics)], rows, name="overview")
    for e in examinations:
        place = f", images in {e.source.images}" if e.source.images else ""
        page.paragraph(f"{e.source.name}: {e.source.path}{place}. {e.looked_at}")


def _number(examination: Examination, status: str) -> int:
    return sum(fault.kind.status == status for fault in examination.faults.values())


def _faults(page: HtmlPage, examinations: Sequence[Examination]) -> None:
    page.heading("Faults")
    found = faults_of(examinations)
    if not found:
        page.paragraph("None was found.", "ok")
        return
    page.table(
        ["", "fault", "dataset", "places", "images"],
        [
            [_MARKS[f.kind.status], f.kind.title, e.source.name, len(f.items), len(f.images)]
            for e, f in found
        ],
        name="faults",
    )
    shown = None
    if any(e.source.images for e in examinations):
        page.paragraph(
            "In the images, red is the box of the annotation file, white its polygons, and blue "
            "the mask that training sees; a circle is where an outline crosses itself."
        )
    for examination, fault in found:
        if fault.kind.key != shown:
            shown = fault.kind.key
            page.heading(_sentence(fault.kind.title), level=3)
            mark = _sentence(_MARKS[fault.kind.status])
            page.paragraph(f"{mark}: {fault.kind.meaning}.", fault.kind.status)
            if fault.kind.repair:
                page.paragraph(f"With --fix: {fault.kind.repair}.")
        _places(page, examination, fault)
    items = [_row(e, f, item) for e, f in found for item in f.items]
    page.paragraph("Every place, also of those that are not shown:")
    columns = ["dataset", "fault", "annotation", "image", "file", "detail"]
    page.data(columns, items, name="fault_places")


_MARKS = {"error": "error", "warning": "warning", "ok": "harmless"}


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _places(page: HtmlPage, examination: Examination, fault: Issue) -> None:
    name = examination.source.name
    page.paragraph(f"{name}: {count(fault)}" if count(fault) else f"{name}:")
    drawn = draw_fault(examination, fault)
    if drawn:
        page.images(drawn, side=300, max_pixels=640)
    else:
        named = [place_of(examination, item) for item in fault.items[:_LISTED]]
        more = len(fault.items) - len(named)
        page.bullets([*filter(None, named), *([f"and {more} more"] if more else [])])


def _row(examination: Examination, fault: Issue, item: Any) -> list[Any]:
    file = examination.source.file
    image = item.image
    return [
        examination.source.name,
        fault.kind.key,
        None if item.annotation is None else str(file.ann_ids[item.annotation]),
        None if image is None else str(file.image_ids[image]),
        item.file if image is None else file.file_names[image],
        item.detail,
    ]


def _repairs(page: HtmlPage, repaired: Sequence[Repaired]) -> None:
    page.heading("Repairs")
    rows = [
        [r.name, KINDS[fault].title, action, number]
        for r in repaired
        for fault, action, number in r.counts()
    ]
    page.table(["dataset", "fault", "what was done", "how often"], rows, name="repairs")
    for r in repaired:
        page.paragraph(
            f"{r.name}: {r.path}; its file names start from {r.images or 'the same folder'}"
        )
