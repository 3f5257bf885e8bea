"""Run the quickstart: generate images, train a small model, evaluate it, draw its predictions."""

from __future__ import annotations

import argparse
import contextlib
import io
import shlex
import shutil
import sys
import time
from pathlib import Path

from condinst.cli.common import check_writable, make_parser
from condinst.cli.make_shapes import ImageCounter
from condinst.cli.values import check_least
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
    """Run all steps, and print where the results are.

    Training ends with the table of AP. The test that draws the images gives the same one, so its
    output is left out.

    Returns:
        The metrics of the validation images.
    """
    check_least("--iters", args.iters)
    check_writable("--data", Path(args.data))
    check_writable("--work-dir", Path(args.work_dir))
    config = str(shipped_config(CONFIG))
    start = time.perf_counter()
    print(f"data     {printable(args.data)}", flush=True)  # generating the images takes seconds

    from condinst.datasets.shapes.generator import make_shapes

    written = make_shapes(args.data, on_image=ImageCounter())
    print(f"         {'generated' if written else 'already there'}", flush=True)

    from mmengine.runner import find_latest_checkpoint

    from condinst.cli import test, train

    options = [f"data_root={args.data}/"]
    if args.iters is not None:
        options.append(f"train_cfg.max_iters={args.iters}")
    common = ["--work-dir", args.work_dir, "--cfg-options", *options]
    train.main([config, "--seed", "0", *common])
    images = Path(args.work_dir) / "images"
    checkpoint = find_latest_checkpoint(args.work_dir)
    print(f"images   {printable(images)}: ground truth left, prediction right", flush=True)
    with contextlib.redirect_stdout(io.StringIO()):
        metrics = test.main([config, checkpoint, "--show-dir", str(images), *common])
    print(f"took     {(time.perf_counter() - start) / 60:.1f} minutes")
    print(_next_steps(args.data, args.work_dir, checkpoint))
    return metrics


def _next_steps(data: str, work_dir: str, checkpoint: str) -> str:
    """Return the commands that follow, with the paths of this run."""
    image = next(iter(sorted(Path(data).glob("val/*.png"))), "IMAGE")
    program = "condinst"
    script = Path(sys.executable).with_name("condinst")
    if shutil.which(program) is None and script.exists():  # of an environment that is not active
        program = _word(script)
    return f"""next:
  {program} predict {_word(checkpoint)} {_word(image)} --out found
  {program} report {_word(work_dir)}   # AP by class and size, errors: report.html
  {program} new mine --data FOLDER   # a config for your own images and annotations"""


def _word(path: str | Path) -> str:
    """Return a path as it can be typed, relative to the current folder if it is inside."""
    path, here = Path(path), Path.cwd()
    return shlex.quote(printable(path.relative_to(here) if path.is_relative_to(here) else path))
