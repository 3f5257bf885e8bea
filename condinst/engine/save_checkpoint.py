"""Write a checkpoint between those of the schedule."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process, master_only
from mmengine.hooks import CheckpointHook, EMAHook, Hook
from mmengine.runner import Runner

from condinst.compat.checkpoint_store import TEMPORARY, remove, write_mark
from condinst.registry import HOOKS

__all__ = [
    "FinishedHook",
    "find_checkpoint_hook",
    "last_checkpoint",
    "remove_leftovers",
    "save_now",
]


@HOOKS.register_module()
class FinishedHook(Hook):
    """Track the last iteration after which weights, optimizer, schedule and moving average agree.

    Attributes:
        finished: number of iterations that are finished, hooks included.
        first: that number when the training began or was resumed.
        epochs: number of finished epochs; None inside of an epoch.
        validating: whether the model has its averaged weights, if it has any.
    """

    priority = "LOWEST"  # after the schedule's step, EMAHook and CheckpointHook

    def __init__(self) -> None:
        self.first = self.finished = 0
        self.epochs: int | None = 0
        self.validating = False

    def before_train(self, runner: Runner) -> None:
        self.first = self.finished = runner.iter
        self.epochs = runner.epoch

    def before_train_epoch(self, runner: Runner) -> None:
        self.epochs = None

    def after_train_epoch(self, runner: Runner) -> None:
        self.epochs = runner.epoch + 1

    def after_train_iter(self, runner: Runner, *args: Any, **kwargs: Any) -> None:
        self.finished = runner.iter + 1

    def before_val_epoch(self, runner: Runner) -> None:
        self.validating = True

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        self.validating = False

    def is_whole(self, runner: Runner) -> bool:
        """Tell whether the next iteration has not yet changed the weights."""
        return getattr(runner.optim_wrapper, "_inner_count", self.finished) == self.finished


def save_now(runner: Runner, reason: str, *, together: bool = False) -> str | None:
    """Write a checkpoint of the last finished iteration, in the first process.

    The checkpoint is written as the config's ``CheckpointHook`` writes it, and counts among those
    that the hook keeps. The processes need not call this function together, for example after one
    of them is lost: with mmengine's Runner, nothing is exchanged.

    Args:
        runner: of the training.
        reason: for the log.
        together: whether every process calls the function now. A strategy that shards the model
            (FSDP, DeepSpeed) can only save like that.

    Returns:
        The path, or None if no run could resume from a checkpoint: no iteration is finished, or the
        next one has begun to change the weights.

    Raises:
        OSError: the file cannot be written.
    """
    hook = find_checkpoint_hook(runner)
    state = next((hook for hook in runner.hooks if isinstance(hook, FinishedHook)), None)
    if hook is None or state is None or state.finished == 0 or not state.is_whole(runner):
        return None
    if not together and not isinstance(runner, Runner):
        return None
    with _trained_weights(runner, state):
        return _save(hook, runner, state, reason)


@contextlib.contextmanager
def _trained_weights(runner: Runner, state: FinishedHook) -> Iterator[None]:
    """Give the model the weights that are trained, where a validation has averaged ones in it.

    EMAHook exchanges the two when it saves, and would take the one for the other.
    """
    swapped = [hook for hook in runner.hooks if isinstance(hook, EMAHook) and state.validating]
    for hook in swapped:
        hook._swap_ema_parameters()
    try:
        yield
    finally:
        for hook in swapped:
            hook._swap_ema_parameters()


def _save(hook: CheckpointHook, runner: Runner, state: FinishedHook, reason: str) -> str | None:
    if hook.by_epoch:
        return _save_in_epoch(hook, runner, state, reason)
    path = os.path.join(hook.out_dir, hook.filename_tmpl.format(state.finished))
    if not _is_there(hook, state, path):
        runner.logger.info(f"Saving checkpoint at {state.finished} iterations: {reason}")
        meta = dict(epoch=runner.epoch, iter=state.finished)
        hook._save_checkpoint_with_step(runner, state.finished, meta)
    return path


def _is_there(hook: CheckpointHook, state: FinishedHook, path: str) -> bool:
    """Tell whether this run has saved this iteration, or was resumed from it."""
    return hook.last_ckpt == path or (state.finished == state.first and os.path.exists(path))


def _save_in_epoch(
    hook: CheckpointHook, runner: Runner, state: FinishedHook, reason: str
) -> str | None:
    """Save where checkpoints are counted in epochs: ``iter_N.pth`` inside of an epoch.

    If the run was resumed from such a file, that file is removed.
    """
    if state.epochs is not None:  # between two epochs
        path = os.path.join(hook.out_dir, hook.filename_tmpl.format(state.epochs))
        if not _is_there(hook, state, path):
            runner.logger.info(f"Saving checkpoint at {state.epochs} epochs: {reason}")
            meta = dict(epoch=state.epochs, iter=state.finished)
            hook._save_checkpoint_with_step(runner, state.epochs, meta)
        return path
    name = f"iter_{state.finished}.pth"
    path = os.path.join(hook.out_dir, name)
    if _is_there(hook, state, path):
        return path
    runner.logger.info(f"Saving checkpoint at {state.finished} iterations: {reason}")
    runner.save_checkpoint(
        hook.out_dir,
        name,
        meta=dict(epoch=runner.epoch, iter=state.finished),
        by_epoch=False,
        backend_args=hook.backend_args,
    )
    hook.last_ckpt = path
    if is_main_process():
        write_mark(hook, runner)
        old = Path(getattr(runner, "_load_from", None) or "")
        if old.name.startswith("iter_") and old.parent.resolve() == Path(hook.out_dir).resolve():
            remove(hook, runner, old.name)
    return path


def find_checkpoint_hook(runner: Runner) -> CheckpointHook | None:
    """Return the config's ``CheckpointHook``, or None before the training has begun."""
    hooks = [hook for hook in runner.hooks if isinstance(hook, CheckpointHook)]
    return next((hook for hook in hooks if hasattr(hook, "file_backend")), None)


def last_checkpoint(runner: Runner) -> str | None:
    """Return the path of the newest checkpoint that this run has written or was resumed from."""
    hook = find_checkpoint_hook(runner)
    if hook is not None:
        # last_ckpt is set before the file is written, in every process
        for path in (hook.last_ckpt, getattr(hook, "previous_ckpt", None)):
            if path is not None and hook.file_backend.exists(path):
                return path
    return runner._load_from if runner._resume else None


@master_only
def remove_leftovers(folder: str | os.PathLike[str]) -> list[str]:
    """Remove the temporary files that a run killed while writing has left in its folder.

    Call this only while no other run writes there.

    Returns:
        The names of the files.
    """
    removed = []
    for path in sorted(Path(folder).glob(f"*.pth{TEMPORARY}")):
        if path.is_file() and not path.is_symlink():
            path.unlink()
            removed.append(path.name)
    Path(folder, f"last_checkpoint{TEMPORARY}").unlink(missing_ok=True)
    return removed
