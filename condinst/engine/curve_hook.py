"""A hook that draws the curves of a training."""

from __future__ import annotations

from mmengine.dist import master_only
from mmengine.hooks import Hook, LoggerHook
from mmengine.runner import Runner

from condinst.engine.report_hook import ReportHook
from condinst.registry import HOOKS
from condinst.report.curves import draw_curves

__all__ = ["CurveHook"]

_FEWEST, _LOGS = 3, 10  # of a run; the losses and the rate are points in the curves


@HOOKS.register_module()
class CurveHook(Hook):
    """Draw ``curves.png`` in the work folder after every validation and at the end.

    A run that would log fewer than three times logs ten times, so that there are curves to see.
    Only the first process draws. Errors are logged as warnings: a figure must not end a run.
    """

    priority = "VERY_LOW"  # after LoggerHook has written the metrics

    def before_train(self, runner: Runner) -> None:
        """Shorten the logging interval of a short run."""
        for hook in runner.hooks:
            if isinstance(hook, LoggerHook) and runner.max_iters < _FEWEST * hook.interval:
                hook.interval = max(1, runner.max_iters // _LOGS)

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
