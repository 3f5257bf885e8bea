"""Train for a given time, with a schedule that has run out at its end."""

from __future__ import annotations

import math
import re
import time
from collections import deque
from statistics import mean
from typing import Any

import torch
from mmengine.dist import broadcast_object_list
from mmengine.hooks import Hook, ParamSchedulerHook
from mmengine.optim.scheduler import param_scheduler as schedulers
from mmengine.runner import Runner

from condinst.engine.time_loops import LoopControl, control_loop
from condinst.engine.time_plan import Marks, TimePlan
from condinst.utils.durations import UNKNOWN, show_duration

__all__ = ["time_hooks"]

_KEY = "time_plan"  # in the message hub, and so in checkpoints
_FIRST = 3  # iterations before the first plan
_SURE = 10  # iterations before the plan is told
_WINDOW = 20  # iterations whose mean is the speed
_OFTEN = 0.01  # of the time: a new plan, at least every 50 iterations
_ETA = re.compile(r"eta: .*?  ")
_TRIALS = 3  # images of the trial validation


def time_hooks(seconds: float | None, started: float) -> list[Hook]:
    """Return the hooks of a training that ends after a time.

    They do nothing in a training that neither has a time nor was resumed from one that had.

    Args:
        seconds: the time; None to go on with that of the checkpoint, if there is one.
        started: ``time.monotonic()`` at the start of the command.
    """
    hook = TimeHook(seconds, started)
    return [hook, _EndOfIteration(hook)]


class TimeHook(Hook):
    """Plan the iterations, move the schedulers, and place validations and checkpoints.

    The first process measures and plans; the others take its plan.
    """

    priority = 85  # after the log, before checkpoints: they hold the plan

    def __init__(self, seconds: float | None, started: float) -> None:
        self._seconds, self._started = seconds, started
        self.plan: TimePlan | None = None
        self._times: deque[float] = deque(maxlen=_WINDOW)
        self._since = self._validation_since = started
        self._validation, self._saving = math.nan, 0.0
        self._first = self._next_plan = self._told = 0
        self._saves = False
        self._stands = True  # whether the plan is told, if there is one

    def before_train(self, runner: Runner) -> None:
        stored = runner.message_hub.runtime_info.pop(_KEY, None) if runner.iter else None
        if self._seconds is None and stored is None:
            return
        self._control: LoopControl = control_loop(runner)
        self.plan = self._begin(runner, stored)
        if self._seconds not in (None, self.plan.seconds):
            self.plan.seconds, self.plan.end = self._seconds or 0.0, 0
        self._started -= self.plan.spent
        self._first, self._next_plan = runner.iter, runner.iter + _FIRST
        for hook in runner.hooks:
            if isinstance(hook, ParamSchedulerHook):  # the schedulers move with the plan
                hook.after_train_iter = hook.after_train_epoch = _nothing  # type: ignore
        if self.plan.position >= self.plan.length:
            self.plan.end = runner.iter
            text = (
                f"time     nothing is left to train: the schedule of {self.plan.length} has run out"
            )
            runner.logger.info(text, extra={"terminal": True})
        self._control.apply(self.plan)
        self._stands = stored is not None
        self._hide_time_left(runner)
        self._since = time.monotonic()

    def _hide_time_left(self, runner: Runner) -> None:
        """Log no time that is left before the plan is told: it would be the whole schedule's."""
        processor = runner.log_processor
        get_log = processor.get_log_after_iter

        def log(*args: Any, **kwargs: Any) -> tuple[dict, str]:
            tag, text = get_log(*args, **kwargs)
            return tag, text if self._stands else _ETA.sub(f"eta: {UNKNOWN}  ", text)

        processor.get_log_after_iter = log  # type: ignore[method-assign]

    def _begin(self, runner: Runner, stored: Any) -> TimePlan:
        length = self._control.length
        if stored is not None:
            try:
                return TimePlan.from_state(stored, length)
            except ValueError as error:
                source = runner._load_from or "the checkpoint"
                raise ValueError(f"{source}: its plan for --time: {error}") from None
        return TimePlan(
            seconds=self._seconds or 0.0,
            length=length,
            warmup=_warmup(runner.param_schedulers, length),
            position=float(min(runner.iter, length)),
            validations=Marks(self._control.num_validations(), runner.iter),
            checkpoints=Marks(self._control.num_saves(), runner.iter),
        )

    def after_train_iter(self, runner: Runner, *args: Any, **kwargs: Any) -> None:
        plan, finished = self.plan, runner.iter + 1
        if plan is None:
            return
        now = time.monotonic()
        if finished > self._first + 1:  # the first iteration starts workers and compiles
            self._times.append(now - self._since)
        self._since = now
        if finished >= self._next_plan and finished != plan.end:
            self._replan(runner, finished)
        plan.advance(finished)
        _move(runner.param_schedulers, int(plan.position + 1e-6), self._control.epochs(plan))
        self._saves = self._control.after_iteration(plan, finished)
        plan.spent = now - self._started
        runner.message_hub.update_info(_KEY, plan.state())

    def end_iteration(self) -> None:
        """Count what came after :meth:`after_train_iter` as writing a checkpoint, if one was."""
        now = time.monotonic()
        if self._saves:
            self._saving = max(self._saving, now - self._since)
        self._since = now

    def after_train_epoch(self, runner: Runner) -> None:
        if self.plan is not None:
            self._control.after_epoch(self.plan)
            runner.message_hub.update_info(_KEY, self.plan.state())

    def before_val(self, runner: Runner) -> None:
        self._validation_since = time.monotonic()

    def end_validation(self, runner: Runner) -> None:
        """Take the time of a whole validation, and plan again."""
        self._since = time.monotonic()
        if self.plan is None:
            return
        self._validation = self._since - self._validation_since
        if self.plan.end > runner.iter > self._first + _FIRST:
            self._replan(runner, runner.iter)

    def _replan(self, runner: Runner, finished: int) -> None:
        plan = self.plan
        assert plan is not None
        if math.isnan(self._validation):
            self._validation = _trial(runner) if plan.validations.left else 0.0
        plan.spent = time.monotonic() - self._started
        iteration = mean(self._times)
        if plan.end - finished <= _WINDOW:  # no time is left to make good for a slower machine
            iteration = max(iteration, mean(list(self._times)[-4:]))
        costs = self._validation, self._saving
        plan.replan(finished, iteration, *costs, self._control.spacing)
        often = int(_OFTEN * plan.seconds / max(iteration, 1e-9))
        wait = min(often, 50, (finished - self._first) // 2)
        # everything that the processes must agree on
        events = plan.validations.left, plan.checkpoints.left
        agreed = [(plan.end, *events, finished + max(1, wait))]
        broadcast_object_list(agreed)
        plan.end, plan.validations.left, plan.checkpoints.left, self._next_plan = agreed[0]
        self._control.apply(plan)
        self._tell(runner, finished, iteration)
        self._since = time.monotonic()

    def _tell(self, runner: Runner, finished: int, iteration: float) -> None:
        plan = self.plan
        assert plan is not None
        measured = finished - self._first
        if not self._told and measured < _SURE and plan.spent < 0.05 * plan.seconds:
            return
        if abs(plan.end - self._told) <= 0.1 * self._told:
            return
        again = "now " if self._told else ""
        self._told, self._stands = plan.end, True
        count = plan.validations.left
        validations = f"{count} validation{'s' * (count != 1)} of {show_duration(self._validation)}"
        text = (
            f"time     {show_duration(plan.seconds)}: {again}{plan.end} iterations of "
            f"{iteration:.2g} s, {validations if count else 'no validation'}; the schedule of "
            f"{plan.length} runs out with them"
        )
        if plan.late:
            text += ". The validation takes too long for the time, and comes after it"
        runner.logger.info(text, extra={"terminal": True})


class _EndOfIteration(Hook):
    """Marks for a TimeHook when the work of all other hooks is done."""

    priority = "LOWEST"

    def __init__(self, hook: TimeHook) -> None:
        self._hook = hook

    def after_train_iter(self, runner: Runner, *args: Any, **kwargs: Any) -> None:
        self._hook.end_iteration()

    def after_val(self, runner: Runner) -> None:
        self._hook.end_validation(runner)


def _nothing(*args: Any, **kwargs: Any) -> None:
    pass


def _flat(found: Any) -> list[Any]:
    if isinstance(found, dict):
        return [each for part in found.values() for each in part]
    return list(found or ())


def _warmup(found: Any, length: int) -> int:
    """Return where the warm-up of the schedulers ends, in iterations."""
    kinds = schedulers.ConstantParamScheduler, schedulers.LinearParamScheduler
    ends = [
        each.end
        for each in _flat(found)
        # mmdet has one of its own, QuadraticWarmupLR
        if isinstance(each, kinds) or "Warmup" in type(each).__name__
        if not each.by_epoch and each.begin == 0
    ]
    return max((end for end in ends if end <= length / 4), default=0)


def _move(found: Any, iterations: int, epochs: int) -> None:
    """Move schedulers on to an iteration and an epoch of the config's schedule."""
    for each in _flat(found):
        for _ in range(each._global_step, epochs if each.by_epoch else iterations):
            each.step()


def _trial(runner: Runner) -> float:
    """Estimate the seconds of a validation from a few of its images."""
    loader, model = runner.val_loop.dataloader, runner.model
    dataset, size = loader.dataset, loader.batch_size or 1
    places = [round(i * (len(dataset) - 1) / _TRIALS) for i in range(_TRIALS + 1)]
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.no_grad():
            for number, place in enumerate(places):
                if number == 1:  # the first prepares memory and kernels
                    start = time.monotonic()
                begin = time.monotonic()
                batch = loader.collate_fn([dataset[place]])
                if loader.num_workers and number:
                    start += time.monotonic() - begin  # workers load while the model runs
                model.val_step(batch)
    finally:
        for module, training in modes:
            module.training = training
    return (time.monotonic() - start) / _TRIALS * len(loader) * size
