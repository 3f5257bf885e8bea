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
from pathlib import Path
from typing import TYPE_CHECKING

from condinst.cli.common import add_cfg_options, read_config
from condinst.cli.doctor_data import add_data_arguments, check_data_arguments, report_on_data
from condinst.cli.errors import explain

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
    from condinst.doctor import as_dict, as_text, worst

    if args.cfg_options and not args.config:
        raise ValueError("--cfg-options: expected a config, whose settings they override")
    with_data = check_data_arguments(args)
    # keep the output of libraries out of the report
    with contextlib.redirect_stdout(sys.stderr if args.debug else io.StringIO()):
        findings, report = _look(args, with_data)
    everything = [*findings, *report.findings, *report.fixes] if report else findings
    if args.json:
        print(json.dumps(as_dict(everything) | (report.content if report else {}), indent=2))
    else:
        color = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        print(as_text(everything, color))
    if report and args.fix:  # the config was checked with the original data
        everything = [*(f for f in findings if f.name != "data"), *report.fixes]
    return 1 if worst(everything) == "error" else 0


def _look(args: argparse.Namespace, with_data: bool) -> tuple[list[Finding], Report | None]:
    if args.data:
        return [], report_on_data(args, None)
    from condinst.doctor import Finding, installed, machine

    findings = installed.check() + machine.check(args.work_dir)
    if not args.config:
        return findings, None
    try:
        from condinst.doctor import config

        cfg = read_config(args.config, args.cfg_options, parts=())
        findings += config.check(cfg)
        return findings, report_on_data(args, cfg) if with_data else None
    except Exception as error:  # a missing package, or a config that cannot be read
        text = explain(error) or f"{type(error).__name__}: {error}"
        return [*findings, Finding("config", "config", "error", text)], None
