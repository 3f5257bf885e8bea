"""Write the results of a training as one page: report.html.

The page has losses and AP over the iterations, AP by class and size, precision and recall, the best
score threshold, a confusion matrix, the cost of each kind of error, and the best and worst images.
It is made from the files in the work folder and the validation images; a training also writes it at
its end. A page that shows more than the new one would is kept, for example if the data have moved.
The config in the folder is read as plain values; only --run-config runs it.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from condinst.cli.common import add_cfg_options, check_html, read_config
from condinst.cli.early import check_exists
from condinst.utils.names import printable
from condinst.utils.words import counted, without_error_numbers

if TYPE_CHECKING:
    from condinst.report.run import Run

_EXAMPLES = """examples:
  %(prog)s work_dirs/NAME
  %(prog)s work_dirs/NAME --predictions best --out best.html
  %(prog)s work_dirs/NAME --cfg-options data_root=/data/mine/
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.epilog = _EXAMPLES
    parser.add_argument("work_dir", type=Path, help="work folder of a training")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE.html",
        help="the page (default: report.html in the work folder)",
    )
    parser.add_argument(
        "--predictions",
        choices=["last", "best"],
        default="last",
        help="predictions of the last or of the best validation (default last)",
    )
    parser.add_argument(
        "--run-config",
        action="store_true",
        help="run the folder's config as a program, with the modules that it imports; needed for "
        "your own dataset classes, safe only in folders that you trust",
    )
    add_cfg_options(parser)


def run(args: argparse.Namespace) -> int:
    """Run ``condinst report``."""
    check_exists("work folder", args.work_dir, "folder")
    if args.out is not None:
        check_html("--out", args.out)

    from condinst.report.run import read_run

    found = read_run(args.work_dir)
    print(f"{printable(args.work_dir)}: {_validations(found)}", flush=True)
    if args.cfg_options:  # a path that is typed here is meant from here
        found.folders.insert(0, Path.cwd())
    if args.run_config:
        cfg = read_config(str(found.config), args.cfg_options, parts=())
    else:
        from condinst.config.plain_config import read_plain_config

        cfg = read_plain_config(found.config)
        from condinst.config.overrides import override

        override(cfg, dict(args.cfg_options), parts=())

    from condinst.report.report_page import write_report

    path, missing = write_report(found, cfg, args.out, which=args.predictions, keep=True)
    for part in missing:
        print(f"not in the report: {printable(without_error_numbers(part))}")
    print(f"wrote {printable(path)}")
    return 0


def _validations(run: Run) -> str:
    """Return how many validations there were, or the last one where only that is noted."""
    logged = len(next(iter(run.curves.metrics.values()), ())) if run.curves else 0
    noted: Any = run.info.get("validations")
    for key in ("last", "iteration"):
        noted = noted.get(key) if isinstance(noted, dict) else None
    if not logged and isinstance(noted, int):
        return f"last validation after {counted(noted, 'iteration')}"
    return counted(logged, "validation")
