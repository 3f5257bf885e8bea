"""A hook that refuses to test a checkpoint of another model."""

from __future__ import annotations

from typing import Any

from mmengine.hooks import Hook
from mmengine.model import BaseTTAModel, is_model_wrapper
from mmengine.runner import Runner

from condinst.checkpoints.model_check import check_complete
from condinst.registry import HOOKS

__all__ = ["CompleteCheckpointHook"]


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
