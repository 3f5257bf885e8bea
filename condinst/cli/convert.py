"""Convert weights of other programs and versions to ours, and ours to the original's."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from condinst.cli.common import make_parser
from condinst.cli.early import check_config, check_file, check_out_file
from condinst.compat import require_packages
from condinst.utils.hub import PREFIX as HUB
from condinst.utils.hub import fetch_from_hub, parse_hub_address
from condinst.utils.names import printable

if TYPE_CHECKING:
    from condinst.checkpoints import Conversion

_EPILOG = """layouts that are recognized:
{layouts}

examples:
  %(prog)s CondInst_MS_R_50_1x.pth --out condinst_r50_fpn_1x.pth
  %(prog)s CondInst_MS_R_50_1x.pth --out condinst_r50_fpn_1x.pth \\
      --config condinst_r50-caffe_fpn_ms-1x_coco_instance
  %(prog)s work_dirs/NAME/iter_90000.pth --out original.pth --to original
  %(prog)s R-50.pkl --out resnet50_msra.pth

Use a backbone's file in a config:
  model.backbone.init_cfg = dict(type="Pretrained", checkpoint="resnet50_msra.pth")
Files are read as weights only: no code in them is run.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    from condinst.checkpoints import LAYOUTS

    layouts = "\n".join(f"  {name:21} {meaning}" for name, meaning in LAYOUTS.items())
    parser.epilog = _EPILOG.format(layouts=layouts)
    parser.add_argument("weights", help="file to read, .pth or .pkl, or hf://OWNER/REPO/FILE")
    parser.add_argument("--out", required=True, metavar="FILE", help="file to write")
    parser.add_argument(
        "--to",
        choices=["condinst", "original"],
        default="condinst",
        help="layout of the written file (default condinst)",
    )
    parser.add_argument(
        "--config",
        help="check that the weights fit this config's model by name and shape: a file, or the "
        "name of a model (condinst list)",
    )


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line of ``tools/convert_checkpoint.py``."""
    prog = "python tools/convert_checkpoint.py"
    return make_parser(prog, __doc__, add_arguments).parse_args(argv)


def main(argv: list[str] | None = None) -> Conversion:
    """Convert a file, and print what was converted."""
    return convert(parse_args(argv))


def run(args: argparse.Namespace) -> int:
    """Run ``condinst convert``."""
    convert(args)
    return 0


def convert(args: argparse.Namespace) -> Conversion:
    """Convert a file, and print what was converted."""
    hub = args.weights.startswith(HUB)
    if hub:
        parse_hub_address(args.weights)
    else:
        check_file("weights", args.weights)
    check_out_file("--out", args.out)
    if args.config:
        check_config(args.config)
    require_packages()
    print(f"reading {printable(args.weights)} ...", flush=True)  # importing PyTorch takes seconds

    from condinst.checkpoints import LAYOUTS, convert_file
    from condinst.model_zoo import resolve_config

    config = resolve_config(args.config) if args.config else None
    source = fetch_from_hub(args.weights) if hub else args.weights
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


def _short(names: tuple[str, ...], most: int = 10) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(printable, names[:most])) + more
