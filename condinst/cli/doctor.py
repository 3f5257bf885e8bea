"""Check the installation and the machine, and with a config its model and data.

With --data, or with a config and --html or --fix, it reports on the data: statistics, issues, and a
fixed copy. The exit code is 1 if a run would fail, else 0; after --fix, it is 1 if a run would
still fail.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from condinst.cli.common import add_cfg_options, read_config
from condinst.cli.doctor_data import add_data_arguments, check_data_arguments, report_on_data
from condinst.cli.early import check_config
from condinst.cli.errors import explain
from condinst.utils.names import printable

if TYPE_CHECKING:
    from condinst.cli.doctor_data import Report
    from condinst.doctor import Finding

_EXAMPLES = """examples:
  %(prog)s
  %(prog)s CONFIG --cfg-options data_root=/data/coco/
  %(prog)s CONFIG --json
  %(prog)s CONFIG --html report.html
  %(prog)s --data train.json val.json --html report.html --fix fixed
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.epilog = _EXAMPLES
    parser.add_argument("config", nargs="?", help="config file, or name of a model (condinst list)")
    parser.add_argument(
        "--work-dir", type=Path, default=Path("work_dirs"), help="folder that runs will write to"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_cfg_options(parser)
    add_data_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Run ``condinst doctor``."""
    if args.cfg_options and not args.config:
        raise ValueError("--cfg-options: expected a config, whose settings they override")
    with_data = check_data_arguments(args)
    if args.config and not args.json:
        check_config(args.config)
    terminal = sys.stdout
    if args.data and not args.json:  # importing PyTorch takes seconds
        print(f"reading {', '.join(map(printable, args.data))} ...", flush=True)

    from condinst.doctor import as_dict, as_text, worst

    color = terminal.isatty() and "NO_COLOR" not in os.environ
    findings: list[Finding] = []
    report = None
    # keep the output of libraries out of the report
    with contextlib.redirect_stdout(sys.stderr if args.debug else io.StringIO()):
        for part, found in _look(args, with_data):
            if not args.json:  # a part at a time: importing PyTorch takes seconds
                before = findings[-1].group if findings else None
                print(as_text(part, color, before), file=terminal, flush=True)
            findings += part
            report = found or report
    everything = [*findings, *report.findings, *report.fixes] if report else findings
    if args.json:
        print(json.dumps(as_dict(everything) | (report.content if report else {}), indent=2))
    else:
        if report:
            before = findings[-1].group if findings else None
            print(as_text([*report.findings, *report.fixes], color, before))
        print(f"\n{_count(everything, report)}")
    if report and args.fix:  # the config was checked with the original data
        everything = [*(f for f in findings if f.name != "data"), *report.fixes]
    return 1 if worst(everything) == "error" else 0


def _count(findings: Sequence[Finding], report: Report | None) -> str:
    """Count the errors and warnings; one that findings and report both have counts once."""
    from condinst.doctor import count_issues

    counted = [
        f
        for f in findings
        if report is None or (f.group, f.name) != ("config", "data") or not report.has_all(f.value)
    ]
    again = " (the config's check and the report name the same)"
    return f"{count_issues(counted)}{again if len(counted) < len(findings) else ''}"


def _look(
    args: argparse.Namespace, with_data: bool
) -> Iterator[tuple[list[Finding], Report | None]]:
    """Yield the findings of one step after the other, and with the last the report on data."""
    if args.data:
        yield [], report_on_data(args, None)
        return
    from condinst.doctor import Finding, installed, machine

    yield installed.check_versions(), None
    yield installed.check_imports(), None
    yield machine.check(args.work_dir), None
    if not args.config:
        return
    try:
        from condinst.doctor import config

        cfg = read_config(args.config, args.cfg_options, parts=())
        yield config.check(cfg), None
        if with_data:
            yield [], report_on_data(args, cfg)
    except Exception as error:  # a missing package, or a config that cannot be read
        text = explain(error) or f"{type(error).__name__}: {error}"
        yield [Finding("config", "config", "error", text)], None
