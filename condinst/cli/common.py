"""What training and testing share: reading a config, launching, telling users what is wrong."""

from __future__ import annotations

import argparse
import difflib
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from mmengine.config import Config, DictAction
from mmengine.registry import build_from_cfg
from mmengine.runner import Runner, loops

from condinst.datasets.data_root import set_data_root

# What the launchers leave in the environment of each process.
_RANKS = {"pytorch": "RANK", "slurm": "SLURM_PROCID", "mpi": "OMPI_COMM_WORLD_RANK"}


class _Options(DictAction):
    """mmengine's action for key=value, which says what is wrong with a word that is none."""

    def __call__(self, parser, namespace, values, option_string=None) -> None:
        for word in values:
            if "=" not in word:
                parser.error(f"{option_string} {word}: expected key=value")
        super().__call__(parser, namespace, values, option_string)


def add_config_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of every command that runs a config."""
    parser.add_argument("--work-dir", help="folder for logs, checkpoints, results")
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        action=_Options,
        default={},
        help="settings that override the config's, as key=value; keys of nested settings are "
        'joined by dots (train_dataloader.batch_size=4), lists are written key="[a,b]"; '
        "data_root=FOLDER moves the data set",
    )
    parser.add_argument(
        "--launcher",
        choices=["none", *_RANKS],
        default="none",
        help="what started the processes of a distributed run",
    )
    parser.add_argument("--local_rank", "--local-rank", type=int, default=0, help=argparse.SUPPRESS)


def load_config(args: argparse.Namespace) -> Config:
    """The config of the command line, with its overrides.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file cannot be read as a config, or a switch does not fit it or the machine.
    """
    if not Path(args.config).is_file():
        raise FileNotFoundError(f"config {args.config} is not a file")
    if args.launcher != "none" and _RANKS[args.launcher] not in os.environ:
        raise ValueError(
            f"--launcher {args.launcher} expects the environment variable "
            f"{_RANKS[args.launcher]}, which its launcher sets in every process; start with "
            "tools/dist_train.sh, dist_test.sh or slurm_train.sh, or with your cluster's launcher"
        )
    os.environ.setdefault("LOCAL_RANK", str(args.local_rank))
    try:
        cfg = Config.fromfile(args.config)
    except Exception as error:  # a config is a program
        raise ValueError(f"config {args.config}: {_one_line(error)}") from error
    _override(cfg, dict(args.cfg_options))
    cfg.launcher = args.launcher
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get("work_dir") is None:
        cfg.work_dir = str(Path("work_dirs") / Path(args.config).stem)
    check_writable("work_dir", Path(cfg.work_dir))
    return cfg


def _override(cfg: Config, options: dict[str, Any]) -> None:
    _check_names(cfg, options)
    if "data_root" in options:
        set_data_root(cfg, options.pop("data_root"))
    try:
        cfg.merge_from_dict(options)
    except (TypeError, KeyError, IndexError, AttributeError) as error:
        raise ValueError(f"--cfg-options: {_one_line(error)}") from error


def _check_names(cfg: Config, options: Iterable[str]) -> None:
    """Refuse a first name that is new and nearly one that exists: it would change nothing."""
    known = {*cfg.keys(), *inspect.signature(Runner.__init__).parameters}
    for option in options:
        name = option.split(".")[0]
        if name not in known and (close := difflib.get_close_matches(name, known, 1, 0.75)):
            raise ValueError(
                f"--cfg-options {option}: the config has no {name!r}; is {close[0]!r} meant?"
            )


def add_speed_arguments(parser: argparse.ArgumentParser, amp: str) -> None:
    """The switches that training and testing share.

    Args:
        amp: the help text of ``--amp``.
    """
    parser.add_argument(
        "--amp", nargs="?", const="float16", choices=["float16", "bfloat16"], help=amp
    )
    parser.add_argument(
        "--channels-last",
        action="store_true",
        help="keep the channels of each pixel together: the same answers, mostly faster",
    )
    parser.add_argument(
        "--compile",
        action="store_true",
        help="compile backbone, neck and heads with torch.compile; takes minutes at the start, and "
        "on a CPU a C++ compiler",
    )


def apply_speed_arguments(cfg: Config, args: argparse.Namespace) -> None:
    """Put ``--channels-last`` and ``--compile`` into the config's model.

    Raises:
        ValueError: the model is another one than ours.
    """
    for name in ("channels_last", "compile"):
        if getattr(args, name):
            _require_condinst(cfg, f"--{name.replace('_', '-')}")
            cfg.model[name] = True


def _require_condinst(cfg: Config, switch: str) -> None:
    if not _is_condinst(cfg):
        raise ValueError(
            f"{switch} is for condinst.CondInst, the config's model.type is {cfg.model.type!r}"
        )


def _is_condinst(cfg: Config) -> bool:
    name = cfg.model.type if cfg.get("default_scope") == "condinst" else None
    return "condinst.CondInst" in (cfg.model.type, f"condinst.{name}")


def use_rle_masks(cfg: Config) -> None:
    """Let the model hand out masks as COCO's run-length codes where only AP is taken of them.

    A whole mask of every detection need not exist then. ``model.test_cfg.mask_format`` of the
    config has the last word.
    """
    evaluators = [cfg.get("val_evaluator"), cfg.get("test_evaluator")]
    flat = [x for e in evaluators if e for x in (e if isinstance(e, list) else [e])]
    drawn = (cfg.get("default_hooks") or {}).get("visualization") or {}
    only_coco = all(str(x.get("type")).split(".")[-1] == "CocoMetric" for x in flat)
    if _is_condinst(cfg) and only_coco and not drawn.get("draw"):
        test_cfg = dict(cfg.model.get("test_cfg") or {})
        cfg.model.test_cfg = dict(mask_format="rle") | test_cfg


def check_writable(what: str, path: Path) -> None:
    """Refuse a folder that exists but cannot be written to, or cannot be made.

    Raises:
        ValueError: naming ``what`` it was for.
    """
    path = path.absolute()
    existing = next(folder for folder in (path, *path.parents) if folder.exists())
    if not existing.is_dir():
        raise ValueError(f"{what} {path}: {existing} is a file, expected a folder")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise ValueError(f"{what} {path}: no permission to write in {existing}")


def is_first_process() -> bool:
    """Whether this is the process that speaks, before distributed training has started."""
    return all(int(os.environ.get(rank, 0)) == 0 for rank in _RANKS.values())


def run(main: Callable[[], object]) -> None:
    """Run a command; a user's mistake found before its first iteration ends it with one line.

    The exit code is then 1. What goes wrong later keeps its traceback.
    """
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        message = _explain(error)
        if message is None or os.environ.get("CONDINST_DEBUG"):
            raise
        sys.exit(f"error: {message}\n(set CONDINST_DEBUG=1 for the traceback)")


def _explain(error: Exception) -> str | None:
    """What to tell the user; None where the error may be a bug, or came in the middle of a run."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    if any(frame.f_code.co_filename == loops.__file__ for frame in frames):
        return None
    if isinstance(error, (ValueError, OSError)):
        return str(error)
    built = [frame.f_locals["cfg"] for frame in frames if frame.f_code is build_from_cfg.__code__]
    if built:  # names and arguments come from the config
        return f"the config's type={built[-1].get('type')!r} cannot be built: {_one_line(error)}"
    return None


def _one_line(error: Exception) -> str:
    text = " ".join(str(error.args[0] if isinstance(error, KeyError) else error).split())
    return f"{type(error).__name__}: {text}"
