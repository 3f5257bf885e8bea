"""What a plan for a time changes in mmengine's two training loops."""

from __future__ import annotations

import bisect
import math
from typing import Any

from mmengine.hooks import CheckpointHook
from mmengine.runner import EpochBasedTrainLoop, Runner

from condinst.engine.time_plan import TimePlan

__all__ = ["LoopControl", "control_loop"]

_NEVER = 1 << 40  # iterations or epochs


def control_loop(runner: Runner) -> LoopControl:
    """Return the control of the runner's training loop."""
    by_epoch = isinstance(runner.train_loop, EpochBasedTrainLoop)
    return _EpochControl(runner) if by_epoch else LoopControl(runner)


class LoopControl:
    """Controls a loop that counts iterations.

    Attributes:
        length: number of iterations in the config.
        spacing: iterations between two points at which the loop can validate.
    """

    spacing = 1

    def __init__(self, runner: Runner) -> None:
        self.loop = runner.train_loop
        self.length: int = self.loop.max_iters
        savers = (hook for hook in runner.hooks if isinstance(hook, CheckpointHook))
        self.saver = next(savers, None)
        optimizer: Any = runner.optim_wrapper
        several = getattr(optimizer, "optim_wrappers", {"": optimizer})
        self._wrappers = [w for w in several.values() if hasattr(w, "_accumulative_counts")]
        self._has_validation = runner.val_loop is not None
        # losses that grow in the beginning, such as BoxInst's
        self._warmups = [
            (part, part.warmup_iters)
            for module in runner.model.modules()
            for part in (module, *vars(module).values())
            if type(getattr(part, "warmup_iters", None)) is int
        ]

    def num_validations(self) -> int:
        """Return how many validations the config has after the loop's place."""
        if not self._has_validation:
            return 0
        loop, count, last = self.loop, 0, self._now(self.length)
        for step in range(self._now(self.loop.iter) + 1, last + 1):
            place = bisect.bisect(loop.dynamic_milestones, step + 1)
            interval = loop.dynamic_intervals[place - 1]
            count += step >= loop.val_begin and (step % interval == 0 or step == last)
        return count

    def num_saves(self) -> int:
        """Return how many checkpoints the config has after the loop's place, best ones aside."""
        saver = self.saver
        if saver is None or saver.interval < 1:
            return 0
        unit = self.spacing if saver.by_epoch else 1
        now, last = self.loop.iter // unit, self.length // unit
        steps = range(max(now + 1, saver.save_begin), last + 1)
        count = sum(step % saver.interval == 0 for step in steps)
        return count + (saver.save_last and last % saver.interval > 0)

    def _now(self, iterations: int) -> int:
        """Return the loop's own count at a number of iterations."""
        return iterations

    def apply(self, plan: TimePlan) -> None:
        """Give the loop the planned end."""
        if plan.end:
            self.loop._max_iters = plan.end
            for wrapper in self._wrappers:  # they end accumulated gradients with the last iteration
                wrapper._max_counts = plan.end
                wrapper._remainder_counts = plan.end % wrapper._accumulative_counts
        for part, iterations in self._warmups:
            if iterations:
                part.warmup_iters = max(1, round(iterations * plan.factor))

    def after_iteration(self, plan: TimePlan, finished: int) -> bool:
        """Decide what comes after this iteration; return whether a checkpoint does."""
        self._validate(bool(plan.end) and plan.validations.is_due(finished, plan.end), finished)
        return self._save(plan, finished, finished, by_epoch=False)

    def _validate(self, due: bool, step: int) -> None:
        """Let the loop validate at ``step``, its count, or not: it asks for a multiple."""
        loop = self.loop
        loop.val_begin, loop.val_interval = 1, step if due else _NEVER
        loop.dynamic_milestones, loop.dynamic_intervals = [0], [loop.val_interval]

    def _save(self, plan: TimePlan, finished: int, step: int, *, by_epoch: bool) -> bool:
        """Let CheckpointHook save at ``step``, its count, or not."""
        saver = self.saver
        if saver is None or saver.interval < 1 or saver.by_epoch != by_epoch:
            return False
        due = bool(plan.end) and plan.checkpoints.is_due(finished, plan.end, self.spacing)
        saver.save_begin, saver.interval = 0, step if due else _NEVER
        return due

    def after_epoch(self, plan: TimePlan) -> None:
        """Decide what comes after an epoch."""

    def epochs(self, plan: TimePlan) -> int:
        """Return the epochs of the config's schedule at the plan's position."""
        return 0


class _EpochControl(LoopControl):
    """Controls a loop that counts epochs: the last one ends where the plan ends."""

    def __init__(self, runner: Runner) -> None:
        super().__init__(runner)
        self.spacing = max(1, len(self.loop.dataloader))
        self._num_epochs: int = self.loop.max_epochs
        # such as mmdet's PipelineSwitchHook
        self._switches = [
            (hook, hook.switch_epoch)
            for hook in runner.hooks
            if type(getattr(hook, "switch_epoch", None)) is int
        ]
        _end_inside_of_epochs(self.loop)

    def _now(self, iterations: int) -> int:
        return iterations // self.spacing

    def apply(self, plan: TimePlan) -> None:
        super().apply(plan)
        if not plan.end:
            return
        planned = max(math.ceil(plan.end / self.spacing), self.loop.epoch)
        self.loop._max_epochs = planned
        for hook, epoch in self._switches:
            hook.switch_epoch = epoch * planned // self._num_epochs

    def after_iteration(self, plan: TimePlan, finished: int) -> bool:
        return self._save(plan, finished, finished, by_epoch=False)

    def after_epoch(self, plan: TimePlan) -> None:
        finished, epoch = self.loop.iter, self.loop.epoch + 1
        due = bool(plan.end) and plan.validations.is_due(finished, plan.end, self.spacing)
        self._validate(due, epoch)
        self._save(plan, finished, epoch, by_epoch=True)

    def epochs(self, plan: TimePlan) -> int:
        return int(plan.position / self.length * self._num_epochs + 1e-6)


class _PlanEnds(Exception):
    """The planned number of iterations is reached inside of an epoch."""


def _end_inside_of_epochs(loop: Any) -> None:
    """Make a loop of epochs end after ``max_iters`` iterations."""
    run_iter, run_epoch = loop.run_iter, loop.run_epoch

    def bounded_iter(*args: Any, **kwargs: Any) -> None:
        run_iter(*args, **kwargs)
        if loop._iter >= loop._max_iters:
            raise _PlanEnds

    def bounded_epoch() -> None:
        try:
            run_epoch()
        except _PlanEnds:
            loop._max_epochs = loop._epoch + 1
            loop.runner.call_hook("after_train_epoch")
            loop._epoch += 1

    loop.run_iter, loop.run_epoch = bounded_iter, bounded_epoch
