"""What training and testing share: reading a config, launching, telling users what is wrong."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from mmengine.config import Config, DictAction

from condinst.datasets.data_root import set_data_root


def add_config_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of every command that runs a config."""
    parser.add_argument("--work-dir", help="folder for logs, checkpoints, results")
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        action=DictAction,
        default={},
        help="settings that override the config's, as key=value; keys of nested settings are "
        'joined by dots (train_dataloader.batch_size=4), lists are written key="[a,b]"; '
        "data_root=FOLDER moves the data set",
    )
    parser.add_argument(
        "--launcher",
        choices=["none", "pytorch", "slurm", "mpi"],
        default="none",
        help="what started the processes of a distributed run",
    )
    parser.add_argument("--local_rank", "--local-rank", type=int, default=0, help=argparse.SUPPRESS)


def load_config(args: argparse.Namespace) -> Config:
    """The config of the command line, with its overrides."""
    if not Path(args.config).is_file():
        raise FileNotFoundError(f"config {args.config} is not a file")
    os.environ.setdefault("LOCAL_RANK", str(args.local_rank))
    cfg = Config.fromfile(args.config)
    options = dict(args.cfg_options)
    if "data_root" in options:
        set_data_root(cfg, options.pop("data_root"))
    cfg.merge_from_dict(options)
    cfg.launcher = args.launcher
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get("work_dir") is None:
        cfg.work_dir = str(Path("work_dirs") / Path(args.config).stem)
    return cfg


def is_first_process() -> bool:
    """Whether this is the process that speaks, before distributed training has started."""
    ranks = ("RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK")
    return all(int(os.environ.get(rank, 0)) == 0 for rank in ranks)


def run(main: Callable[[], None]) -> None:
    """Run a command; a user's mistake ends it with one line and exit code 1."""
    try:
        main()
    except (ValueError, FileNotFoundError) as error:
        if os.environ.get("CONDINST_DEBUG"):
            raise
        sys.exit(f"error: {error}\n(set CONDINST_DEBUG=1 for the traceback)")
    except KeyboardInterrupt:
        sys.exit(130)
