"""Lock the work folder of a training while it runs."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from condinst.cli.once import is_first_process

if TYPE_CHECKING:
    from mmengine.config import Config


@contextlib.contextmanager
def only_training(cfg: Config) -> Iterator[None]:
    """Lock the config's work folder, and remove what a killed run left there.

    The first process takes the lock; if that fails, all processes end.

    Raises:
        FolderInUse: another training runs there.
    """
    from condinst.engine.run_lock import FolderInUse, lock_work_dir

    refusal = None
    with contextlib.ExitStack() as stack:
        if is_first_process():
            try:
                problem = stack.enter_context(lock_work_dir(cfg.work_dir))
                _remove_leftovers(cfg, problem)
            except FolderInUse as error:
                refusal = error
        refused = _tell_others(cfg, refusal is not None)
        if refusal is not None:
            raise refusal
        if refused:  # the first process has reported it
            sys.exit(1)
        yield


def _remove_leftovers(cfg: Config, problem: str | None) -> None:
    import logging

    from mmengine.logging import print_log

    from condinst.engine.choose_checkpoint import checkpoint_folder
    from condinst.engine.save_checkpoint import remove_leftovers

    if problem is not None:
        text = (
            f"{cfg.work_dir}: cannot be locked ({problem}); make sure that no second training runs "
            "there"
        )
        print_log(text, "current", logging.WARNING)
        return
    if removed := remove_leftovers(checkpoint_folder(cfg)):
        print_log(f"removed unfinished files of a killed run: {', '.join(removed)}", "current")


def _tell_others(cfg: Config, refused: bool) -> bool:
    """Return in every process whether the first one was refused; a collective call.

    A strategy initializes its process group later, by itself; nothing is exchanged then.
    """
    if cfg.launcher == "none" or cfg.get("strategy"):
        return refused
    from mmengine.dist import broadcast_object_list, init_dist, is_distributed

    if not is_distributed():
        init_dist(cfg.launcher, **(cfg.get("env_cfg") or {}).get("dist_cfg", dict(backend="nccl")))
    answer = [refused]
    broadcast_object_list(answer)
    return answer[0]
