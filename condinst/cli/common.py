"""Options and steps that the commands share: reading a config, launching, checking arguments.

Here and in the commands, the functions themselves import PyTorch and mmengine: ``--help`` and a
wrong argument need neither, and importing them takes seconds.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from condinst.cli.hints import before_option, is_no_setting
from condinst.cli.once import RANKS
from condinst.cli.output_places import check_dump
from condinst.cli.parser import Parser
from condinst.compat import require_packages
from condinst.config.known import OUR_DETECTORS
from condinst.config.nodes import type_name
from condinst.utils.files import check_html as check_html
from condinst.utils.files import check_writable as check_writable

if TYPE_CHECKING:
    from mmengine.config import Config

_READ: dict[str, Any] = {}  # configs by path, from read_ahead to read_config


class _KeyValues(argparse.Action):
    """mmengine's action for key=value, with a message for a word that has no "="."""

    def __call__(self, parser, namespace, values, option_string=None) -> None:
        for word in values:
            if "=" not in word:
                if is_no_setting(word):
                    way = before_option(parser, str(option_string))
                else:
                    way = f", such as {word}=VALUE"
                parser.error(f"{option_string} {word}: expected key=value{way}")
            first, *rest = word.partition("=")[0].split(".")
            if not first.isidentifier() or not all(part.strip() for part in rest):
                parser.error(
                    f"{option_string} {word}: expected key=value, where the key is names and "
                    "indices joined by dots"
                )
        from mmengine.config import DictAction

        action = DictAction(self.option_strings, self.dest)
        for word in values:
            try:
                action(parser, argparse.Namespace(), [word], option_string)
            except (AssertionError, RecursionError, ValueError) as error:
                parser.error(
                    f"{option_string} {word}: the value cannot be read "
                    f"({type(error).__name__}): expected a number, a word, or a list of them such "
                    "as [1,2]; dicts inside of lists need a config file"
                )
        action(parser, namespace, values, option_string)


def make_parser(
    prog: str, description: str | None, add_arguments: Callable[[argparse.ArgumentParser], None]
) -> argparse.ArgumentParser:
    """Return the parser of a command that a script in ``tools/`` starts."""
    parser = Parser(
        prog=prog,
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_arguments(parser)
    return parser


def add_cfg_options(parser: argparse.ArgumentParser) -> None:
    """Add the option that overrides settings of a config."""
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        action=_KeyValues,
        default={},
        metavar="KEY=VALUE",
        help="override settings of the config; the keys of nested settings are joined by dots "
        '(train_dataloader.batch_size=4), and lists are written key="[a,b]"; data_root=FOLDER '
        "moves the dataset",
    )


def add_config_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of every command that runs a config."""
    parser.add_argument(
        "--work-dir", metavar="FOLDER", help="folder for logs, checkpoints and results"
    )
    add_cfg_options(parser)
    parser.add_argument(
        "--launcher",
        choices=["none", *RANKS],
        help="launcher of a distributed run (default: pytorch under torchrun, else none)",
    )
    parser.add_argument(
        "--verbose",
        action="store_true",
        help="print everything that goes into the log file: the machine, the config, the hooks",
    )
    parser.add_argument("--local_rank", "--local-rank", type=int, default=0, help=argparse.SUPPRESS)


def read_ahead(config: str, options: Mapping[str, Any], splits: Sequence[str] = ()) -> Config:
    """Find mistakes in a config before PyTorch is imported, and keep it for :func:`read_config`.

    Args:
        config: path of the file, or name of a model of the index.
        options: settings from ``--cfg-options``.
        splits: those whose annotation files have to be there.

    Returns:
        The config with its overrides; what can be read from it is the same later.

    Raises:
        FileNotFoundError, ValueError: as :func:`read_config`.
    """
    from condinst.config.overrides import check_ahead
    from condinst.config.read import read_config_file
    from condinst.model_zoo import resolve_config

    require_packages()
    path = resolve_config(config)
    cfg = read_config_file(path)
    changed = check_ahead(cfg, options, splits)
    _READ[path] = cfg
    return changed


def read_config(
    config: str,
    options: Mapping[str, Any] | None = None,
    parts: Sequence[str] | None = None,
) -> Config:
    """Read a config, override its settings and check it, before anything is built.

    Args:
        config: path of the file, or name of a model of the index.
        options: settings from ``--cfg-options``.
        parts: the top-level keys to check; None for all.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: there is no such model, the file cannot be read as a config, an option does not
            fit it, or it cannot be built.
    """
    from condinst.config.overrides import override
    from condinst.config.read import read_config_file
    from condinst.model_zoo import resolve_config

    path = resolve_config(config)
    cfg = _READ.pop(path) if path in _READ else read_config_file(path)
    override(cfg, dict(options or {}), parts)
    return cfg


def check_run(args: argparse.Namespace) -> str:
    """Check the options that need no PyTorch, and return the launcher.

    Raises:
        ValueError: the work folder cannot be made, or there is no launcher.
    """
    if args.work_dir is not None:
        check_writable("--work-dir", Path(args.work_dir))
        check_dump("--work-dir", args.work_dir, args.config)
    # set by torchrun alone: a Slurm job of one process also has RANK, and needs no distribution
    by_torchrun = "TORCHELASTIC_RUN_ID" in os.environ
    launcher = args.launcher or ("pytorch" if by_torchrun else "none")
    if launcher != "none" and RANKS[launcher] not in os.environ:
        raise ValueError(
            f"--launcher {launcher} expects the environment variable "
            f"{RANKS[launcher]}, which its launcher sets in every process; start with "
            "tools/dist_train.sh, dist_test.sh or slurm_train.sh, or with your cluster's launcher"
        )
    return launcher


def load_config(
    args: argparse.Namespace,
    parts: Sequence[str] | None = None,
    read: Callable[[str, Mapping[str, Any], Sequence[str] | None], Config] = read_config,
) -> Config:
    """Read the config of a run, with its overrides and its work folder.

    Args:
        args: the command line.
        parts: the top-level keys to check; None for all.
        read: what reads the config, with the arguments of :func:`read_config`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file cannot be read as a config, or an option does not fit it or the
            machine.
    """
    launcher = check_run(args)
    os.environ.setdefault("LOCAL_RANK", str(args.local_rank))
    cfg = read(args.config, args.cfg_options, parts)
    cfg.launcher = launcher
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get("work_dir") is None:
        cfg.work_dir = str(Path("work_dirs") / Path(cfg.filename).stem)
    check_run_folder("work_dir", Path(cfg.work_dir))
    what = "--work-dir" if args.work_dir is not None else "work_dir"
    check_dump(what, cfg.work_dir, cfg.filename)
    _make(what, Path(cfg.work_dir))
    return cfg


def check_run_folder(what: str, folder: Path) -> None:
    """Check that a run can write its logs and checkpoints to a folder.

    Raises:
        ValueError: the folder cannot be written to, or its name is not UTF-8.
    """
    check_writable(what, folder)
    try:
        str(folder.absolute()).encode()
    except UnicodeEncodeError:
        raise ValueError(
            f"{what} {folder.absolute()}: the name is not UTF-8, and no log or checkpoint can "
            "hold it; choose another folder"
        ) from None


def _make(what: str, folder: Path) -> None:
    """Make a folder now, so that an error is reported before the data are read."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:  # OSError or, for a name with a zero byte, ValueError
        reason = getattr(error, "strerror", None) or error
        raise ValueError(f"{what} {folder}: cannot be made: {reason}") from error


def add_speed_arguments(parser: argparse.ArgumentParser, amp: str) -> None:
    """Add the options for speed that training and testing share.

    Args:
        parser: of the command.
        amp: the help text of ``--amp``.
    """
    parser.add_argument(
        "--amp", nargs="?", const="float16", choices=["float16", "bfloat16"], help=amp
    )
    parser.add_argument(
        "--channels-last",
        action="store_true",
        help="store the channels of each pixel together: same results, usually faster",
    )
    parser.add_argument(
        "--compile",
        action="store_true",
        help="compile backbone, neck and heads with torch.compile; takes minutes at the start, and "
        "on a CPU needs a C++ compiler",
    )


def apply_speed_arguments(cfg: Config, args: argparse.Namespace) -> None:
    """Set ``--channels-last`` and ``--compile`` in the config's model.

    Raises:
        ValueError: the model is not one of ours.
    """
    for name in ("channels_last", "compile"):
        if getattr(args, name):
            _require_condinst(cfg, f"--{name.replace('_', '-')}")
            cfg.model[name] = True


def _require_condinst(cfg: Config, option: str) -> None:
    if not _is_condinst(cfg):
        raise ValueError(
            f"{option} is for {', '.join(f'condinst.{name}' for name in OUR_DETECTORS)}, but the "
            f"config's model.type is {cfg.model.type!r}"
        )


def _is_condinst(cfg: Config) -> bool:
    scope, _, name = f".{cfg.model.type}".rpartition(".")
    in_scope = scope == ".condinst" or (not scope and cfg.get("default_scope") == "condinst")
    return in_scope and name in OUR_DETECTORS


def use_rle_masks(cfg: Config) -> None:
    """Make the model return masks as COCO's RLE if they are used only for metrics that read RLE.

    No whole mask of a detection is made then. A ``model.test_cfg.mask_format`` in the config takes
    precedence.
    """
    evaluators = [cfg.get("val_evaluator"), cfg.get("test_evaluator")]
    flat = [x for e in evaluators if e for x in (e if isinstance(e, list) else [e])]
    drawn = (cfg.get("default_hooks") or {}).get("visualization") or {}
    rles_do = all(type_name(x) in ("CocoMetric", "MatchingMetric") for x in flat)
    if _is_condinst(cfg) and rles_do and not drawn.get("draw"):
        test_cfg = dict(cfg.model.get("test_cfg") or {})
        cfg.model.test_cfg = dict(mask_format="rle") | test_cfg
