"""Repeat StarDist's benchmark on nuclei: train, choose on 67 images, measure 50 test images once.

    python -m benchmarks.nuclei_stardist FOLDER --out work_dirs/dsb2018 --weights weights/NAME.pth

FOLDER has train/ and test/, each with images/ and masks/, and validation.json. Every training is a
process of its own, and has the same CPU time, whatever else the machine does: that of an iteration
is measured first. What is finished is not run again, so an interrupted benchmark goes on.
--stardist-python and --cellpose-python name Pythons of their own, in which StarDist and Cellpose
run (pip install stardist tensorflow; pip install "cellpose<4" pillow).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config

from benchmarks import nuclei_scores
from benchmarks.learning import mmdet_config
from benchmarks.nuclei_data import write_coco_files
from benchmarks.runs import FAST, ROOT, run_command, seconds_per_iteration, set_length, train
from condinst.cli.common import add_cfg_options
from condinst.config.data_root import set_data_root
from condinst.config.overrides import override
from condinst.utils.environment import machine
from condinst.utils.files import write_whole

_CONFIG = ROOT / "configs" / "nuclei" / "condinst_mobilenetv2_fpn_dsb2018.py"
_METHODS = ("ours", "mmdet", "stardist", "cellpose")
_OTHERS = ("stardist", "cellpose")  # run in a Python of their own


def main(argv: Sequence[str] | None = None) -> None:
    """Run what is missing, then write results.json and table.md."""
    args = _parse(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    data = args.out / "data"
    write_coco_files(args.folder, data)
    for method in args.only:
        for seed in args.seeds:
            place = args.out / method / f"seed_{seed}"
            if not (place / "result.json").is_file():
                place.mkdir(parents=True, exist_ok=True)
                run = _other if method in _OTHERS else _condinst
                result = run(args, data, method, seed, place)
                write_whole(place / "result.json", json.dumps(result, indent=1))
    _write(args.out)


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="the dataset")
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--only", nargs="+", choices=_METHODS, default=["ours"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument(
        "--cpu-minutes",
        type=float,
        default=120,
        help="CPU time of a training (default 120: an hour of two cores)",
    )
    parser.add_argument("--iterations", type=int, help="instead of it, for ours and mmdet")
    parser.add_argument("--config", default=str(_CONFIG), help="config of ours and of mmdet")
    parser.add_argument("--weights", type=Path, help="start weights (examples/imagenet_weights.py)")
    parser.add_argument("--ema", type=float, help="train with a moving average of this momentum")
    parser.add_argument(
        "--variants",
        nargs="+",
        default=["plain", "tta"],
        help="ways of prediction that are tried on validation images, of plain and tta, each with "
        "an IoU for box NMS if wanted: plain tta tta-0.8",
    )
    parser.add_argument("--no-test", action="store_true", help="leave the test images alone")
    parser.add_argument("--stardist-python", default=sys.executable, help="Python with StarDist")
    parser.add_argument("--cellpose-python", default=sys.executable, help="Python with Cellpose")
    add_cfg_options(parser)
    args = parser.parse_args(argv)
    if "ours" in args.only and args.weights is not None and not args.weights.is_file():
        parser.error(f"--weights {args.weights}: there is no such file")
    return args


def _condinst(
    args: argparse.Namespace, data: Path, method: str, seed: int, place: Path
) -> dict[str, Any]:
    """Train and predict with our modules, or with mmdet's."""
    iterations = args.iterations
    if iterations is None:
        iterations = max(60, int(60 * args.cpu_minutes / _seconds(args, data, method)))
    trained = place / "train.json"
    if not trained.is_file():
        cfg = _config(args, data, method, iterations)
        start = time.perf_counter()
        cpu = _train(cfg, method, seed, place / "train") / 60
        minutes = (time.perf_counter() - start) / 60
        about = dict(iterations=iterations, minutes=minutes, cpu_minutes=cpu)
        write_whole(trained, json.dumps(about))
    checkpoint = place / "train" / (place / "train" / "last_checkpoint").read_text().strip()
    variants = args.variants if method == "ours" else ["plain"]
    found = {v: _predict(args, data, method, v, "val", checkpoint, place) for v in variants}
    choice, tried = nuclei_scores.choose(args.folder, found)
    for one in tried:
        print(f"  {one.variant:10} visible {one.min_visible:.1f}  score {one.score_thr:.2f}  "
              f"{one.ap:.4f}" + "  chosen" * (one == choice), flush=True)  # fmt: skip
    result = json.loads(trained.read_text())
    result["val"] = nuclei_scores.measure(args.folder, "val", found[choice.variant], choice)
    if not args.no_test:
        path = _predict(args, data, method, choice.variant, "test", checkpoint, place)
        result["test"] = nuclei_scores.measure(args.folder, "test", path, choice)
    return result


def _config(args: argparse.Namespace, data: Path, method: str, iterations: int) -> Config:
    cfg = Config.fromfile(args.config)
    set_data_root(cfg, f"{data.resolve()}/")
    if args.weights is not None:
        cfg.model.backbone.checkpoint_path = str(args.weights.resolve())
    if args.ema is not None:
        hook = dict(type="EMAHook", ema_type="ExpMomentumEMA", momentum=args.ema, gamma=100)
        cfg.custom_hooks = [*cfg.custom_hooks, hook]
    override(cfg, args.cfg_options, parts=())
    set_length(cfg, iterations)
    metric = next(node for node in cfg.val_evaluator if "metric" in node)
    cfg.val_evaluator = cfg.test_evaluator = metric
    return mmdet_config(cfg) if method == "mmdet" else cfg


def _train(cfg: Config, method: str, seed: int, folder: Path) -> float:
    """Train, and return the CPU seconds of it and of its data workers."""
    return train(cfg, folder, "--seed", seed, *(FAST if method == "ours" else ()))


def _seconds(args: argparse.Namespace, data: Path, method: str) -> float:
    """Return the CPU seconds of an iteration, measured once for each method."""
    path = args.out / method / "probe.json"
    if not path.is_file():
        probe = args.out / method / "probe"
        seconds = seconds_per_iteration(
            lambda number: _train(_config(args, data, method, number), method, 0, probe)
        )
        write_whole(path, json.dumps(dict(cpu_seconds=seconds)))
    return float(json.loads(path.read_text())["cpu_seconds"])


def _predict(
    args: argparse.Namespace,
    data: Path,
    method: str,
    variant: str,
    split: str,
    checkpoint: Path,
    place: Path,
) -> Path:
    """Return the file of a split's predictions, after making it if it does not exist."""
    out = place / f"{split}_{variant}.pkl"
    if out.is_file():
        return out
    kind, _, iou = variant.partition("-")
    cfg = _config(args, data, method, 1)
    if iou:
        cfg.model.test_cfg.nms = dict(type="nms", iou_threshold=float(iou))
    cfg.test_dataloader.dataset.ann_file = f"annotations/instances_{split}.json"
    cfg.test_dataloader.dataset.data_prefix = dict(img=f"{split}/")
    cfg.test_evaluator.ann_file = str(data.resolve() / f"annotations/instances_{split}.json")
    path = place / f"{split}_{variant.replace('-', '_').replace('.', '_')}.py"
    cfg.dump(path)
    partial = out.with_suffix(".partial.pkl")
    words = ["--tta"] if kind == "tta" else []
    _call("test", path, checkpoint, "--out", partial, "--work-dir", place / "test", *words)
    os.replace(partial, out)
    return out


def _other(
    args: argparse.Namespace, data: Path, method: str, seed: int, place: Path
) -> dict[str, Any]:
    """Train StarDist or Cellpose in its own Python, which writes label maps."""
    if not (place / "train.json").is_file():
        python = getattr(args, f"{method}_python")
        worker = Path(__file__).with_name(f"nuclei_{method}_worker.py")
        words = [args.folder.resolve(), place.resolve(), "--cpu-minutes", args.cpu_minutes]
        run_command([python, worker, *words, "--seed", seed])
    result = json.loads((place / "train.json").read_text())
    # StarDist chooses its thresholds itself
    endings = [f"_{value}" for value in result.get("thresholds", ())] or [""]
    val = {
        end: nuclei_scores.measure_folder(args.folder, "val", place / f"val{end}")
        for end in endings
    }
    best = max(endings, key=lambda end: statistics.mean(val[end]["ap"]))
    result |= dict(val=val[best], chosen=result.get("chosen", best.removeprefix("_")))
    if not args.no_test:
        path = place / f"test{best}"
        result["test"] = nuclei_scores.measure_folder(args.folder, "test", path)
    return result


def _call(*words: Any) -> None:
    run_command([sys.executable, "-m", "condinst", *words])


def _write(out: Path) -> None:
    """Write the results of all finished seeds."""
    results: dict[str, list[dict]] = {}
    for path in sorted(out.glob("*/seed_*/result.json")):
        result = json.loads(path.read_text())
        results.setdefault(path.parent.parent.name, []).append(
            dict(seed=path.parent.name.removeprefix("seed_"), **result)
        )
    about = machine("cpu")
    write_whole(
        out / "results.json", json.dumps(dict(machine=about, results=results), indent=1) + "\n"
    )
    lines = []
    for split, title in (("test", "50 test images"), ("val", "67 validation images")):
        for key, what in (("ap", "all images together"), ("image_ap", "mean over images")):
            measured = {
                name: [seed[split] for seed in seeds if split in seed]
                for name, seeds in results.items()
            }
            measured = {name: seeds for name, seeds in measured.items() if seeds}
            if measured:
                lines += [f"### {title}: TP / (TP + FP + FN), {what}", ""]
                # the quoted numbers are those of the test images
                text = nuclei_scores.table(measured, key)
                rows = text.splitlines()
                lines += rows if split == "test" else [r for r in rows if "quoted" not in r]
                lines.append("")
    for name, seeds in results.items():
        minutes = ", ".join(f"{seed['cpu_minutes']:.1f} ({seed['minutes']:.1f})" for seed in seeds)
        lines.append(f"{name}: CPU minutes of training (and minutes) {minutes}")
    lines.append(f"{about['processor']}, {about['cores']} cores, {about['date']}")
    write_whole(out / "table.md", "\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
