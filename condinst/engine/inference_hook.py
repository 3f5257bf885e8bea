"""The hook that makes a detector fast once its weights are there."""

from __future__ import annotations

from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from condinst.models.optimize import optimize_for_inference
from condinst.registry import HOOKS


@HOOKS.register_module()
class InferenceHook(Hook):
    """Applies :func:`~condinst.models.optimize.optimize_for_inference` before a test.

    Args:
        switches: its arguments.
    """

    def __init__(self, **switches: Any) -> None:
        self.switches = switches

    def before_test(self, runner: Runner) -> None:
        optimize_for_inference(runner.model, **self.switches)
