"""A repaired copy of annotation files; what was there stays as it is.

Images are never rewritten: the copy's file names start from the same folder as before.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from condinst.data_report.examination import Examination, examine_file
from condinst.data_report.fix_file import Change, FileCopy
from condinst.data_report.issue_types import KINDS
from condinst.data_report.report_source import ReportSource, make_source
from condinst.utils.files import write_whole
from condinst.utils.plain import plain, plain_annotation

__all__ = ["Repaired", "check_folder", "repair"]

_PASSES = 4  # one repair may uncover a fault, such as a box of a polygon that is dropped


@dataclass(frozen=True)
class Repaired:
    """The copy of one dataset."""

    name: str
    path: Path
    images: str | None  # folder that its file names start from
    changes: list[Change]
    left: dict[str, int]  # faults that remain, by kind's key

    def counts(self) -> list[tuple[str, str, int]]:
        """(kind's key, action, how often) in the catalogue's order."""
        counted = Counter((change.fault, change.action) for change in self.changes)
        order = list(KINDS)
        ordered = sorted(counted, key=lambda pair: (order.index(pair[0]), pair[1]))
        return [(fault, action, counted[fault, action]) for fault, action in ordered]


def check_folder(sources: Sequence[ReportSource], out: Path) -> list[Path]:
    """The files that :func:`repair` would write.

    Raises:
        ValueError: one of them is there already, or two have the same name.
    """
    paths = [out / "annotations" / Path(source.path).name for source in sources]
    if len(set(paths)) < len(paths):
        paths = [out / "annotations" / f"{source.name}.json" for source in sources]
    for source, path in zip(sources, paths, strict=True):
        if path.exists():
            itself = " and is the file to repair itself" * path.samefile(source.path)
            raise ValueError(f"--fix {out}: {path} is there{itself}; choose a new folder")
    return paths


def repair(examinations: Sequence[Examination], out: str | os.PathLike[str]) -> list[Repaired]:
    """Write ``OUT/annotations/NAME.json`` for each dataset, and ``OUT/repairs.csv``, all changes.

    Raises:
        ValueError: a file would be overwritten.
        OSError: a file cannot be written; none is left half written.
    """
    out = Path(out)
    paths = check_folder([e.source for e in examinations], out)
    repaired = []
    for examination, path in zip(examinations, paths, strict=True):
        data, changes, left = _repaired_data(examination)
        source = examination.source
        repaired.append(Repaired(source.name, path, source.images, changes, left))
        write_whole(path, json.dumps(_sound(data)))
    table = io.StringIO()
    rows = [
        (r.name, c.fault, c.action, c.annotation, c.image, c.file)
        for r in repaired
        for c in r.changes
    ]
    columns = ("dataset", "fault", "action", "annotation", "image", "file")
    csv.writer(table, lineterminator="\n").writerows([columns, *rows])
    write_whole(out / "repairs.csv", table.getvalue())
    return repaired


def _repaired_data(examination: Examination) -> tuple[dict, list[Change], dict[str, int]]:
    changes: list[Change] = []
    data: dict = {}
    left = {
        key: len(fault.items) for key, fault in examination.faults.items() if not fault.kind.repair
    }
    for _ in range(_PASSES):
        copy = FileCopy(examination)
        data = copy.repaired()
        changes += copy.changes
        source = examination.source
        examination = examine_file(make_source(source.path, data, name=source.name))
        if not any(fault.kind.repair for fault in examination.faults.values()):
            break
    left |= {key: len(fault.items) for key, fault in examination.faults.items()}
    return data, changes, left


def _sound(data: dict) -> dict:
    """The file with extra keys that every JSON reader takes."""
    annotations = data.get("annotations")
    sound = plain({key: value for key, value in data.items() if key != "annotations"})
    if annotations is not None:
        sound["annotations"] = [plain_annotation(entry) for entry in annotations]
    return sound
