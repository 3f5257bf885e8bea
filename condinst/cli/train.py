"""Train a model from a config."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from condinst.cli.common import (
    add_config_arguments,
    add_speed_arguments,
    apply_speed_arguments,
    check_run,
    check_run_folder,
    load_config,
    make_parser,
    read_ahead,
    use_rle_masks,
)
from condinst.cli.early import check_checkpoint, check_config
from condinst.cli.loggers import LOGGERS, add_loggers, check_loggers
from condinst.cli.once import is_first_process
from condinst.cli.values import check_amp, check_least, check_range
from condinst.config.nodes import type_name
from condinst.utils.durations import parse_duration
from condinst.utils.names import printable

if TYPE_CHECKING:
    from mmengine.config import Config
    from mmengine.hooks import Hook
    from mmengine.runner import Runner

_EXAMPLES = """examples:
  %(prog)s condinst_r50_fpn_ms-poly-90k_coco_instance
  %(prog)s CONFIG --cfg-options data_root=/data/coco/ train_dataloader.batch_size=4
  %(prog)s CONFIG --resume
  %(prog)s CONFIG --time 2h30m
  %(prog)s CONFIG --early-stop 5
  WANDB_MODE=offline %(prog)s CONFIG --log wandb --log tensorboard
  torchrun --nproc_per_node 8 -m condinst train CONFIG --amp bfloat16
  bash tools/dist_train.sh CONFIG 8 --amp bfloat16
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.epilog = _EXAMPLES
    parser.add_argument("config", help="config file, or name of a model (condinst list)")
    parser.add_argument(
        "--resume",
        nargs="?",
        const="auto",
        metavar="CHECKPOINT",
        help="resume from this checkpoint, or from the newest one of the work folder",
    )
    parser.add_argument(
        "--time",
        help="end after a time such as 30m, 1.5h or 2h30m, from the start of the command; the "
        "number of iterations is chosen by the speed, and the learning rate's schedule fits it",
    )
    parser.add_argument(
        "--early-stop",
        type=int,
        metavar="N",
        help="end after N validations without a better AP, and keep the best checkpoint",
    )
    parser.add_argument(
        "--auto-scale-lr",
        action="store_true",
        help="multiply the learning rate by the total batch size / the config's base_batch_size",
    )
    parser.add_argument("--seed", type=int, help="seed of the random numbers")
    parser.add_argument(
        "--deterministic", action="store_true", help="use only deterministic algorithms (slower)"
    )
    parser.add_argument(
        "--log",
        action="append",
        choices=[*LOGGERS],
        default=[],
        help="log to this program too, with predictions on validation images; may be given more "
        "than once",
    )
    add_speed_arguments(
        parser,
        "mixed precision, float16 with a loss scaler if no type is given; on a CPU only bfloat16",
    )
    add_config_arguments(parser)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line of ``tools/train.py``."""
    return make_parser("python tools/train.py", __doc__, add_arguments).parse_args(argv)


def build_config(args: argparse.Namespace) -> Config:
    """Return the config of the run, with every option of the command line applied."""
    cfg = load_config(args)
    if args.amp is not None:
        _mix_precision(cfg, args.amp)
    apply_speed_arguments(cfg, args)
    add_loggers(cfg, args.log)
    use_rle_masks(cfg)
    if args.auto_scale_lr:
        if "base_batch_size" not in (cfg.get("auto_scale_lr") or {}):
            raise ValueError(
                f"--auto-scale-lr needs auto_scale_lr.base_batch_size in {args.config}: the total "
                "batch size for which optim_wrapper.optimizer.lr is meant"
            )
        cfg.auto_scale_lr.enable = True
    if args.seed is not None or args.deterministic:
        cfg.randomness = dict(seed=args.seed, deterministic=args.deterministic)
    if cfg.get("load_from"):
        from condinst.model_zoo import resolve_checkpoint

        cfg.load_from = resolve_checkpoint(cfg.load_from)  # it may be a model's name
    from condinst.engine.choose_checkpoint import checkpoint_folder, set_resume

    if args.early_stop is not None:
        from condinst.engine.early_stop import set_early_stop

        set_early_stop(cfg, args.early_stop)
    folder = checkpoint_folder(cfg)  # else only the first checkpoint would fail
    check_run_folder("default_hooks.checkpoint.out_dir", folder)
    set_resume(cfg, args.resume)
    return cfg


def _mix_precision(cfg: Config, dtype: str) -> None:
    import torch

    if torch.cuda.is_available():
        cfg.optim_wrapper.type = "AmpOptimWrapper"
        cfg.optim_wrapper.dtype = dtype
        # bfloat16 has float32's range: nothing to scale
        cfg.optim_wrapper.loss_scale = "dynamic" if dtype == "float16" else 1.0
    else:
        _check_gpu(cfg, dtype)
        cfg.optim_wrapper.type = "condinst.CpuAmpOptimWrapper"


def _check_gpu(cfg: Config, amp: str | None) -> None:
    """Refuse a training that needs a GPU where there is none, before slower imports and the data.

    Args:
        cfg: with its overrides.
        amp: the value of ``--amp``, which replaces the config's wrapper.
    """
    if amp == "float16":
        what, other = "--amp float16", "--amp bfloat16"
    elif amp is None and type_name(cfg.get("optim_wrapper")) == "AmpOptimWrapper":
        what, other = "optim_wrapper.type='AmpOptimWrapper'", "'condinst.CpuAmpOptimWrapper'"
    else:
        return
    from mmengine import device

    kinds = ("cuda",) if amp else ("cuda", "npu", "mlu", "musa")  # those of the wrapper
    if not any(getattr(device, f"is_{kind}_available")() for kind in kinds):
        raise ValueError(f"{what} needs a GPU, but PyTorch finds none; on a CPU, use {other}")


def main(argv: list[str] | None = None) -> None:
    """Check the data, then train."""
    train(parse_args(argv))


def run(args: argparse.Namespace) -> int:
    """Run ``condinst train``."""
    train(args)
    return 0


def train(args: argparse.Namespace) -> None:
    """Check the data, then train."""
    started = time.monotonic()
    check_config(args.config, "test, predict and info take a checkpoint")
    if args.resume not in (None, "auto"):
        check_checkpoint(args.resume, "--resume")
    check_range("--seed", args.seed, 0, 2**32 - 1)
    check_least("--early-stop", args.early_stop)
    check_amp(args.amp)
    seconds = None
    if args.time is not None:
        try:
            seconds = parse_duration(args.time)
        except ValueError as error:
            raise ValueError(f"--time: {error}") from None
    check_run(args)
    check_loggers(args.log)
    if is_first_process():
        print(f"config   {printable(args.config)}", flush=True)  # importing PyTorch takes seconds
    _check_gpu(read_ahead(args.config, args.cfg_options, ("train", "val")), args.amp)

    from mmdet.utils import setup_cache_size_limit_of_dynamo

    from condinst.cli.terminal import quiet
    from condinst.cli.train_folder import only_training
    from condinst.engine.lost_peers import end_when_peers_are_lost
    from condinst.engine.signals import stop_on_signals
    from condinst.engine.time_hook import time_hooks

    with quiet(not args.verbose):
        cfg = build_config(args)
        with stop_on_signals(), end_when_peers_are_lost(cfg) as save_of, only_training(cfg):
            setup_cache_size_limit_of_dynamo()
            _train(cfg, save_of, time_hooks(seconds, started))


def _train(cfg: Config, save_of: Callable[[Runner], None], hooks: Sequence[Hook]) -> None:
    from condinst.cli.progress_hook import ProgressHook
    from condinst.cli.terminal import tell
    from condinst.cli.terminal_hook import TerminalHook, describe_run, log_file
    from condinst.config.blame import blaming
    from condinst.datasets.checks.checks import check_datasets
    from condinst.engine.build_runner import build_runner
    from condinst.engine.checkpoint_hook import MatchingResumeHook
    from condinst.engine.elastic import resume_after_restart
    from condinst.engine.signals import StopHook
    from condinst.engine.trial_hook import TrialHook

    with blaming(cfg, "checking the data"):
        report = check_datasets(cfg, splits=("train", "val")) if is_first_process() else None
    if report is not None:
        print(f"device   {describe_run(cfg, 'train')}\n{report}", flush=True)
    resume_after_restart(cfg)
    with blaming(cfg):
        runner = build_runner(cfg)
        own = (StopHook(), MatchingResumeHook(), TrialHook("val"), ProgressHook(), TerminalHook())
        for hook in (*own, *hooks):
            runner.register_hook(hook)
        save_of(runner)
        runner.logger.info(report, extra={"terminal": False})
        tell(runner.logger, f"log      {log_file(runner)}")
        runner.train()
    if is_first_process():
        print(f"wrote    {printable(cfg.work_dir)}", flush=True)
