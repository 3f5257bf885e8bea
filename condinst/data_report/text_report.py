"""Write the report as the doctor's findings and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from condinst.data_report.examination import Examination
from condinst.data_report.fix import FixedFile
from condinst.data_report.issue_types import KINDS
from condinst.data_report.issues import Issue, Item
from condinst.doctor.finding import ERROR, OK, WARNING, Finding
from condinst.utils.names import printable

__all__ = [
    "as_dict",
    "count",
    "sorted_issues",
    "findings",
    "place_of",
    "places_of_errors",
    "fix_findings",
]

_NAMED = 3  # places of an issue in a finding
_ORDER = (ERROR, WARNING, OK)


def sorted_issues(examinations: Sequence[Examination]) -> list[tuple[Examination, Issue]]:
    """Return all issues, the most severe first, with those of a kind together."""
    return [
        (examination, examination.issues[kind.key])
        for status in _ORDER
        for kind in KINDS.values()
        if kind.status == status
        for examination in examinations
        if kind.key in examination.issues
    ]


def count(issue: Issue) -> str:
    """Return the count in words, such as "3 annotations in 2 images"; empty for one class."""
    annotations, images = len(issue.annotations), len(issue.images)
    if annotations:
        inside = f" in {_number(images, 'image')}" if images else ""
        return f"{_number(annotations, 'annotation')}{inside}"
    if images:
        return _number(images, "image")
    files = sum(bool(item.file) for item in issue.items)
    if files:
        return _number(files, "file")
    return _number(len(issue.items), "class", "es") if len(issue.items) > 1 else ""


def _number(number: int, what: str, plural: str = "s") -> str:
    return f"{number:,} {what}{'' if number == 1 else plural}"


def place_of(examination: Examination, item: Item) -> str:
    """Return the place in words, such as "a.jpg, annotation 5: box 0, 0, 1, 1"."""
    file = examination.source.file
    words = [] if item.image is None else [printable(file.file_names[item.image])]
    if item.annotation is not None:
        words.append(f"annotation {file.ann_ids[item.annotation]}")
    if item.file:
        words.append(printable(item.file))
    return ": ".join(filter(None, [", ".join(words), printable(item.detail)]))


def places_of_errors(examination: Examination) -> list[str]:
    """Return the images and annotations with which a training fails, such as "annotation 5"."""
    items = [
        item
        for issue in examination.issues.values()
        if issue.kind.status == ERROR
        for item in issue.items
    ]
    file = examination.source.file
    images = [printable(file.file_names[i.image]) for i in items if i.image is not None]
    return images + [
        f"annotation {file.ann_ids[i.annotation]}" for i in items if i.annotation is not None
    ]


def findings(examinations: Sequence[Examination]) -> list[Finding]:
    """Return the doctor's findings: counts, which images were read, and every issue."""
    found = []
    for examination in examinations:
        source = examination.source
        group = f"data: {source.name}"
        objects = int((~source.file.crowd).sum())
        crowds = int(source.file.crowd.sum())
        text = (
            f"{source.path}: {_number(len(source.file.file_names), 'image')}, "
            f"{_number(objects, 'object')}, {_number(crowds, 'crowd')}, "
            f"{_number(len(source.file.categories), 'class', 'es')}"
        )
        found.append(Finding(group, "annotations", OK, text))
        if source.images is None:
            advice = "give their folder with --images FOLDER"
            found.append(Finding(group, "images", WARNING, examination.looked_at, advice))
        else:
            found.append(_images(group, examination))
        own = [(e, issue) for e, issue in sorted_issues([examination])]
        found += [_finding(group, e, issue) for e, issue in own]
    return found


def _images(group: str, examination: Examination) -> Finding:
    """Return which images of the folder were read; where none were, it is another folder."""
    read, number = examination.facts.num_read, len(examination.source.file.file_names)
    text = examination.looked_at
    if read == 0 < number:
        folder = examination.source.images
        text = f"none of the {_number(number, 'image')} was read in {folder}"
        return Finding(group, "images", ERROR, text, "give their folder with --images FOLDER")
    return Finding(group, "images", OK if read == number else WARNING, text)


def _finding(group: str, examination: Examination, issue: Issue) -> Finding:
    kind = issue.kind
    named = [place_of(examination, item) for item in issue.items[:_NAMED]]
    more = "; ..." if len(issue.items) > _NAMED else ""
    number = count(issue)
    text = f"{number}{': ' * bool(number)}{'; '.join(named)}{more}\n{kind.meaning}"
    advice = f"--fix: {kind.fix}" if kind.fix and kind.status != OK else ""
    return Finding(group, kind.title, kind.status, text, advice)


def fix_findings(fixed: Sequence[FixedFile]) -> list[Finding]:
    """Return findings on what was fixed and what was left."""
    found = []
    for r in fixed:
        group = f"fixed: {r.name}"
        found.append(Finding(group, "written", OK, str(r.path)))
        if r.images:
            text = f"{r.images}: the file names start from there, as before"
            found.append(Finding(group, "images", OK, text))
        if not r.changes:
            found.append(Finding(group, "fixes", OK, "none: there was nothing to fix"))
        for issue, action, number in r.counts():
            found.append(Finding(group, KINDS[issue].title, OK, f"{number:,} x {action}"))
        for issue, number in r.left.items():
            kind = KINDS[issue]
            if kind.status != OK:
                text = f"{_number(number, 'place')} left as before: {kind.meaning}"
                found.append(Finding(group, kind.title, kind.status, text))
    return found


def as_dict(examinations: Sequence[Examination], fixed: Sequence[FixedFile] = ()) -> dict[str, Any]:
    """Return the whole report as values that JSON can hold."""
    return {
        "data": [_dataset_as_dict(examination) for examination in examinations],
        "fixed": [
            {
                "name": r.name,
                "annotation_file": str(r.path),
                "images": r.images,
                "fixes": [
                    {"issue": issue, "action": action, "count": number}
                    for issue, action, number in r.counts()
                ],
                "left": r.left,
            }
            for r in fixed
        ],
    }


def _dataset_as_dict(examination: Examination) -> dict[str, Any]:
    source = examination.source
    return {
        "name": source.name,
        "annotation_file": source.path,
        "images": source.images,
        "looked_at": {
            "headers": examination.facts.num_read if source.images else 0,
            "decoded": len(examination.facts.pixels),
        },
        "statistics": examination.statistics.as_dict(),
        "issues": [
            {
                "kind": issue.kind.key,
                "title": issue.kind.title,
                "status": issue.kind.status,
                "meaning": issue.kind.meaning,
                "fix": issue.kind.fix,
                "places": [_item_as_dict(examination, item) for item in issue.items],
            }
            for _, issue in sorted_issues([examination])
        ],
    }


def _item_as_dict(examination: Examination, item: Item) -> dict[str, Any]:
    file = examination.source.file
    place = {
        "annotation": None if item.annotation is None else file.ann_ids[item.annotation],
        "image": None if item.image is None else file.image_ids[item.image],
        "file": item.file if item.image is None else file.file_names[item.image],
        "detail": item.detail,
    }
    return {key: value for key, value in place.items() if value not in (None, "")}
