"""Compare this package with mmdet's CondInst, in one process, alternately, on real images."""

from __future__ import annotations

import argparse
import datetime
import importlib
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from condinst.utils.files import check_writable

if TYPE_CHECKING:
    from benchmarks.measure import Comparison

PARTS = (
    "annotations",
    "mask_head",
    "mask_targets",
    "pipeline",
    "mixing",
    "inference",
    "training",
    "switches",
    "evaluation",
    "deploy",
    "rtmdet_inference",
    "rtmdet_training",
    "rtmdet_pipeline",
    "rtmdet_deploy",
)

_MANY = {"annotations": 118_000, "evaluation": 5000}  # default number of images of these parts

_EXAMPLES = """examples:
  %(prog)s data/coco
  %(prog)s data/coco --parts mask_head inference --rounds 30
  %(prog)s --parts mixing    (needs no data)
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command line."""
    parser.epilog = _EXAMPLES
    parser.add_argument(
        "root",
        type=Path,
        nargs="?",
        default=Path("data/coco"),
        help="folder of a dataset in COCO's layout (default data/coco); the part mixing needs none",
    )
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="what to measure")
    parser.add_argument(
        "--rounds", type=int, default=15, help="calls of each implementation (default 15)"
    )
    parser.add_argument(
        "--num-images",
        type=int,
        default=40,
        help="number of images, in parts that use many (default 40; evaluation: 5000; "
        "annotations: 118000)",
    )
    parser.add_argument("--device", help="cpu or cuda (default: cuda if there is a GPU)")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("work_dirs/benchmark"),
        help="folder of the written files (default work_dirs/benchmark)",
    )
    parser.add_argument(
        "--ultralytics-python",
        metavar="PYTHON",
        help="Python of an environment with ultralytics, whose models rtmdet_deploy measures too",
    )
    parser.add_argument("--name", help="name of the written files (default: device and date)")


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line of ``tools/benchmark.py``."""
    parser = argparse.ArgumentParser(
        prog="python tools/benchmark.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_arguments(parser)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> list[Comparison]:
    """Run the parts, print each result when it is known, and write JSON, a table and an image."""
    words = sys.argv[1:] if argv is None else argv
    args = parse_args(words)
    import torch

    from benchmarks.report import write_report

    args.device = args.device or ("cuda" if torch.cuda.is_available() else "cpu")
    for split in ("train", "val") if set(args.parts) != {"mixing"} else ():
        path = args.root / f"annotations/instances_{split}2017.json"
        if not path.is_file():
            raise FileNotFoundError(f"{path} is not a file: the benchmark needs COCO's layout")
    if args.rounds < 1 or args.num_images < 1:
        raise ValueError(
            f"--rounds {args.rounds} --num-images {args.num_images}: expected 1 or more"
        )
    check_writable("--out", args.out)
    found = measure(args)
    name = args.name or f"{args.device}_{datetime.date.today()}"
    for path in write_report(
        args.out, name, found, args.device, shlex.join(["python", "tools/benchmark.py", *words])
    ):
        print(f"wrote {path}")
    return found


def measure(args: argparse.Namespace) -> list[Comparison]:
    """Measure the requested parts, and print the results of each part when it is done."""
    from benchmarks.models import Context
    from benchmarks.report import as_line

    # import all parts first: a missing package of a late part must not cost hours of early parts
    modules = {part: importlib.import_module(f"benchmarks.{part}") for part in args.parts}
    found: list[Comparison] = []
    for part, module in modules.items():
        print(f"== {part}", flush=True)
        context = Context(
            args.root,
            args.device,
            args.rounds,
            _MANY.get(part, 40) if args.num_images == 40 else args.num_images,
            args.ultralytics_python,
        )
        for comparison in module.run(context):
            print(as_line(comparison), flush=True)
            found.append(comparison)
    return found
