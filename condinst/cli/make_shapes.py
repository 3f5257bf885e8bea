"""Generate the dataset "shapes": images of colored shapes, with annotations in COCO format."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from condinst.cli.common import check_writable, make_parser
from condinst.cli.values import check_least, check_range
from condinst.utils.names import printable
from condinst.utils.words import counted

_EXAMPLES = """examples:
  %(prog)s
  %(prog)s --out data/mine --train 100 --val 20 --size 256 --seed 1
"""


class ImageCounter:
    """Print how many images are written, every few seconds."""

    def __init__(self, seconds: float = 5.0) -> None:
        self.seconds = seconds
        self.last = time.monotonic()

    def __call__(self, number: int, total: int) -> None:
        """Take the number of images that are written, and of all."""
        now = time.monotonic()
        if now - self.last >= self.seconds and number < total:
            self.last = now
            print(f"{number:,} of {total:,} images", flush=True)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.epilog = _EXAMPLES
    parser.add_argument(
        "--out",
        default="data/shapes",
        metavar="FOLDER",
        help="output folder: new, empty, or written by this command (default data/shapes)",
    )
    parser.add_argument(
        "--train", type=int, default=1000, help="number of training images (default 1000)"
    )
    parser.add_argument(
        "--val", type=int, default=60, help="number of validation images (default 60)"
    )
    parser.add_argument(
        "--size", type=int, default=128, help="width and height in pixels (default 128)"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the images (default 0)")


def main(argv: list[str] | None = None) -> None:
    """Generate the dataset from the command line of ``tools/make_shapes.py``."""
    run(make_parser("python tools/make_shapes.py", __doc__, add_arguments).parse_args(argv))


def run(args: argparse.Namespace) -> int:
    """Run ``condinst make-shapes``."""
    for option, value in (("--train", args.train), ("--val", args.val)):
        check_least(option, value)
    check_range("--seed", args.seed, 0, 2**32 - 1)
    check_writable("--out", Path(args.out))
    number = f"{counted(args.train, 'training image')} and {counted(args.val, 'validation image')}"
    print(f"{number} of {args.size} x {args.size} pixels in {printable(args.out)} ...", flush=True)

    from condinst.datasets.shapes.generator import make_shapes

    written = make_shapes(
        args.out,
        num_train=args.train,
        num_val=args.val,
        size=args.size,
        seed=args.seed,
        on_image=ImageCounter(),
    )
    print("written" if written else "already there, unchanged")
    return 0
