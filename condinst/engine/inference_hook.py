"""A hook that optimizes a detector after its weights are loaded."""

from __future__ import annotations

from typing import Any

from mmengine.hooks import EMAHook, Hook
from mmengine.runner import Runner

from condinst.models.optimize import optimize_for_inference
from condinst.registry import HOOKS


@HOOKS.register_module()
class InferenceHook(Hook):
    """Apply :func:`~condinst.models.optimize.optimize_for_inference` before a test.

    Args:
        options: arguments of that function.
    """

    def __init__(self, **options: Any) -> None:
        self.options = options

    def before_test(self, runner: Runner) -> None:
        optimize_for_inference(runner.model, **self.options)
        for hook in runner.hooks:
            if isinstance(hook, EMAHook):
                # It exchanges the weights with those of its copy, one parameter after another. Both
                # are the average in a test, and the copy has to have the same parameters.
                hook.before_run(runner)
