"""Hooks that refuse a checkpoint of another model, for a test and for a resumed training."""

from __future__ import annotations

import math
from typing import Any

from mmengine.hooks import Hook
from mmengine.model import BaseTTAModel, is_model_wrapper
from mmengine.runner import Runner
from torch import Tensor

from condinst.checkpoints.model_check import check_complete
from condinst.registry import HOOKS

__all__ = ["CompleteCheckpointHook", "MatchingResumeHook"]


@HOOKS.register_module()
class CompleteCheckpointHook(Hook):
    """Check that a loaded checkpoint has every weight of the model, in its shape.

    mmengine only warns, and leaves missing weights at their random initial values. That is right at
    the start of a training, but makes an evaluation meaningless.
    """

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        model = runner.model
        while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
            model = model.module
        check_complete(model, checkpoint, str(runner._load_from))


class MatchingResumeHook(Hook):
    """Check that the checkpoint that a training resumes from fits its model and its optimizer.

    mmengine only warns of missing weights, and an optimizer's state of another kind ends in a
    traceback after the first iteration.
    """

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        if not runner._resume or type(runner) is not Runner:  # a strategy names weights otherwise
            return
        source = str(runner._load_from or "the checkpoint")
        model = runner.model
        while is_model_wrapper(model):
            model = model.module
        for name, weight in check_complete(model, checkpoint, source).items():
            if weight.is_floating_point() and not bool(weight.isfinite().all()):
                raise ValueError(f"{source}: {name} holds numbers that are not finite")

    def before_train(self, runner: Runner) -> None:
        # after loading: torch has added the settings that the saving version did not have
        optimizer = getattr(runner.optim_wrapper, "optimizer", None)
        if not runner._resume or optimizer is None:
            return
        source = str(runner._load_from or "the checkpoint")
        for group in optimizer.param_groups:
            missing = [name for name in optimizer.defaults if name not in group]
            if missing:
                raise ValueError(
                    f"{source}: its optimizer has no {missing[0]!r}, which "
                    f"{type(optimizer).__name__} needs: resume with the optimizer of that "
                    "training, or start with load_from"
                )
            rate = group["lr"]
            if not isinstance(rate, int | float | Tensor) or not math.isfinite(float(rate)):
                raise ValueError(f"{source}: its optimizer's lr is {rate!r}, expected a number")
