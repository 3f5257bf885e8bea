"""Run the quickstart: generate images, train a small model, evaluate it, draw its predictions."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from condinst.cli.common import check_writable, make_parser
from condinst.cli.early import check_least
from condinst.cli.make_shapes import ImageCounter
from condinst.compat.base_configs import shipped_config
from condinst.utils.names import printable

_EXAMPLES = """examples:
  %(prog)s
  %(prog)s --iters 20 --work-dir work_dirs/short
"""
CONFIG = "quickstart_condinst_r18_fpn_shapes.py"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.epilog = _EXAMPLES
    parser.add_argument("--data", default="data/shapes", help="folder of the generated dataset")
    parser.add_argument("--work-dir", default="work_dirs/quickstart", help="folder of the results")
    parser.add_argument(
        "--iters", type=int, help="number of training iterations (default: the config's)"
    )


def main(argv: list[str] | None = None) -> dict[str, float]:
    """Run all steps from the command line of ``tools/quickstart.py``."""
    prog = "python tools/quickstart.py"
    return quickstart(make_parser(prog, __doc__, add_arguments).parse_args(argv))


def run(args: argparse.Namespace) -> int:
    """Run ``condinst quickstart``."""
    quickstart(args)
    return 0


def quickstart(args: argparse.Namespace) -> dict[str, float]:
    """Run all steps, and print a table of AP and the paths of the results.

    Returns:
        The metrics of the validation images.
    """
    check_least("--iters", args.iters)
    check_writable("--data", Path(args.data))
    check_writable("--work-dir", Path(args.work_dir))
    config = str(shipped_config(CONFIG))
    start = time.perf_counter()
    print(f"images   {printable(args.data)}", flush=True)  # generating them takes seconds

    from condinst.datasets.shapes.generator import make_shapes

    written = make_shapes(args.data, on_image=ImageCounter())
    print(f"         {'generated' if written else 'already there'}", flush=True)

    from mmengine.runner import find_latest_checkpoint

    from condinst.cli import test, train
    from condinst.cli.ap_table import ap_table

    options = [f"data_root={args.data}/"]
    if args.iters is not None:
        options.append(f"train_cfg.max_iters={args.iters}")
    common = ["--work-dir", args.work_dir, "--cfg-options", *options]
    train.main([config, "--seed", "0", *common])
    images = Path(args.work_dir) / "images"
    checkpoint = find_latest_checkpoint(args.work_dir)
    metrics = test.main([config, checkpoint, "--show-dir", str(images), *common])

    print("\n" + ap_table(metrics) + "\n")
    print(f"time          {(time.perf_counter() - start) / 60:.1f} minutes")
    print(f"checkpoint    {printable(checkpoint)}")
    print(f"results       {printable(Path(args.work_dir) / 'report.html')}")
    print(f"curves        {printable(Path(args.work_dir) / 'curves.png')}")
    print(f"images        {printable(images)}  (ground truth left, prediction right)")
    return metrics
