"""Train a config with mmdet's modules and with ours from the same weights; compare AP and time.

    python tools/compare_training.py configs/nuclei/nuclei_condinst_r18_fpn.py --out work_dirs/n

Options of `condinst train` after `--` apply to ours only: `-- --amp bfloat16 --channels-last`.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
from pathlib import Path

from condinst.cli import common, errors


def main(argv: list[str] | None = None) -> None:
    """Run both trainings one after the other, then write the comparison."""
    words = sys.argv[1:] if argv is None else argv
    ours_words = words[words.index("--") + 1 :] if "--" in words else []
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", help="config file, or name of a model (condinst list)")
    parser.add_argument(
        "--out", type=Path, required=True, help="folder of the runs and of the comparison"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of both trainings (default 0)")
    parser.add_argument(
        "--only",
        choices=("mmdet", "ours", "report"),
        help="run one training, or write the comparison of two finished ones (default: all)",
    )
    common.add_cfg_options(parser)
    args = parser.parse_args(words[: words.index("--")] if "--" in words else words)

    sys.path.insert(
        0, str(Path(__file__).resolve().parents[1])
    )  # for benchmarks/, which is not installed
    from benchmarks import learning
    from condinst.utils.environment import machine

    cfg = common.read_config(args.config, args.cfg_options)
    if args.only != "report":
        args.out.mkdir(parents=True, exist_ok=True)
        start = args.out / "start.pth"
        if not start.is_file():
            learning.save_start(cfg, start, args.seed)
        cfg.load_from = str(start.resolve())
        _without_weights(cfg.model.backbone)
    if args.only in (None, "mmdet"):
        learning.mmdet_config(cfg).dump(args.out / "mmdet.py")
        _train(args.out, "mmdet", args.seed, [])
    if args.only in (None, "ours"):
        cfg.dump(args.out / "ours.py")
        _train(args.out, "ours", args.seed, ours_words)
    if args.only in (None, "report"):
        runs = [learning.read_learning(args.out / name, name) for name in ("mmdet", "ours")]
        command = shlex.join(["python", "tools/compare_training.py", *words])
        about = machine("cpu") | {"command": command}
        for path in learning.write(args.out, about, *runs):
            print(f"wrote {path}")


def _without_weights(backbone: dict) -> None:
    """Remove the backbone's own weights: both trainings start from one file."""
    for name in ("init_cfg", "checkpoint_path", "pretrained"):
        if name in backbone:
            backbone[name] = None if name != "pretrained" else False


def _train(folder: Path, name: str, seed: int, words: list[str]) -> None:
    """Train in a separate process, so that neither training affects the other."""
    subprocess.run(
        [sys.executable, Path(__file__).with_name("train.py"), folder / f"{name}.py"]
        + ["--work-dir", folder / name, "--seed", str(seed), *words],
        check=True,
    )


if __name__ == "__main__":
    errors.run(main)
