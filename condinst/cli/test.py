"""Evaluate a checkpoint: box and mask AP, saved predictions, drawn pictures."""

from __future__ import annotations

import argparse
import copy
from pathlib import Path

from mmdet.datasets.transforms import PackDetInputs
from mmdet.utils import setup_cache_size_limit_of_dynamo
from mmengine.config import Config, ConfigDict
from mmengine.runner import Runner

from condinst.datasets.checks import check_datasets
from condinst.evaluation import DumpDetResults

from .common import (
    add_config_arguments,
    add_speed_arguments,
    apply_speed_arguments,
    check_writable,
    is_first_process,
    load_config,
    use_rle_masks,
)

_EXAMPLES = """examples:
  python tools/test.py CONFIG work_dirs/NAME/iter_90000.pth
  python tools/test.py CONFIG CHECKPOINT --channels-last --fold-norms --batch-size 4
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
    parser.add_argument(
        "--batch-size", type=int, help="pictures at a time in each process (default: the config's)"
    )
    parser.add_argument(
        "--fold-norms",
        action="store_true",
        help="put batch norms into their convolutions: the same answers, faster",
    )
    add_speed_arguments(
        parser, "mixed precision: scores change in the third digit; float16 if no type is given"
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
    apply_speed_arguments(cfg, args)
    if args.amp is not None:
        cfg.model.test_cfg.autocast_dtype = args.amp
    if args.batch_size is not None:
        if args.batch_size < 1:
            raise ValueError(f"--batch-size {args.batch_size}: expected 1 or more")
        cfg.test_dataloader.batch_size = args.batch_size
    if args.tta:
        _augment(cfg)
    else:
        use_rle_masks(cfg)
    # with our scope, because a config of mmdet's is tested too
    hooks: list[dict] = [dict(type="condinst.CompleteCheckpointHook")]
    if args.fold_norms:
        hooks.append(dict(type="condinst.InferenceHook", fold_norms=True, channels_last=False))
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
    cfg.model.test_cfg.mask_format = "bool"  # views are flipped back
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
