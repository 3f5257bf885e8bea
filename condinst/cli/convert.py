"""Convert weights of other programs and versions to ours, and ours to the original's."""

from __future__ import annotations

import argparse

from condinst.convert import LAYOUTS, Conversion, convert_file

_EPILOG = """what is read (recognised by itself):
{layouts}

examples:
  python tools/convert_checkpoint.py CondInst_MS_R_50_1x.pth condinst_r50_fpn_1x.pth
  python tools/convert_checkpoint.py CondInst_MS_R_50_1x.pth condinst_r50_fpn_1x.pth \\
      --config configs/condinst_r50-caffe_fpn_ms-1x_coco_instance.py
  python tools/convert_checkpoint.py work_dirs/NAME/iter_90000.pth original.pth --to original
  python tools/convert_checkpoint.py R-50.pkl resnet50_msra.pth

A backbone's file is for a config:
  model.backbone.init_cfg = dict(type="Pretrained", checkpoint="resnet50_msra.pth")
Files are read as weights only: nothing in them is run.
"""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    layouts = "\n".join(f"  {name:21} {meaning}" for name, meaning in LAYOUTS.items())
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=_EPILOG.format(layouts=layouts),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("source", help="weight file, .pth or .pkl")
    parser.add_argument("target", help="file to write")
    parser.add_argument(
        "--to",
        choices=["condinst", "original"],
        default="condinst",
        help="layout of the written file (default condinst)",
    )
    parser.add_argument(
        "--config", help="config of the model that the weights must fit, by name and shape"
    )
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> Conversion:
    """Convert a file, and say what became of it."""
    args = parse_args(argv)
    done = convert_file(args.source, args.target, to=args.to, config=args.config)
    print(f"read {args.source}: {done.layout} ({LAYOUTS[done.layout]})")
    for what, names in (
        ("tensors left out", done.dropped),
        ("not kept", done.not_kept),
    ):
        if names:
            print(f"{what}: {_short(names)}")
    fits = f", which fit the model of {args.config}" if args.config else ""
    print(f"wrote {args.target}: {done.num_tensors} tensors in the layout {args.to}{fits}")
    return done


def _short(names: tuple[str, ...], most: int = 10) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
