"""Look through the installation and the machine, and with a config its model and data.

The exit code is 1 where something will make a run fail, 0 otherwise.
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

from .common import add_cfg_options, explain, read_config

if TYPE_CHECKING:
    from condinst.doctor import Finding

_EXAMPLES = """examples:
  %(prog)s
  %(prog)s CONFIG --cfg-options data_root=/data/coco/
  %(prog)s CONFIG --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    parser.epilog = _EXAMPLES
    parser.add_argument("config", nargs="?", help="config file, or name of a model (condinst list)")
    parser.add_argument(
        "--work-dir", type=Path, default=Path("work_dirs"), help="folder that runs will write to"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_cfg_options(parser)


def run(args: argparse.Namespace) -> int:
    """What ``condinst doctor`` does."""
    from condinst.doctor import as_dict, as_text, worst

    if args.cfg_options and not args.config:
        raise ValueError("--cfg-options: expected a config, whose settings they override")
    # what libraries print would be between the findings
    with contextlib.redirect_stdout(sys.stderr if args.debug else io.StringIO()):
        findings = _look(args)
    if args.json:
        print(json.dumps(as_dict(findings), indent=2))
    else:
        color = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        print(as_text(findings, color))
    return 1 if worst(findings) == "error" else 0


def _look(args: argparse.Namespace) -> list[Finding]:
    from condinst.doctor import Finding, machine, packages

    findings = packages.check() + machine.check(args.work_dir)
    if not args.config:
        return findings
    try:
        from condinst.doctor import config

        return findings + config.check(read_config(args.config, args.cfg_options))
    except Exception as error:  # a package that is missing, or a config that cannot be read
        text = explain(error) or f"{type(error).__name__}: {error}"
        return [*findings, Finding("config", "config", "error", text)]
