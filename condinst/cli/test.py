"""Evaluate a checkpoint: box and mask AP, saved predictions, drawn pictures."""

from __future__ import annotations

import argparse
import copy
from pathlib import Path

from mmdet.datasets.transforms import PackDetInputs
from mmdet.evaluation import DumpDetResults
from mmdet.utils import setup_cache_size_limit_of_dynamo
from mmengine.config import Config, ConfigDict
from mmengine.runner import Runner

from condinst.datasets.checks import check_datasets

from .common import add_config_arguments, check_writable, is_first_process, load_config

_EXAMPLES = """examples:
  python tools/test.py CONFIG work_dirs/NAME/iter_90000.pth
  python tools/test.py CONFIG CHECKPOINT --out predictions.pkl --show-dir pictures
  bash tools/dist_test.sh CONFIG CHECKPOINT 8
"""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("config", help="config file")
    parser.add_argument("checkpoint", help="checkpoint file or URL")
    parser.add_argument("--out", metavar="FILE.pkl", help="save all predictions, masks as RLE")
    parser.add_argument(
        "--show-dir", metavar="FOLDER", help="draw predictions beside ground truth into this folder"
    )
    parser.add_argument(
        "--show-score-thr", type=float, default=0.3, help="lowest score drawn (default 0.3)"
    )
    parser.add_argument(
        "--tta",
        action="store_true",
        help="also look at each picture mirrored, or at the views of the config's tta_pipeline",
    )
    add_config_arguments(parser)
    return parser.parse_args(argv)


def build_config(args: argparse.Namespace) -> Config:
    """The config of the run, with every switch of the command line in place."""
    if args.out is not None:
        if not args.out.endswith((".pkl", ".pickle")):
            raise ValueError(f"--out {args.out}: predictions are saved as a .pkl file")
        check_writable("--out", Path(args.out).parent)
    if args.show_dir is not None:
        check_writable("--show-dir", Path(args.show_dir))
    cfg = load_config(args)
    cfg.load_from = args.checkpoint
    if args.tta:
        _augment(cfg)
    # with our scope, because a config of mmdet's is tested too
    hooks = [dict(type="condinst.CompleteCheckpointHook")]
    if args.show_dir is not None:
        hooks.append(
            dict(
                type="condinst.PictureHook",
                out_dir=args.show_dir,
                score_thr=args.show_score_thr,
            )
        )
    cfg.custom_hooks = [*(cfg.get("custom_hooks") or []), *hooks]
    return cfg


def _augment(cfg: Config) -> None:
    """Wrap the model, and let the data set hand out every picture in several views."""
    dataset = cfg.test_dataloader.dataset
    while "dataset" in dataset:
        dataset = dataset.dataset
    if "tta_pipeline" in cfg:
        dataset.pipeline = cfg.tta_pipeline
    else:
        pack = copy.deepcopy(dataset.pipeline[-1])
        pack.meta_keys = (
            *pack.get("meta_keys", PackDetInputs().meta_keys),
            "flip",
            "flip_direction",
        )
        flips = [dict(type="RandomFlip", prob=prob) for prob in (0.0, 1.0)]
        # before the annotations are loaded: they belong to the picture as it is
        load = [t for t in dataset.pipeline[:-1] if t["type"] == "LoadAnnotations"]
        rest = [t for t in dataset.pipeline[:-1] if t["type"] != "LoadAnnotations"]
        views = dict(type="TestTimeAug", transforms=[flips, *([t] for t in load), [pack]])
        dataset.pipeline = [*rest, views]
    tta_cfg = dict(nms=cfg.model.test_cfg.nms, max_per_img=cfg.model.test_cfg.max_per_img)
    tta_model = cfg.get("tta_model", dict(type="condinst.CondInstTTA", tta_cfg=tta_cfg))
    cfg.model = ConfigDict(**tta_model, module=cfg.model)


def main(argv: list[str] | None = None) -> dict[str, float]:
    """Check the data, then test.

    Returns:
        The metrics, for example ``coco/segm_mAP``.
    """
    args = parse_args(argv)
    cfg = build_config(args)
    report = check_datasets(cfg, splits=("test",)) if is_first_process() else None
    setup_cache_size_limit_of_dynamo()
    runner = Runner.from_cfg(cfg)
    runner.logger.info(report)  # other processes than the first log nothing at this level
    if args.out is not None:
        runner.test_evaluator.metrics.append(DumpDetResults(out_file_path=args.out))
    return runner.test()
