"""Train with mmdet's modules and with ours from the same weights; compare AP and time.

    python tools/compare_training.py configs/nuclei/nuclei_condinst_r18_fpn.py --out work_dirs/n
    python tools/compare_training.py --eight-images data/coco --out work_dirs/eight \\
        --seeds 0 1 2 3 4

Options of `condinst train` after `--` apply to ours only: `-- --amp bfloat16 --channels-last`.
A training that an earlier call has finished is not repeated.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from condinst.cli import common, errors

if TYPE_CHECKING:
    from mmengine.config import Config

RUNS = ("mmdet", "ours")


def main(argv: list[str] | None = None) -> None:
    """Run both trainings of each seed one after the other, then write the comparison."""
    words = sys.argv[1:] if argv is None else argv
    ours_words = words[words.index("--") + 1 :] if "--" in words else []
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", nargs="?", help="config file, or name of a model (condinst list)")
    parser.add_argument(
        "--eight-images",
        type=Path,
        metavar="FOLDER",
        help="in place of a config: learn eight images of this dataset in COCO's layout by heart",
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="folder of the runs and of the comparison"
    )
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=[0], metavar="N", help="default: the seed 0"
    )
    parser.add_argument(
        "--only",
        choices=(*RUNS, "report"),
        help="run one training, or write the comparison of finished ones (default: all)",
    )
    common.add_cfg_options(parser)
    args = parser.parse_args(words[: words.index("--")] if "--" in words else words)
    if (args.config is None) == (args.eight_images is None):
        raise ValueError("expected a config or --eight-images FOLDER, one of the two")

    sys.path.insert(
        0, str(Path(__file__).resolve().parents[1])
    )  # for benchmarks/, which is not installed
    from benchmarks import learning
    from condinst.utils.environment import machine

    args.out.mkdir(parents=True, exist_ok=True)
    if args.only != "report":
        cfg = _config(args)
        for seed in args.seeds:
            for name in RUNS if args.only is None else (args.only,):
                _run(cfg, args.out / f"seed_{seed}", name, seed, ours_words)
    if args.only in (None, "report"):
        theirs, ours = (
            [learning.read_learning(args.out / f"seed_{seed}" / name, name) for seed in args.seeds]
            for name in RUNS
        )
        print("\n".join(learning.as_lines(learning.spreads(theirs, ours))))
        command = shlex.join(["python", "tools/compare_training.py", *words])
        about = machine("cpu") | {"command": command}
        for path in learning.write(args.out, about, args.seeds, theirs, ours):
            print(f"wrote {path}")


def _config(args: argparse.Namespace) -> Config:
    if args.config is not None:
        return common.read_config(args.config, args.cfg_options)
    from benchmarks.eight_images import eight_images_config, write_subset

    annotations = args.out / "eight_images.json"
    write_subset(args.eight_images, annotations)
    cfg = eight_images_config(args.eight_images, annotations)
    if args.cfg_options:
        cfg.merge_from_dict(args.cfg_options)
    return cfg


def _run(cfg: Config, folder: Path, name: str, seed: int, ours_words: list[str]) -> None:
    """Train one of the two with one seed, unless it is finished."""
    from benchmarks import learning

    try:
        if learning.read_learning(folder / name, name).iterations[-1] == cfg.train_cfg.max_iters:
            print(f"{folder / name}: finished earlier", flush=True)
            return
    except FileNotFoundError:
        pass
    folder.mkdir(exist_ok=True)
    cfg = cfg.copy()
    start = folder / "start.pth"
    if not start.is_file():
        learning.save_start(cfg, start, seed)
    cfg.load_from = str(start.resolve())
    _without_weights(cfg.model.backbone)
    if name == "mmdet":
        cfg = learning.mmdet_config(cfg)
    else:
        cfg.default_scope = "condinst"
    cfg.dump(folder / f"{name}.py")
    # in a separate process, so that neither training affects the other
    subprocess.run(
        [sys.executable, Path(__file__).with_name("train.py"), folder / f"{name}.py"]
        + ["--work-dir", folder / name, "--seed", str(seed)]
        + (ours_words if name == "ours" else []),
        check=True,
    )


def _without_weights(backbone: dict) -> None:
    """Remove the backbone's own weights: both trainings start from one file."""
    for name in ("init_cfg", "checkpoint_path", "pretrained"):
        if name in backbone:
            backbone[name] = None if name != "pretrained" else False


if __name__ == "__main__":
    errors.run(main)
