"""Convert weights of other programs and versions to ours, and ours to the original's.

With --release, write the file of a training's checkpoint that is handed on: the weights (their
moving average, where the training had one), the class names and the config of the prediction,
without optimizer and paths, under a name with a checksum.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from condinst.cli.common import make_parser
from condinst.cli.early import check_config, check_content, check_file, check_out_file
from condinst.cli.output_places import check_not_read
from condinst.cli.values import check_range
from condinst.compat import require_packages
from condinst.compat.checkpoint_file import PICKLES
from condinst.utils.hub import PREFIX as HUB
from condinst.utils.hub import fetch_from_hub, parse_hub_address
from condinst.utils.names import printable

if TYPE_CHECKING:
    from condinst.checkpoints import Conversion
    from condinst.checkpoints.release import Release

_EPILOG = """layouts that are recognized:
{layouts}

examples:
  %(prog)s CondInst_MS_R_50_1x.pth --out condinst_r50_fpn_1x.pth
  %(prog)s CondInst_MS_R_50_1x.pth --out condinst_r50_fpn_1x.pth \\
      --config condinst_r50-caffe_fpn_ms-1x_coco_instance
  %(prog)s work_dirs/NAME/iter_90000.pth --out original.pth --to original
  %(prog)s R-50.pkl --out resnet50_msra.pth
  %(prog)s iter_90000.pth --out weights.safetensors
  %(prog)s --release work_dirs/NAME/iter_90000.pth --out mine.safetensors --half

Use a backbone's file in a config:
  model.backbone.init_cfg = dict(type="Pretrained", checkpoint="resnet50_msra.pth")
Files are read as weights only: no code in them is run.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    from condinst.checkpoints import LAYOUTS

    layouts = "\n".join(f"  {name:21} {meaning}" for name, meaning in LAYOUTS.items())
    parser.epilog = _EPILOG.format(layouts=layouts)
    parser.add_argument(
        "weights", help="file to read, .pth, .safetensors or .pkl, or hf://OWNER/REPO/FILE"
    )
    parser.add_argument(
        "--out",
        metavar="FILE",
        help="file to write, .pth or .safetensors, or .pkl in the original's layout; with "
        "--release, NAME.safetensors becomes NAME-CHECKSUM.safetensors (default: the name of the "
        "training, beside the checkpoint)",
    )
    parser.add_argument(
        "--to",
        choices=["condinst", "original"],
        default="condinst",
        help="layout of the written file (default condinst)",
    )
    parser.add_argument(
        "--config",
        help="check that the weights fit this config's model by name and shape: a file, or the "
        "name of a model (condinst list); with --release, the config that the file gets, if the "
        "checkpoint has none",
    )
    released = parser.add_argument_group("release")
    released.add_argument(
        "--release", action="store_true", help="write the file that is handed on, see above"
    )
    released.add_argument(
        "--half", action="store_true", help="store the weights in float16: half of the size"
    )
    released.add_argument(
        "--score-thr",
        type=float,
        metavar="X",
        help="the score from which on a detection is worth showing, for the card of condinst push",
    )
    released.add_argument("--license", metavar="NAME", help="license of the weights")


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line of ``tools/convert_checkpoint.py``."""
    prog = "python tools/convert_checkpoint.py"
    return make_parser(prog, __doc__, add_arguments).parse_args(argv)


def main(argv: list[str] | None = None) -> Conversion | Release:
    """Convert a file, and print what was converted."""
    return convert(parse_args(argv))


def run(args: argparse.Namespace) -> int:
    """Run ``condinst convert``."""
    convert(args)
    return 0


def convert(args: argparse.Namespace) -> Conversion | Release:
    """Convert a file, and print what was converted.

    Raises:
        FileNotFoundError, ValueError: a file or an option is wrong; nothing is written.
    """
    _check(args)
    hub = args.weights.startswith(HUB)
    if hub:
        parse_hub_address(args.weights)
    else:
        check_file("weights", args.weights)
        check_content(Path(args.weights), () if args.release else PICKLES)
    if args.out is not None:
        check_out_file("--out", args.out)
        check_not_read("--out", args.out, None if hub else args.weights, args.config)
    if args.config:
        check_config(args.config)
    require_packages()
    print(f"reading {printable(args.weights)} ...", flush=True)  # importing PyTorch takes seconds

    from condinst.checkpoints import LAYOUTS, convert_file
    from condinst.model_zoo import resolve_config

    config = resolve_config(args.config) if args.config else None
    source = fetch_from_hub(args.weights) if hub else args.weights
    if args.release:
        return _release(args, source, config)
    done = convert_file(source, args.out, to=args.to, config=config)
    print(f"read {printable(args.weights)}: {done.layout} ({LAYOUTS[done.layout]})")
    for what, names in (
        ("tensors left out", done.dropped),
        ("not kept", done.not_kept),
    ):
        if names:
            print(f"{what}: {_short(names)}")
    fits = f", which fit the model of {printable(args.config)}" if args.config else ""
    print(f"wrote {printable(args.out)}: {done.num_tensors} tensors in the layout {args.to}{fits}")
    return done


def _check(args: argparse.Namespace) -> None:
    if args.release:
        if args.to != "condinst":
            raise ValueError(f"--to {args.to}: a release has our layout; leave out one of the two")
        check_range("--score-thr", args.score_thr)
        if args.out is not None and not args.out.endswith((".safetensors", ".pth")):
            raise ValueError(f"--out {args.out}: expected a name that ends in .safetensors or .pth")
        if args.out is None and args.weights.startswith(HUB):
            raise ValueError("--out: expected, to say where the file of the Hub is written")
        return
    if args.out is None:
        raise ValueError("--out: expected the name of the file to write, such as weights.pth")
    for option, value in (
        ("--half", args.half),
        ("--score-thr", args.score_thr is not None),
        ("--license", args.license is not None),
    ):
        if value:
            raise ValueError(f"{option}: is for --release")


def _release(args: argparse.Namespace, source: str | Path, config: str | None) -> Release:
    from condinst.checkpoints.release import default_name, release

    out = args.out if args.out is not None else default_name(source)
    done = release(
        source,
        out,
        config=config,
        half=args.half,
        score_thr=args.score_thr,
        license=args.license,
    )
    if done.is_averaged:
        print("weights: the moving average of the training")
    if done.not_kept:
        print(f"not kept: {_short(done.not_kept)}")
    size = done.path.stat().st_size / 1e6
    print(f"wrote {printable(done.path)}: {done.num_tensors} tensors, {size:.1f} MB")
    return done


def _short(names: tuple[str, ...], most: int = 10) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(printable, names[:most])) + more
