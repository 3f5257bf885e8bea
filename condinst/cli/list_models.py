"""List the published models by name, with their AP on COCO val2017."""

from __future__ import annotations

import argparse
import dataclasses
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from condinst.model_zoo import Model

_EXAMPLES = """examples:
  %(prog)s
  %(prog)s "boxinst_*"
  %(prog)s "*r101*" --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.epilog = _EXAMPLES
    parser.add_argument(
        "pattern", nargs="?", help='part of the names to list, or a pattern such as "boxinst_*"'
    )
    parser.add_argument("--json", action="store_true", help="print everything in the index as JSON")


def run(args: argparse.Namespace) -> int:
    """Run ``condinst list``."""
    from condinst.model_zoo import get, list_models

    pattern = args.pattern
    if pattern and not any(mark in pattern for mark in "*?["):
        pattern = f"*{pattern}*"  # part of a name
    models = [get(name) for name in list_models(pattern)]
    if not models:
        raise ValueError(
            f"{args.pattern}: no model has such a name; condinst list prints all names"
        )
    if args.json:
        content = [dataclasses.asdict(m) | {"config": str(m.config)} for m in models]
        print(json.dumps(content, indent=2))
        return 0
    width = max(len(model.name) for model in models)
    print(f"{'name':{width}}  box AP  mask AP  weights")
    for model in models:
        numbers = f"{_number(model.box_ap):>6}  {_number(model.mask_ap):>7}"
        print(f"{model.name:{width}}  {numbers}  {_weights(model)}")
    return 0


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _weights(model: Model) -> str:
    if model.weights is None:
        return "none"
    return "no longer online" if model.gone else "online"
