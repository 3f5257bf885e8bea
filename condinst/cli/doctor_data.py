"""Report on datasets for ``condinst doctor``: statistics, issues, and a fixed copy."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from condinst.cli.common import check_html, check_writable
from condinst.cli.early import check_file, check_folder
from condinst.cli.output_places import check_not_read

if TYPE_CHECKING:
    from mmengine.config import Config

    from condinst.data_report import ReportSource
    from condinst.doctor import Finding


def add_data_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the report on data."""
    group = parser.add_argument_group("report on data")
    group.add_argument(
        "--data",
        nargs="+",
        metavar="ANN.json",
        help="annotation files in COCO's format to report on, instead of those of a config; the "
        "first one counts as training data",
    )
    group.add_argument(
        "--images",
        nargs="+",
        metavar="DIR",
        help="image folder of each file of --data (default: a folder near the file)",
    )
    group.add_argument(
        "--html",
        type=Path,
        metavar="FILE",
        help="write the report as a page, and its numbers to files beside it",
    )
    group.add_argument(
        "--fix",
        type=Path,
        metavar="OUT_DIR",
        help="write fixed copies of the annotation files to OUT_DIR/annotations; your files and "
        "images are not changed",
    )
    group.add_argument(
        "--deep", action="store_true", help="decode all images, instead of 1000 per dataset"
    )


def check_data_arguments(args: argparse.Namespace) -> bool:
    """Check the arguments, and tell whether there are data to report on.

    Raises:
        ValueError: arguments contradict each other, or a folder cannot be written to.
    """
    if args.data and args.config:
        raise ValueError("--data: expected either annotation files or a config, got both")
    if args.images and len(args.images) != len(args.data or ()):
        raise ValueError(
            f"--images: expected a folder for each file of --data, got {len(args.images)} for "
            f"{len(args.data or ())}"
        )
    asked = [name for name in ("html", "fix", "deep") if getattr(args, name)]
    if asked and not (args.data or args.config):
        raise ValueError(f"--{asked[0]}: expected a config, or --data with annotation files")
    for path in args.data or ():
        if Path(path).is_dir():
            inside = sorted(map(str, [*Path(path).glob("*.json"), *Path(path).glob("*/*.json")]))
            hint = f", such as {inside[0]}" if inside else ""
            raise ValueError(f"--data {path}: is a folder, expected annotation files{hint}")
        check_file("--data", path)
    for folder in args.images or ():
        check_folder("--images", folder)
    if args.html:
        if args.html.is_dir():
            raise ValueError(f"--html {args.html}: expected the name of a file, this is a folder")
        check_writable("--html", args.html.parent)
        check_not_read("--html", args.html, *(args.data or ()), args.config)
        check_html("--html", args.html)
    if args.fix:
        check_writable("--fix", args.fix)
        _check_fix(args.fix)
    return bool(asked or args.data)


def _check_fix(out: Path) -> None:
    """Refuse a folder with files of others: a copy in a dataset's folder would pass for its file.

    An earlier ``--fix`` leaves ``fixes.csv``; which of its copies exist is checked with the data.
    """
    if not out.is_dir() or (out / "fixes.csv").is_file():
        return
    other = next((p for p in sorted(out.iterdir()) if p.name != "annotations"), None)
    other = other or next(iter(sorted((out / "annotations").glob("*"))), None)
    if other is not None:
        raise ValueError(
            f"--fix {out}: {other.relative_to(out)} lies there; choose a new or empty folder"
        )


@dataclass
class Report:
    """The report on datasets.

    Attributes:
        findings: statistics and issues.
        fixes: what was fixed, what is left, and which files were written.
        content: the whole report as values that JSON can hold.
        broken: for each annotation file, the places in it with which a training fails.
    """

    findings: list[Finding]
    fixes: list[Finding] = field(default_factory=list)
    content: dict[str, Any] = field(default_factory=dict)
    broken: dict[str, list[str]] = field(default_factory=dict)

    def has_all(self, problems: str) -> bool:
        """Tell whether each line but the first names a file and a place that ``broken`` has."""
        lines = problems.split("\n")[1:]
        return bool(lines) and all(
            any(
                path in line and any(place in line for place in places)
                for path, places in self.broken.items()
            )
            for line in lines
        )


def report_on_data(args: argparse.Namespace, cfg: Config | None) -> Report:
    """Examine the data of ``--data`` or of a config, and write the requested files.

    Raises:
        ValueError: the data cannot be read.
        OSError: a file cannot be written.
    """
    from condinst.data_report import (
        as_dict,
        check_folder,
        examine,
        findings,
        fix_files,
        fix_findings,
        places_of_errors,
        write_page,
    )
    from condinst.data_report.config_sources import read_config_sources
    from condinst.doctor import Finding

    progress = _progress_printer()
    from_config = None if cfg is None else read_config_sources(cfg)
    sources = from_config.sources if from_config else _read(args, progress)
    training = from_config.training if from_config else None
    if args.fix:
        check_folder(sources, args.fix)
    examinations = examine(sources, deep=args.deep, training=training, progress=progress)
    fixed = fix_files(examinations, args.fix) if args.fix else []
    report = Report(findings(examinations), fix_findings(fixed))
    report.content = as_dict(examinations, fixed)
    report.broken = {e.source.path: places_of_errors(e) for e in examinations}
    if fixed:
        table = str(args.fix / "fixes.csv")
        report.fixes.append(Finding("fixed", "every fix", "ok", table))
    if fixed and from_config:
        text = f"--cfg-options {from_config.options(fixed)}"
        report.fixes.append(Finding("fixed", "to train on them", "ok", text))
    if args.html:
        progress("the page")
        page = write_page(args.html, examinations, fixed)
        report.content["html"] = str(page)
        report.fixes.append(Finding("report", "page", "ok", str(page)))
    return report


def _read(args: argparse.Namespace, progress: Callable[[str], None]) -> list[ReportSource]:
    from condinst.data_report import read_source

    stems = Counter(Path(path).stem for path in args.data)
    sources = []
    for index, path in enumerate(args.data):
        progress(f"reading {path}")
        # Roboflow's files have one name, so they are named by their folders
        name = Path(path).absolute().parent.name if stems[Path(path).stem] > 1 else None
        sources.append(read_source(path, args.images[index] if args.images else None, name))
    names = Counter(source.name for source in sources)
    if max(names.values()) > 1:
        raise ValueError(
            f"--data: expected different names, two files are named {names.most_common(1)[0][0]!r}"
        )
    return sources


def _progress_printer() -> Callable[[str], None]:
    """Return a function that prints each step on a terminal, because large data take minutes."""
    if not sys.stderr.isatty():
        return lambda text: None
    return lambda text: print(f"... {text}", file=sys.stderr, flush=True)
