"""List the models by name: those of this package, then the published ones, with their AP.

AP is printed from 0 to 1, as by the other commands; papers and --json give it in percent.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from condinst.model_zoo import Model

# what can be used at once comes first
_WEIGHTS = {"in this package": 0, "online": 1, "none": 2}

_EXAMPLES = """examples:
  %(prog)s
  %(prog)s "boxinst_*"
  %(prog)s boxinst --long
  %(prog)s "*r101*" --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.epilog = _EXAMPLES
    parser.add_argument(
        "pattern", nargs="?", help='part of the names to list, or a pattern such as "boxinst_*"'
    )
    parser.add_argument(
        "--long",
        action="store_true",
        help="print config, links, checksum, license and origin of the weights of each model",
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
        content = [
            dataclasses.asdict(model)
            | {"config": str(model.config), "packaged": model.packaged and str(model.packaged)}
            for model in models
        ]
        print(json.dumps(content, indent=2))
        return 0
    models.sort(key=lambda model: _WEIGHTS[_weights(model)])
    if args.long:
        print("\n\n".join(map(_describe, models)))
        return 0
    rows = [_row(model) for model in models]
    table = [("name", "box AP", "mask AP", "measured on", "weights"), *rows]
    widths = [max(len(row[i]) for row in table) for i in range(5)]
    for name, box, mask, *words in table:
        numbers = f"{name:{widths[0]}}  {box:>{widths[1]}}  {mask:>{widths[2]}}"
        print(f"{numbers}  {words[0]:{widths[3]}}  {words[1]}")
    return 0


def _row(model: Model) -> tuple[str, ...]:
    dataset = "-" if model.box_ap is None else model.dataset
    return (model.name, _number(model.box_ap), _number(model.mask_ap), dataset, _weights(model))


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value / 100:.3f}"


def _weights(model: Model) -> str:
    if model.packaged:
        return "in this package"
    if model.weights is None:
        return "none"
    return "online"


def _describe(model: Model) -> str:
    """Return several lines on a model, with the origin of its weights."""
    lines: list[tuple[str, str | None]] = [
        ("config", str(model.config)),
        ("AP", _published_ap(model)),
    ]
    if model.packaged:
        lines += [("weights", str(model.packaged))]
    elif model.weights is None:
        lines += [("weights", "none are published")]
    else:
        lines += [("weights", model.weights), *(("mirror", url) for url in model.mirrors)]
        checksum = f"sha256 {model.sha256}" if model.sha256 else "none is published"
        lines += [("checksum", checksum)]
    source = " ".join(word for word in (model.repository, model.source_config) if word)
    lines += [("license", model.license), ("source", source), ("note", model.note)]
    text = [f"  {title:9} {content}" for title, content in lines if content]
    return "\n".join([model.name, *text])


def _published_ap(model: Model) -> str:
    if model.box_ap is None:
        return "none"
    test_dev = model.mask_ap_test_dev
    more = "" if test_dev is None else f"; mask {_number(test_dev)} on COCO test-dev"
    return f"box {_number(model.box_ap)}, mask {_number(model.mask_ap)} on {model.dataset}{more}"
