"""Print progress where iterations are slow: LoggerHook prints a line every 20 of them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from mmengine.hooks import Hook, LoggerHook

from condinst.cli.terminal import tell

if TYPE_CHECKING:
    from mmengine.runner import Runner

__all__ = ["ProgressHook"]

_FIRST_SECONDS = 10.0
_NEXT_SECONDS = 60.0


class ProgressHook(Hook):
    """Log a line 10 s after a loop has begun, and again when none came for a minute.

    The lines are those of LoggerHook, whose own lines count too.
    """

    priority = "VERY_LOW"  # after LoggerHook

    def __init__(self) -> None:
        self._due = 0.0

    def before_train(self, runner: Runner) -> None:
        self._wait(_FIRST_SECONDS)

    def _before_epoch(self, runner: Runner, mode: str = "train") -> None:
        if mode != "train":
            self._wait(_FIRST_SECONDS)

    def _after_epoch(self, runner: Runner, mode: str = "train") -> None:
        if mode != "train":  # training goes on
            self._wait(_NEXT_SECONDS)

    def _after_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Any = None,
        mode: str = "train",
    ) -> None:
        if self.every_n_inner_iters(batch_idx, _logger_interval(runner)):
            self._wait(_NEXT_SECONDS)
        elif time.monotonic() >= self._due:
            self._wait(_NEXT_SECONDS)
            _, text = runner.log_processor.get_log_after_iter(runner, batch_idx, mode)
            tell(runner.logger, text)

    def _wait(self, seconds: float) -> None:
        self._due = time.monotonic() + seconds


def _logger_interval(runner: Runner) -> int:
    return next((hook.interval for hook in runner.hooks if isinstance(hook, LoggerHook)), 0)
