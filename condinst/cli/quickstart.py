"""Run the quickstart: generate images, train a small model, evaluate it, draw its predictions."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from mmengine.runner import find_latest_checkpoint

from condinst.cli import test, train
from condinst.cli.ap_table import ap_table
from condinst.datasets.shapes.generator import make_shapes


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="data/shapes", help="folder of the generated dataset")
    parser.add_argument("--work-dir", default="work_dirs/quickstart", help="folder of the results")
    parser.add_argument(
        "--iters", type=int, help="number of training iterations (default: the config's)"
    )
    return parser.parse_args(argv)


def main(config: Path, argv: list[str] | None = None) -> dict[str, float]:
    """Run all steps, and print a table of AP and the paths of the results.

    Args:
        config: the quickstart's config file.

    Returns:
        The metrics of the validation images.
    """
    args = parse_args(argv)
    start = time.perf_counter()
    written = make_shapes(args.data)
    print(f"{'generated' if written else 'found'} the images in {args.data}", flush=True)

    options = [f"data_root={args.data}/"]
    if args.iters is not None:
        options.append(f"train_cfg.max_iters={args.iters}")
    common = ["--work-dir", args.work_dir, "--cfg-options", *options]
    train.main([str(config), "--seed", "0", *common])
    images = Path(args.work_dir) / "images"
    checkpoint = find_latest_checkpoint(args.work_dir)
    metrics = test.main([str(config), checkpoint, "--show-dir", str(images), *common])

    print("\n" + ap_table(metrics) + "\n")
    print(f"time          {(time.perf_counter() - start) / 60:.1f} minutes")
    print(f"checkpoint    {checkpoint}")
    print(f"results       {Path(args.work_dir) / 'report.html'}")
    print(f"curves        {Path(args.work_dir) / 'curves.png'}")
    print(f"images        {images}  (ground truth left, prediction right)")
    return metrics
