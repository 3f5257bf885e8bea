"""The report in words: the doctor's findings, and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from condinst.data_report.examination import Examination
from condinst.data_report.fix import Repaired
from condinst.data_report.issue_types import KINDS
from condinst.data_report.issues import Issue, Item
from condinst.doctor.finding import ERROR, OK, WARNING, Finding

__all__ = ["as_dict", "count", "faults_of", "findings", "place_of", "repair_findings"]

_NAMED = 3  # places of a fault in a finding
_ORDER = (ERROR, WARNING, OK)


def faults_of(examinations: Sequence[Examination]) -> list[tuple[Examination, Issue]]:
    """All faults, the gravest first, those of a kind together."""
    return [
        (examination, examination.faults[kind.key])
        for status in _ORDER
        for kind in KINDS.values()
        if kind.status == status
        for examination in examinations
        if kind.key in examination.faults
    ]


def count(fault: Issue) -> str:
    """How many of what: "3 annotations in 2 images"; empty for the single place of a class."""
    annotations, images = len(fault.annotations), len(fault.images)
    if annotations:
        inside = f" in {_number(images, 'image')}" if images else ""
        return f"{_number(annotations, 'annotation')}{inside}"
    if images:
        return _number(images, "image")
    files = sum(bool(item.file) for item in fault.items)
    if files:
        return _number(files, "file")
    return _number(len(fault.items), "class", "es") if len(fault.items) > 1 else ""


def _number(number: int, what: str, plural: str = "s") -> str:
    return f"{number:,} {what}{'' if number == 1 else plural}"


def place_of(examination: Examination, item: Item) -> str:
    """Where it is: "a.jpg, annotation 5: box 0, 0, 1, 1"."""
    file = examination.source.file
    words = [] if item.image is None else [file.file_names[item.image]]
    if item.annotation is not None:
        words.append(f"annotation {file.ann_ids[item.annotation]}")
    if item.file:
        words.append(item.file)
    return ": ".join(filter(None, [", ".join(words), item.detail]))


def findings(examinations: Sequence[Examination]) -> list[Finding]:
    """What the doctor says: counts, what was looked at, and every fault."""
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
            advice = "--images FOLDER says where they are"
            found.append(Finding(group, "images", WARNING, examination.looked_at, advice))
        else:
            found.append(Finding(group, "images", OK, examination.looked_at))
        own = [(e, fault) for e, fault in faults_of([examination])]
        found += [_finding(group, e, fault) for e, fault in own]
    return found


def _finding(group: str, examination: Examination, fault: Issue) -> Finding:
    kind = fault.kind
    named = [place_of(examination, item) for item in fault.items[:_NAMED]]
    more = "; ..." if len(fault.items) > _NAMED else ""
    number = count(fault)
    text = f"{number}{': ' * bool(number)}{'; '.join(named)}{more}\n{kind.meaning}"
    advice = f"--fix: {kind.repair}" if kind.repair and kind.status != OK else ""
    return Finding(group, kind.title, kind.status, text, advice)


def repair_findings(repaired: Sequence[Repaired]) -> list[Finding]:
    """What was repaired, and what was left."""
    found = []
    for r in repaired:
        group = f"repaired: {r.name}"
        found.append(Finding(group, "written", OK, str(r.path)))
        if r.images:
            text = f"{r.images}: the file names start from there, as before"
            found.append(Finding(group, "images", OK, text))
        if not r.changes:
            found.append(Finding(group, "repairs", OK, "none: there was nothing to repair"))
        for fault, action, number in r.counts():
            found.append(Finding(group, KINDS[fault].title, OK, f"{number:,} x {action}"))
        for fault, number in r.left.items():
            kind = KINDS[fault]
            if kind.status != OK:
                text = f"{_number(number, 'place')} left as before: {kind.meaning}"
                found.append(Finding(group, kind.title, kind.status, text))
    return found


def as_dict(
    examinations: Sequence[Examination], repaired: Sequence[Repaired] = ()
) -> dict[str, Any]:
    """Everything, as JSON can hold it."""
    return {
        "data": [_set_as_dict(examination) for examination in examinations],
        "repaired": [
            {
                "name": r.name,
                "annotation_file": str(r.path),
                "images": r.images,
                "repairs": [
                    {"fault": fault, "action": action, "count": number}
                    for fault, action, number in r.counts()
                ],
                "left": r.left,
            }
            for r in repaired
        ],
    }


def _set_as_dict(examination: Examination) -> dict[str, Any]:
    source = examination.source
    return {
        "name": source.name,
        "annotation_file": source.path,
        "images": source.images,
        "looked_at": {
            "headers": len(source.file.file_names) - len(examination.facts.missing)
            if source.images
            else 0,
            "decoded": len(examination.facts.decoded),
        },
        "statistics": examination.statistics.as_dict(),
        "faults": [
            {
                "kind": fault.kind.key,
                "title": fault.kind.title,
                "status": fault.kind.status,
                "meaning": fault.kind.meaning,
                "repair": fault.kind.repair,
                "places": [_item_as_dict(examination, item) for item in fault.items],
            }
            for _, fault in faults_of([examination])
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
