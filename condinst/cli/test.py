"""Evaluate a checkpoint: box and mask AP, saved predictions, drawn images."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from condinst.cli.common import (
    add_config_arguments,
    add_speed_arguments,
    apply_speed_arguments,
    check_run,
    check_writable,
    load_config,
    make_parser,
    read_ahead,
    use_rle_masks,
)
from condinst.cli.early import check_folder, check_model_words, check_out_file, is_checkpoint
from condinst.cli.once import is_first_process
from condinst.cli.output_places import check_apart, check_free, check_not_data, check_not_read
from condinst.cli.parser import needs
from condinst.cli.stored_test import read_stored_config
from condinst.cli.test_page import check_page, keep_predictions, predictions_of, write_page
from condinst.cli.tile_arguments import add_tile_arguments, check_tiling
from condinst.cli.values import check_least, check_range
from condinst.cli.views import augment, cut
from condinst.utils.files import write_whole
from condinst.utils.names import printable

if TYPE_CHECKING:
    from mmengine.config import Config

_MARK = ".condinst_test"  # a file that tells our folders of images from those of others
_EXAMPLES = """examples:
  %(prog)s condinst_r50_fpn_1x
  %(prog)s shapes --data-root data/shapes
  %(prog)s CONFIG work_dirs/NAME/iter_90000.pth
  %(prog)s work_dirs/NAME/iter_90000.pth --data-root /data/coco
  %(prog)s CONFIG CHECKPOINT --channels-last --fold-norms --batch-size 4
  %(prog)s CONFIG CHECKPOINT --out predictions.pkl --show-dir images
  %(prog)s CONFIG CHECKPOINT --report results.html
  %(prog)s CONFIG CHECKPOINT --metric matching --score-thr 0.35
  torchrun --nproc_per_node 8 -m condinst test CONFIG CHECKPOINT
  bash tools/dist_test.sh CONFIG CHECKPOINT 8
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.epilog = _EXAMPLES
    parser.add_argument(
        "config",
        help="config file, name of a model (condinst list), or a checkpoint that holds its config",
    )
    parser.add_argument(
        "checkpoint",
        nargs="?",
        help="checkpoint file, URL or name of a model (default: that of the config)",
    )
    parser.add_argument(
        "--data-root",
        metavar="FOLDER",
        help="folder of the dataset, as --cfg-options data_root=FOLDER",
    )
    parser.add_argument("--out", metavar="FILE.pkl", help="save all predictions, masks as RLE")
    parser.add_argument(
        "--show-dir",
        metavar="FOLDER",
        help="draw predictions beside the ground truth into this folder",
    )
    parser.add_argument(
        "--report",
        type=Path,
        metavar="FILE.html",
        help="write the results as one page, as condinst report does for a training",
    )
    parser.add_argument(
        "--show-score-thr",
        type=float,
        default=0.3,
        help="lowest score that --show-dir draws (default 0.3)",
    )
    parser.add_argument(
        "--tta",
        action="store_true",
        help="test-time augmentation: also predict the mirrored image, or the views of the "
        "config's tta_pipeline",
    )
    parser.add_argument(
        "--batch-size",
        type=int,
        help="number of images at a time in each process (default: the config's)",
    )
    parser.add_argument(
        "--fold-norms",
        action="store_true",
        help="fold batch norms into their convolutions: same results, faster",
    )
    parser.add_argument(
        "--metric",
        choices=["matching"],
        help="beside the AP, also measure one-to-one matches as benchmarks of cells and nuclei do",
    )
    parser.add_argument(
        "--score-thr",
        type=float,
        default=0.3,
        help="lowest score that counts for --metric matching (default 0.3)",
    )
    needs(parser, ["--show-score-thr"], "--show-dir")
    needs(parser, ["--score-thr"], "--metric")
    add_tile_arguments(parser)
    add_speed_arguments(
        parser, "mixed precision, float16 if no type is given; scores change in the third digit"
    )
    add_config_arguments(parser)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line of ``tools/test.py``."""
    return make_parser("python tools/test.py", __doc__, add_arguments).parse_args(argv)


def check_arguments(args: argparse.Namespace) -> None:
    """Check what needs no PyTorch.

    Raises:
        FileNotFoundError: a file does not exist.
        ValueError: an argument cannot be used.
    """
    if args.out is not None:
        if not args.out.endswith((".pkl", ".pickle")):
            raise ValueError(f"--out {args.out}: predictions are saved as a .pkl file")
        check_out_file("--out", args.out)
        check_not_read("--out", args.out, args.config, args.checkpoint)
    if args.show_dir is not None:
        check_writable("--show-dir", Path(args.show_dir))
        check_free("--show-dir", Path(args.show_dir), _MARK, "condinst test --show-dir")
    if args.report is not None:
        check_page(args.report)
    check_range("--show-score-thr", args.show_score_thr)
    check_range("--score-thr", args.score_thr)
    check_least("--batch-size", args.batch_size)
    if args.tta and args.tile:
        raise ValueError("--tta --tile: expected only one of them")
    check_tiling(args)
    if args.data_root is not None:
        check_folder("--data-root", args.data_root)
    check_run(args)
    check_model_words(args.config, args.checkpoint)


def build_config(args: argparse.Namespace) -> Config:
    """Return the config of the run, with every option of the command line applied."""
    check_arguments(args)

    from condinst.config.check import TEST

    args.cfg_options = _options(args)
    if args.checkpoint is None and is_checkpoint(args.config):
        cfg = load_config(args, TEST, read_stored_config)
    else:
        cfg = load_config(args, TEST)
    _check_outputs(args, cfg)
    cfg.load_from = _checkpoint(args)
    apply_speed_arguments(cfg, args)
    if args.amp is not None:
        cfg.model.test_cfg.autocast_dtype = args.amp
    if args.batch_size is not None:
        cfg.test_dataloader.batch_size = args.batch_size
    if args.metric == "matching":
        _add_matching(cfg, args.score_thr)
    if args.tta:
        augment(cfg)
    else:
        use_rle_masks(cfg)
    if args.tile:
        cut(cfg, args)
    # with the scope, because mmdet's configs can be tested too
    hooks: list[dict] = [dict(type="condinst.CompleteCheckpointHook")]
    if args.fold_norms:
        hooks.append(dict(type="condinst.InferenceHook", fold_norms=True, channels_last=False))
    if args.show_dir is not None:
        hooks.append(
            dict(
                type="condinst.VisualizationHook",
                out_dir=args.show_dir,
                score_thr=args.show_score_thr,
            )
        )
    cfg.custom_hooks = [*(cfg.get("custom_hooks") or []), *hooks]
    return cfg


def _check_outputs(args: argparse.Namespace, cfg: Config) -> None:
    """Refuse to write files of the config's datasets."""
    if args.show_dir is not None:
        check_apart("--show-dir", args.show_dir, cfg)
    if args.out is not None:
        check_not_data("--out", args.out, cfg)
    if args.report is not None:
        for path in (args.report, predictions_of(args.report)):
            check_not_data("--report", path, cfg)


def _options(args: argparse.Namespace) -> dict[str, Any]:
    root = {} if args.data_root is None else {"data_root": args.data_root}
    return {**args.cfg_options, **root}


def _checkpoint(args: argparse.Namespace) -> str:
    from condinst.model_zoo import resolve_checkpoint

    return resolve_checkpoint(args.checkpoint or args.config)


def _add_matching(cfg: Config, score_thr: float) -> None:
    """Measure one-to-one matches too, with the annotations that the AP is measured with."""
    evaluator = cfg.get("test_evaluator") or []
    nodes = list(evaluator) if isinstance(evaluator, list | tuple) else [evaluator]
    found = next((node.get("ann_file") for node in nodes if node.get("ann_file")), None)
    if found is None:
        raise ValueError(
            "--metric matching: the config's test_evaluator names no ann_file, whose masks it needs"
        )
    # with the scope, because mmdet's configs can be tested too
    metric = dict(type="condinst.MatchingMetric", ann_file=found, score_thr=score_thr)
    cfg.test_evaluator = [*nodes, metric]


def main(argv: list[str] | None = None) -> dict[str, float]:
    """Check the data, then test.

    Returns:
        The metrics, for example ``coco/segm_mAP``.
    """
    return test(parse_args(argv))


def run(args: argparse.Namespace) -> int:
    """Run ``condinst test``."""
    test(args)
    return 0


def test(args: argparse.Namespace) -> dict[str, float]:
    """Check the data, then test.

    Returns:
        The metrics, for example ``coco/segm_mAP``.
    """
    check_arguments(args)
    if is_first_process():
        print(f"config      {printable(args.config)}", flush=True)  # PyTorch takes seconds
    if args.checkpoint is not None or not is_checkpoint(args.config):
        _check_outputs(args, read_ahead(args.config, _options(args), ("test",)))

    from condinst.cli.terminal import quiet
    from condinst.engine.lost_peers import end_when_peers_are_lost

    with quiet(not args.verbose):
        cfg = build_config(args)
        with end_when_peers_are_lost(cfg):
            return _test(args, cfg)


def _test(args: argparse.Namespace, cfg: Config) -> dict[str, float]:
    from mmdet.utils import setup_cache_size_limit_of_dynamo

    from condinst.cli.progress_hook import ProgressHook
    from condinst.cli.terminal import tell
    from condinst.cli.terminal_hook import TerminalHook, describe_run, log_file
    from condinst.config.blame import blaming
    from condinst.datasets.checks.checks import check_datasets
    from condinst.engine.build_runner import build_test_runner
    from condinst.engine.trial_hook import TrialHook
    from condinst.evaluation import DumpDetResults

    with blaming(cfg, "checking the data"):
        report = check_datasets(cfg, splits=("test",)) if is_first_process() else None
    if report is not None:
        checkpoint = printable(cfg.load_from)
        print(f"checkpoint  {checkpoint}\ndevice      {describe_run(cfg, 'test')}\n{report}")
    setup_cache_size_limit_of_dynamo()
    with blaming(cfg):
        runner = build_test_runner(cfg)
        for hook in (TrialHook("test"), ProgressHook(), TerminalHook()):
            runner.register_hook(hook)
        runner.logger.info(report, extra={"terminal": False})
        if args.out is not None:
            runner.test_evaluator.metrics.append(DumpDetResults(out_file_path=args.out))
        if args.show_dir is not None and is_first_process():
            text = "The images of this folder are drawn by condinst test --show-dir.\n"
            write_whole(Path(args.show_dir) / _MARK, text)
        predictions = keep_predictions(runner, args.report) if args.report is not None else None
        metrics = runner.test()
    if is_first_process():
        if predictions is not None:
            write_page(cfg, args.report, predictions, runner.logger)
        for what, path in (("out", args.out), ("images", args.show_dir), ("log", log_file(runner))):
            if path is not None:
                tell(runner.logger, f"{what:11} {path}")
    return metrics
