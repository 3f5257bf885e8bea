"""A hook that collects the data of the report, and writes the report when a training ends."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mmengine.dist import get_world_size, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from condinst.registry import HOOKS
from condinst.utils.files import replacing

__all__ = ["ReportHook"]

_SCORES = (
    "segm_mAP",
    "bbox_mAP",
)  # the first one that is there decides which validation is the best


@HOOKS.register_module()
class ReportHook(Hook):
    """Save each validation's predictions, and write ``report.html`` after the training.

    The work folder gets ``predictions_val.json`` and ``predictions_val_best.json`` in COCO's
    results format, and ``run_info.json``: the validations that they come from, the duration of the
    training, and the machine. :class:`condinst.CocoMetric` writes the first; another metric writes
    none.

    Only the first process writes. Errors are logged as warnings: a report must not end a run.
    """

    priority = "VERY_LOW"  # after LoggerHook has written the metrics

    def __init__(self) -> None:
        self._start = 0.0
        self._seconds_before = 0.0
        self._age: int | None = None

    def before_train(self, runner: Runner) -> None:
        self._start = time.monotonic()
        self._guard(runner, self._begin)

    def before_val_epoch(self, runner: Runner) -> None:
        if not _is_training(runner):
            return
        path = _predictions(runner, "last")
        self._age = _age(path)
        self._guard(runner, lambda runner: _save_to(runner, path))

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        if _is_training(runner):
            self._guard(runner, lambda runner: self._note(runner, metrics or {}))

    def after_train(self, runner: Runner) -> None:
        self._guard(runner, self._finish)

    def _guard(self, runner: Runner, work: Callable[[Runner], None]) -> None:
        if not is_main_process():
            return
        try:
            work(runner)
        except Exception as error:
            runner.logger.warning(f"ReportHook: {type(error).__name__}: {error}")

    def _begin(self, runner: Runner) -> None:
        from condinst.report.run import PREDICTIONS, read_info, write_info
        from condinst.utils.environment import machine
        from condinst.version import __version__

        info = read_info(runner.work_dir)
        if runner.iter == 0:  # a new training: files of an earlier one would be taken for its own
            info = {}
            for which in PREDICTIONS:
                _predictions(runner, which).unlink(missing_ok=True)
        self._seconds_before = float(info.get("seconds") or 0)
        device = next(iter(runner.model.parameters())).device.type
        about = {"condinst": __version__, **machine(device)}
        info["machine"] = about | {"processes": get_world_size()}
        info["started_in"] = str(Path.cwd())  # the config's relative paths start there
        write_info(runner.work_dir, info)

    def _note(self, runner: Runner, metrics: dict[str, float]) -> None:
        from condinst.report.run import read_info, write_info

        info = read_info(runner.work_dir)
        info |= {"seconds": self._seconds(), "max_iters": runner.max_iters}
        path = _predictions(runner, "last")
        if _age(path) not in (None, self._age):  # else it is from an earlier validation
            validations = info.setdefault("validations", {})
            noted = {"iteration": runner.iter, "metrics": metrics}
            validations["last"] = noted
            if _is_better(metrics, (validations.get("best") or {}).get("metrics") or {}):
                best = _predictions(runner, "best")
                with replacing(best) as partial:
                    shutil.copyfile(path, partial)
                validations["best"] = noted
        write_info(runner.work_dir, info)

    def _finish(self, runner: Runner) -> None:
        from condinst.report.report_page import write_report
        from condinst.report.run import read_info, read_run, write_info

        # with --time, the planned number of iterations is not the config's
        noted = {"seconds": self._seconds(), "max_iters": runner.max_iters}
        write_info(runner.work_dir, read_info(runner.work_dir) | noted)
        start = time.monotonic()
        path, missing = write_report(read_run(runner.work_dir), runner.cfg)
        runner.logger.info(f"Results: {path} (made in {time.monotonic() - start:.1f} s)")
        for part in missing:
            runner.logger.info(f"not in it: {part}")

    def _seconds(self) -> float:
        return self._seconds_before + time.monotonic() - self._start


def _is_training(runner: Runner) -> bool:
    return runner._train_loop is not None and not isinstance(runner._train_loop, dict)


def _predictions(runner: Runner, which: str) -> Path:
    from condinst.report.run import PREDICTIONS

    return Path(runner.work_dir) / PREDICTIONS[which]


def _age(path: Path) -> int | None:
    return path.stat().st_mtime_ns if path.is_file() else None


def _save_to(runner: Runner, path: Path) -> None:
    from condinst.evaluation import CocoMetric

    for metric in runner.val_loop.evaluator.metrics:
        if isinstance(metric, CocoMetric) and metric.predictions_file is None:
            metric.predictions_file = path


def _is_better(new: dict[str, Any], old: dict[str, Any]) -> bool:
    for ending in _SCORES:
        name = next((name for name in new if name.endswith(ending)), None)
        if name is not None:
            return new[name] > old.get(name, float("-inf"))
    return False
