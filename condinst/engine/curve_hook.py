"""A hook that draws the curves of a training."""

from __future__ import annotations

from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.runner import Runner

from condinst.engine.report_hook import ReportHook
from condinst.registry import HOOKS
from condinst.report.curves import draw_curves

__all__ = ["CurveHook"]


@HOOKS.register_module()
class CurveHook(Hook):
    """Draw ``curves.png`` in the work folder after every validation and at the end.

    Only the first process draws. Errors are logged as warnings: a figure must not end a run.
    """

    priority = "VERY_LOW"  # after LoggerHook has written the metrics

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        if runner._train_loop is None or isinstance(runner._train_loop, dict):
            return  # evaluation alone
        self._draw(runner, ended=False)

    def after_train(self, runner: Runner) -> None:
        self._draw(runner, ended=True)

    @master_only
    def _draw(self, runner: Runner, ended: bool) -> None:
        try:
            draw_curves(runner.work_dir)
        except FileNotFoundError as error:  # LoggerHook has not logged an iteration
            if ended and not any(isinstance(hook, ReportHook) for hook in runner.hooks):
                runner.logger.info(str(error))  # ReportHook says it too
        except Exception as error:
            runner.logger.warning(f"CurveHook: no curves.png: {type(error).__name__}: {error}")
