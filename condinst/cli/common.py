"""What the commands share: reading a config, launching, telling users what is wrong.

Functions import PyTorch and mmengine themselves, here and in the commands: ``--help`` and a wrong
argument need neither, and importing them takes seconds.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from condinst.cli.once import RANKS
from condinst.utils.files import check_html as check_html
from condinst.utils.files import check_writable as check_writable

if TYPE_CHECKING:
    from mmengine.config import Config

# endings of files that hold weights
CHECKPOINTS = (".pth", ".pt", ".ckpt", ".bin")


class _Options(argparse.Action):
    """mmengine's action for key=value, which says what is wrong with a word that is none."""

    def __call__(self, parser, namespace, values, option_string=None) -> None:
        for word in values:
            if "=" not in word:
                parser.error(f"{option_string} {word}: expected key=value")
        from mmengine.config import DictAction

        DictAction(self.option_strings, self.dest)(parser, namespace, values, option_string)


def make_parser(
    prog: str, description: str | None, add_arguments: Callable[[argparse.ArgumentParser], None]
) -> argparse.ArgumentParser:
    """The parser of a command that is started by itself, by a script in ``tools/``."""
    parser = argparse.ArgumentParser(
        prog=prog,
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_arguments(parser)
    return parser


def add_cfg_options(parser: argparse.ArgumentParser) -> None:
    """The argument that overrides a config's settings."""
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        action=_Options,
        default={},
        metavar="KEY=VALUE",
        help="settings that override the config's, as key=value; keys of nested settings are "
        'joined by dots (train_dataloader.batch_size=4), lists are written key="[a,b]"; '
        "data_root=FOLDER moves the dataset",
    )


def add_config_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of every command that runs a config."""
    parser.add_argument("--work-dir", help="folder for logs, checkpoints, results")
    add_cfg_options(parser)
    parser.add_argument(
        "--launcher",
        choices=["none", *RANKS],
        help="what started the processes of a distributed run (default: pytorch under torchrun)",
    )
    parser.add_argument("--local_rank", "--local-rank", type=int, default=0, help=argparse.SUPPRESS)


def read_config(
    config: str,
    options: Mapping[str, Any] | None = None,
    parts: Sequence[str] | None = None,
) -> Config:
    """A config file, with overrides, checked before anything is built from it.

    Args:
        config: path of the file, or name of a model of the index.
        options: as ``--cfg-options`` has them.
        parts: the top-level keys to check; None for all.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: there is no such model, the file cannot be read as a config, an option does not
            fit it, or what it says cannot be built.
    """
    from condinst.config.overrides import override
    from condinst.config.read import read_config_file
    from condinst.model_zoo import resolve_config

    cfg = read_config_file(resolve_config(config))
    override(cfg, dict(options or {}), parts)
    return cfg


def load_config(args: argparse.Namespace, parts: Sequence[str] | None = None) -> Config:
    """The config of a run: that of the command line, with its overrides and its work folder.

    Args:
        parts: the top-level keys to check; None for all.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file cannot be read as a config, or a switch does not fit it or the machine.
    """
    # torchrun's own mark: a job of slurm may start one process, whose user wants no distribution
    by_torchrun = "TORCHELASTIC_RUN_ID" in os.environ
    launcher = args.launcher or ("pytorch" if by_torchrun else "none")
    if launcher != "none" and RANKS[launcher] not in os.environ:
        raise ValueError(
            f"--launcher {launcher} expects the environment variable "
            f"{RANKS[launcher]}, which its launcher sets in every process; start with "
            "tools/dist_train.sh, dist_test.sh or slurm_train.sh, or with your cluster's launcher"
        )
    os.environ.setdefault("LOCAL_RANK", str(args.local_rank))
    cfg = read_config(args.config, args.cfg_options, parts)
    cfg.launcher = launcher
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get("work_dir") is None:
        cfg.work_dir = str(Path("work_dirs") / Path(cfg.filename).stem)
    check_writable("work_dir", Path(cfg.work_dir))
    _make("--work-dir" if args.work_dir is not None else "work_dir", Path(cfg.work_dir))
    return cfg


def _make(what: str, folder: Path) -> None:
    """Make a folder now, so that what is wrong with it is said before the data are read."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:  # a name that is too long, or has a zero byte
        reason = getattr(error, "strerror", None) or error
        raise ValueError(f"{what} {folder}: cannot be made: {reason}") from error


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
            f"{switch} is for condinst.CondInst and condinst.BoxInst, the config's model.type is "
            f"{cfg.model.type!r}"
        )


def _is_condinst(cfg: Config) -> bool:
    scope, _, name = f".{cfg.model.type}".rpartition(".")
    in_scope = scope == ".condinst" or (not scope and cfg.get("default_scope") == "condinst")
    return in_scope and name in ("CondInst", "BoxInst")


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
