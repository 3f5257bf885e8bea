"""Write fixed copies of annotation files; the originals stay untouched.

Images are never rewritten: the file names of a copy start from the same folder as before.
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

__all__ = ["FixedFile", "check_folder", "fix_files"]

_PASSES = 4  # a fix may uncover an issue: dropping a polygon changes the box


@dataclass(frozen=True)
class FixedFile:
    """The fixed copy of one annotation file.

    Attributes:
        name: the dataset's name in the report.
        path: the copy.
        images: the folder that its file names start from; None if unknown.
        changes: all changes, in the order they were made.
        left: kind's key -> number of places that still have the issue.
    """

    name: str
    path: Path
    images: str | None
    changes: list[Change]
    left: dict[str, int]

    def counts(self) -> list[tuple[str, str, int]]:
        """Return (kind's key, action, how often), in the order of the catalog."""
        counted = Counter((change.issue, change.action) for change in self.changes)
        order = list(KINDS)
        ordered = sorted(counted, key=lambda pair: (order.index(pair[0]), pair[1]))
        return [(issue, action, counted[issue, action]) for issue, action in ordered]


def check_folder(sources: Sequence[ReportSource], out: Path) -> list[Path]:
    """Return the paths that :func:`fix_files` would write.

    Raises:
        ValueError: one of these files exists.
    """
    paths = [out / "annotations" / Path(source.path).name for source in sources]
    if len(set(paths)) < len(paths):
        paths = [out / "annotations" / f"{source.name}.json" for source in sources]
    for source, path in zip(sources, paths, strict=True):
        if path.exists():
            itself = " and is the file to fix itself" * path.samefile(source.path)
            raise ValueError(f"--fix {out}: {path} exists{itself}; choose a new folder")
    return paths


def fix_files(examinations: Sequence[Examination], out: str | os.PathLike[str]) -> list[FixedFile]:
    """Write ``OUT/annotations/NAME.json`` for each dataset, and all changes to ``OUT/fixes.csv``.

    Args:
        examinations: the datasets, as :func:`examine` returns them.
        out: a folder in which none of these files exists.

    Returns:
        One fixed copy for each examination, in order.

    Raises:
        ValueError: a file would be overwritten.
        OSError: a file cannot be written; no file is left half written.
    """
    out = Path(out)
    paths = check_folder([e.source for e in examinations], out)
    fixed = []
    for examination, path in zip(examinations, paths, strict=True):
        data, changes, left = _fixed_data(examination)
        source = examination.source
        fixed.append(FixedFile(source.name, path, source.images, changes, left))
        write_whole(path, json.dumps(_sound(data)))
    table = io.StringIO()
    rows = [
        (r.name, c.issue, c.action, c.annotation, c.image, c.file) for r in fixed for c in r.changes
    ]
    columns = ("dataset", "issue", "action", "annotation", "image", "file")
    csv.writer(table, lineterminator="\n").writerows([columns, *rows])
    write_whole(out / "fixes.csv", table.getvalue())
    return fixed


def _fixed_data(examination: Examination) -> tuple[dict, list[Change], dict[str, int]]:
    changes: list[Change] = []
    data: dict = {}
    left = {
        key: len(issue.items) for key, issue in examination.issues.items() if not issue.kind.fix
    }
    for _ in range(_PASSES):
        copy = FileCopy(examination)
        data = copy.fixed()
        changes += copy.changes
        source = examination.source
        examination = examine_file(make_source(source.path, data, name=source.name))
        if not any(issue.kind.fix for issue in examination.issues.values()):
            break
    left |= {key: len(issue.items) for key, issue in examination.issues.items()}
    return data, changes, left


def _sound(data: dict) -> dict:
    """Return the content with extra keys only where every JSON reader can read them."""
    annotations = data.get("annotations")
    sound = plain({key: value for key, value in data.items() if key != "annotations"})
    if annotations is not None:
        sound["annotations"] = [plain_annotation(entry) for entry in annotations]
    return sound
