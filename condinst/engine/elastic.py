"""Resume a training that torchrun has restarted."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from mmengine.dist import all_reduce, init_dist, is_distributed, is_main_process
from mmengine.logging import print_log

from condinst.engine.choose_checkpoint import checkpoint_folder, set_resume
from condinst.utils.files import read_regular, write_whole

if TYPE_CHECKING:
    from mmengine.config import Config

__all__ = ["resume_after_restart"]

_MARK = ".started_by_torchrun"


def resume_after_restart(cfg: Config) -> None:
    """Make the config resume from the newest checkpoint of its run, if torchrun has restarted it.

    torchrun restarts all processes when one of them has died (``--max-restarts``), and when a
    machine has left or joined (``--nnodes=1:4``). It counts only the former, and a new machine
    knows of neither. All processes therefore agree: it is a restart if any of them knows of one. A
    file in the work folder marks the start of the launcher, and only later checkpoints count; if
    there is none, the run starts as it did before.

    Call this function in every process.

    Args:
        cfg: changed in place.
    """
    if "TORCHELASTIC_RUN_ID" not in os.environ or cfg.launcher == "none":
        return
    if not is_distributed():  # a strategy would initialize it later
        init_dist(cfg.launcher, **(cfg.get("env_cfg") or {}).get("dist_cfg", {}))
    mark = Path(cfg.work_dir) / _MARK
    restarted = torch.tensor(int(_is_restart(mark)))
    all_reduce(restarted, "max")
    if not restarted:
        if is_main_process():
            mark.parent.mkdir(parents=True, exist_ok=True)
            write_whole(mark, os.environ["TORCHELASTIC_RUN_ID"] + "\n")
        return
    newest = _newest_since(cfg, mark)
    if newest is None:
        print_log("torchrun has restarted this run; it had not saved a checkpoint yet", "current")
        return
    print_log(f"torchrun has restarted this run: it resumes from {newest}", "current")
    set_resume(cfg, newest)


def _is_restart(mark: Path) -> bool:
    """Tell whether the launcher of this process had started the run before."""
    if int(os.environ.get("TORCHELASTIC_RESTART_COUNT", 0)) > 0:
        return True
    begun = _launcher_start_time()
    try:
        same_id = read_regular(mark).decode().strip() == os.environ["TORCHELASTIC_RUN_ID"]
        return begun is not None and same_id and mark.stat().st_mtime > begun
    except (OSError, ValueError):  # there is no readable mark
        return False


def _launcher_start_time() -> float | None:
    """Return when the parent process started, in seconds since 1970; None where it is not known."""
    try:
        stat = Path(f"/proc/{os.getppid()}/stat").read_text(encoding="utf-8", errors="replace")
        ticks = int(stat.rpartition(")")[2].split()[19])  # field 22, "starttime"
        lines = Path("/proc/stat").read_text(encoding="utf-8").splitlines()
        booted = next(int(line.split()[1]) for line in lines if line.startswith("btime"))
        return booted + ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, StopIteration):
        return None


def _newest_since(cfg: Config, mark: Path) -> str | None:
    from condinst.compat.checkpoint_search import newest_whole

    try:
        found = newest_whole(checkpoint_folder(cfg), folders=bool(cfg.get("strategy")))
        if found is None or found[0].stat().st_mtime < mark.stat().st_mtime:
            return None
    except (OSError, ValueError):  # no checkpoint is whole, or the mark is missing
        return None
    return str(found[0])
