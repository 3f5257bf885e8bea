"""Write checkpoints whole before older ones are removed, and remove only a run's own files.

Upstream bugs (mmengine 0.10.7):

- ``LocalBackend.put`` writes over the old file: a killed run leaves half of the new one.
- ``CheckpointHook`` removes the old checkpoint, and the old best one, before the new one is
  written.
- It keeps absolute paths in the checkpoint and in ``last_checkpoint``, and later removes whatever
  file or folder the checkpoint names: a run in a copied work folder removes files of the original.
- If a validation comes before the first checkpoint, the best one that is saved cannot be resumed.

Delete when mmengine's hook removes by name in its own folder, and only after it has written.
"""

from __future__ import annotations

import functools
import numbers
import os
import re
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mmengine
import torch
from mmengine.dist import barrier, is_main_process
from mmengine.fileio import LocalBackend
from mmengine.hooks import CheckpointHook

from condinst.compat.checkpoint_store import path_of, put, remove, replace_link, write_mark

STARTED = "run_started"
"""The message hub's key for the start of a run, in seconds since 1970; resuming keeps it."""


def apply(upstream: str) -> None:
    """Replace the writer, and the methods of the hook that write or remove."""
    LocalBackend.put = put
    CheckpointHook.before_train = _before_train(CheckpointHook.before_train)
    CheckpointHook._save_checkpoint_with_step = _save_checkpoint_with_step
    CheckpointHook._save_best_checkpoint = _save_best_checkpoint


def _before_train(original: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(original)
    def before_train(self: CheckpointHook, runner: Any) -> None:
        info = runner.message_hub.runtime_info
        # What mmengine would take from the checkpoint and remove without a check.
        names = [name for name in info if re.match("keep_ckpt_ids$|best_ckpt", str(name))]
        loaded = {name: info.pop(name) for name in names}
        original(self, runner)
        if runner.iter == 0 or not _resumed_from(self, runner):
            info.pop(STARTED, None)
        info.setdefault(STARTED, time.time())
        if self.max_keep_ckpts > 0:
            _take_up_steps(self, runner, loaded.get("keep_ckpt_ids"))
        if self.save_best is not None:
            _take_up_best(self, runner, loaded)

    return before_train


def _take_up_steps(hook: CheckpointHook, runner: Any, loaded: Any) -> None:
    """Continue the list of checkpoints to keep, if those of the resumed run lie in this folder.

    There may be one too many: the run may have been killed between writing and removing.
    """
    current = runner.epoch if hook.by_epoch else runner.iter
    steps: list[int] = []
    if isinstance(loaded, (list, tuple)) and _resumed_from(hook, runner):
        steps = sorted({step for step in loaded if type(step) is int and 0 < step <= current})
    hook.keep_ckpt_ids = deque(steps[-hook.max_keep_ckpts :], hook.max_keep_ckpts)
    runner.message_hub.update_info("keep_ckpt_ids", list(hook.keep_ckpt_ids))
    if is_main_process():
        for step in steps[: -hook.max_keep_ckpts]:
            remove(hook, runner, hook.filename_tmpl.format(step))


def _resumed_from(hook: CheckpointHook, runner: Any) -> bool:
    """Tell whether the run resumes from a checkpoint in its own folder."""
    source = getattr(runner, "_load_from", None)
    if source is None:  # the newest of the folder, if any
        return True
    return Path(source).parent.resolve() == Path(hook.out_dir).resolve()


def _take_up_best(hook: CheckpointHook, runner: Any, loaded: dict[str, Any]) -> None:
    """Find the best checkpoints of the resumed run by their names in this folder."""
    info = runner.message_hub.runtime_info
    for metric in hook.key_indicators:
        suffix = _suffix(hook, metric)
        score = info.get(f"best_score{suffix}", 0.0)
        if not isinstance(score, (numbers.Real, torch.Tensor)):
            runner.logger.warning(
                f"the checkpoint's best_score{suffix} is no number but {score!r:.40}: ignored"
            )
            del info[f"best_score{suffix}"]
        name = re.split(r"[\\/]", str(loaded.get(f"best_ckpt{suffix}")))[-1]
        ours = _best_pattern(hook, metric).fullmatch(name)
        exists = bool(ours) and hook.file_backend.exists(path_of(hook, name))
        _set_best(hook, runner, metric, name if exists else None)


def _set_best(hook: CheckpointHook, runner: Any, metric: str, name: str | None) -> None:
    path = None if name is None else path_of(hook, name)
    if len(hook.key_indicators) == 1:
        hook.best_ckpt_path = path
    elif path is not None:
        hook.best_ckpt_path_dict[metric] = path
    else:  # mmengine writes every entry to the message hub
        hook.best_ckpt_path_dict.pop(metric, None)
    if name is not None:
        runner.message_hub.update_info(f"best_ckpt{_suffix(hook, metric)}", name)


def _get_best(hook: CheckpointHook, metric: str) -> str | None:
    if len(hook.key_indicators) == 1:
        path = hook.best_ckpt_path
    else:
        path = hook.best_ckpt_path_dict.get(metric)
    return None if path is None else os.path.basename(path)


def _suffix(hook: CheckpointHook, metric: str) -> str:
    """Return what mmengine appends to its keys where there are several metrics."""
    return "" if len(hook.key_indicators) == 1 else f"_{metric}"


def _best_name(hook: CheckpointHook, metric: str, step: int) -> str:
    return f"best_{metric}_{hook.filename_tmpl.format(step)}".replace("/", "_")


def _best_pattern(hook: CheckpointHook, metric: str) -> re.Pattern[str]:
    """Return a pattern of the names of :func:`_best_name`; "auto" stands for any metric."""
    before, _, after = (re.escape(part) for part in re.split(r"(\{.*?\})", hook.filename_tmpl))
    metric = r"[^\\/]+" if metric == "auto" else re.escape(metric.replace("/", "_"))
    return re.compile(rf"best_{metric}_{before}\d+{after}")


def _save_checkpoint_with_step(
    self: CheckpointHook, runner: Any, step: int, meta: dict[str, Any]
) -> None:
    """Write the new checkpoint, then ``last_checkpoint``, then remove what exceeds the limit."""
    name = self.filename_tmpl.format(step)
    hub = runner.message_hub
    steps = [*(kept for kept in getattr(self, "keep_ckpt_ids", ()) if kept != step), step]
    if self.max_keep_ckpts > 0:
        # Including those about to be removed: a run killed before that removes them later.
        hub.update_info("keep_ckpt_ids", steps)
    self.previous_ckpt, self.last_ckpt = self.last_ckpt, path_of(self, name)
    hub.update_info("last_ckpt", name)
    if is_main_process():
        replace_link(self.last_ckpt)
    runner.save_checkpoint(
        self.out_dir,
        name,
        self.file_client_args,
        save_optimizer=self.save_optimizer,
        save_param_scheduler=self.save_param_scheduler,
        meta=meta,
        by_epoch=self.by_epoch,
        backend_args=self.backend_args,
        **self.args,
    )
    if not isinstance(runner, mmengine.runner.Runner):
        barrier()  # a strategy's processes write a part each
    if is_main_process():
        write_mark(self, runner)
    if self.max_keep_ckpts > 0:
        self.keep_ckpt_ids = deque(steps[-self.max_keep_ckpts :], self.max_keep_ckpts)
        hub.update_info("keep_ckpt_ids", list(self.keep_ckpt_ids))
        if is_main_process():
            for old in steps[: -self.max_keep_ckpts]:
                remove(self, runner, self.filename_tmpl.format(old))


def _save_best_checkpoint(self: CheckpointHook, runner: Any, metrics: dict[str, Any]) -> None:
    """Write each new best checkpoint, note it in the newest one, then remove what it replaces."""
    if not self.save_best:
        return
    step = runner.epoch if self.by_epoch else runner.iter
    meta = dict(epoch=runner.epoch, iter=runner.iter)
    if "auto" in self.key_indicators:
        self._init_rule(self.rules, [next(iter(metrics))])
    improved, replaced = False, []
    for metric, rule in zip(self.key_indicators, self.rules, strict=True):
        score, noted = metrics[metric], f"best_score{_suffix(self, metric)}"
        best = runner.message_hub.runtime_info.get(noted, self.init_value_map[rule])
        if score is None or not self.is_better_than[metric](score, best):
            continue
        improved, old, name = True, _get_best(self, metric), _best_name(self, metric, step)
        runner.message_hub.update_info(noted, score)
        _set_best(self, runner, metric, name)
        _write_best(self, runner, name, meta)
        runner.logger.info(f"{name}: the best checkpoint so far, {metric} is {score:0.4f}")
        if old is not None and old != name:
            replaced.append(old)
    scheduled = self.interval > 0 and step >= self.save_begin
    if improved and (scheduled or self.last_ckpt is not None):
        self._save_checkpoint_with_step(runner, step, meta)
    if is_main_process():
        for old in replaced:
            if remove(self, runner, old):
                runner.logger.info(f"{old}: removed, no longer the best checkpoint")


def _write_best(hook: CheckpointHook, runner: Any, name: str, meta: dict[str, Any]) -> None:
    if is_main_process():
        replace_link(path_of(hook, name))
    runner.save_checkpoint(
        hook.out_dir,
        filename=name,
        file_client_args=hook.file_client_args,
        save_optimizer=False,
        save_param_scheduler=False,
        meta=dict(meta),
        by_epoch=False,
        backend_args=hook.backend_args,
    )
