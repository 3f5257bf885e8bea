"""Write the report as an HTML page."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from condinst.data_report.examination import Examination
from condinst.data_report.fix import FixedFile
from condinst.data_report.issue_drawing import draw_issue
from condinst.data_report.issue_types import KINDS
from condinst.data_report.issues import Issue
from condinst.data_report.page_statistics import add_statistics
from condinst.data_report.statistics import Statistics
from condinst.data_report.text_report import count, place_of, sorted_issues
from condinst.utils.html_page import HtmlPage

__all__ = ["write_page"]

_LISTED = 8  # places of an issue that are named without an image


def write_page(
    path: str | os.PathLike[str],
    examinations: Sequence[Examination],
    fixed: Sequence[FixedFile] = (),
) -> Path:
    """Write the page, and its numbers as CSV files to the folder ``STEM_data`` beside it.

    Args:
        path: the HTML file.
        examinations: the datasets.
        fixed: the copies that :func:`fix_files` wrote, if any.

    Returns:
        The path of the page.

    Raises:
        OSError: a file cannot be written.
    """
    statistics = [e.statistics for e in examinations]
    page = HtmlPage("Data: " + ", ".join(e.source.name for e in examinations))
    _overview(page, examinations, statistics)
    _issues(page, examinations)
    if fixed:
        _fixes(page, fixed)
    add_statistics(page, examinations, statistics)
    return page.write(path)


def _overview(
    page: HtmlPage, examinations: Sequence[Examination], statistics: Sequence[Statistics]
) -> None:
    images, objects = sum(s.num_images for s in statistics), sum(s.num_objects for s in statistics)
    sizes = np.concatenate([s.sizes for s in statistics])
    middle = f"{np.median(sizes):.3g} px" if len(sizes) else "-"
    page.key_numbers(
        [
            ("kinds of errors", str(sum(_number(e, "error") for e in examinations)), ""),
            ("kinds of warnings", str(sum(_number(e, "warning") for e in examinations)), ""),
            ("images", f"{images:,}", ""),
            ("objects", f"{objects:,}", ""),
            ("median object size", middle, "square root of the mask's area"),
        ]
    )
    rows: list[list[Any]] = [
        ["images", *(s.num_images for s in statistics)],
        ["images without objects", *(s.num_empty for s in statistics)],
        ["objects", *(s.num_objects for s in statistics)],
        ["crowds, which are not learned from", *(s.num_crowds for s in statistics)],
        ["classes", *(len(s.classes) for s in statistics)],
        ["kinds of errors", *(_number(e, "error") for e in examinations)],
        ["kinds of warnings", *(_number(e, "warning") for e in examinations)],
    ]
    page.table(["", *(s.name for s in statistics)], rows, name="overview", sort=False)
    for e in examinations:
        place = f", images in {e.source.images}" if e.source.images else ""
        page.paragraph(f"{e.source.name}: {e.source.path}{place}. {e.looked_at}")


def _number(examination: Examination, status: str) -> int:
    return sum(issue.kind.status == status for issue in examination.issues.values())


def _issues(page: HtmlPage, examinations: Sequence[Examination]) -> None:
    page.heading("Issues")
    found = sorted_issues(examinations)
    if not found:
        page.paragraph("No issues were found.", "ok")
        return
    page.table(
        ["status", "issue", "dataset", "places", "images"],
        [
            [_MARKS[f.kind.status], f.kind.title, e.source.name, len(f.items), len(f.images)]
            for e, f in found
        ],
        name="issues",
    )
    shown = None
    if any(e.source.images for e in examinations):
        page.paragraph(
            "In the images, red is the box of the annotation file, white its polygons, and blue "
            "the mask that training sees; a circle is where an outline crosses itself."
        )
    for examination, issue in found:
        if issue.kind.key != shown:
            shown = issue.kind.key
            page.heading(_sentence(issue.kind.title), level=3)
            mark = _sentence(_MARKS[issue.kind.status])
            page.paragraph(f"{mark}: {issue.kind.meaning}.", issue.kind.status)
            if issue.kind.fix:
                page.paragraph(f"With --fix: {issue.kind.fix}.")
        _places(page, examination, issue)
    items = [_row(e, f, item) for e, f in found for item in f.items]
    page.paragraph("All places, including those without an image:")
    columns = ["dataset", "issue", "annotation", "image", "file", "detail"]
    page.data(columns, items, name="issue_places")


_MARKS = {"error": "error", "warning": "warning", "ok": "harmless"}


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _places(page: HtmlPage, examination: Examination, issue: Issue) -> None:
    name = examination.source.name
    page.paragraph(f"{name}: {count(issue)}" if count(issue) else f"{name}:")
    drawn = draw_issue(examination, issue)
    if drawn:
        page.images(drawn, side=360, max_pixels=720)
    else:
        named = [place_of(examination, item) for item in issue.items[:_LISTED]]
        more = len(issue.items) - len(named)
        page.bullets([*filter(None, named), *([f"and {more} more"] if more else [])])


def _row(examination: Examination, issue: Issue, item: Any) -> list[Any]:
    file = examination.source.file
    image = item.image
    return [
        examination.source.name,
        issue.kind.key,
        None if item.annotation is None else str(file.ann_ids[item.annotation]),
        None if image is None else str(file.image_ids[image]),
        item.file if image is None else file.file_names[image],
        item.detail,
    ]


def _fixes(page: HtmlPage, fixed: Sequence[FixedFile]) -> None:
    page.heading("Fixes")
    rows = [
        [r.name, KINDS[issue].title, action, number]
        for r in fixed
        for issue, action, number in r.counts()
    ]
    page.table(["dataset", "issue", "what was done", "how often"], rows, name="fixes")
    for r in fixed:
        page.paragraph(
            f"{r.name}: {r.path}; its file names start from {r.images or 'the same folder'}"
        )
