"""A hook that shows predictions to a run's loggers, and tells them where the report is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmdet.structures import DetDataSample
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from condinst.engine.visualization_hook import draw_sample
from condinst.registry import HOOKS

__all__ = ["LoggedImagesHook"]


@HOOKS.register_module()
class LoggedImagesHook(Hook):
    """Log the predictions on the first images of each validation, beside the ground truth.

    The same images are logged each time, so that a logger shows how they change. Before the
    training, the path of its report is noted. Errors are logged as warnings and end nothing.

    Args:
        backends: types of the visualizer's backends that get the images, such as
            "WandbVisBackend".
        num_images: number of images.
        score_thr: predictions with a lower score are not drawn.
    """

    def __init__(
        self, backends: Sequence[str], num_images: int = 4, score_thr: float = 0.3
    ) -> None:
        self.backends = tuple(backends)
        self.num_images = num_images
        self.score_thr = score_thr
        self._num_logged = 0

    def before_train(self, runner: Runner) -> None:
        path = str(Path(runner.work_dir).absolute() / "report.html")
        for kind, backend in self._chosen(runner):
            try:
                _note(kind, backend, path)
            except Exception as error:
                _warn(runner, kind, error)

    def before_val_epoch(self, runner: Runner) -> None:
        self._num_logged = 0

    def after_val_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: Sequence[DetDataSample] | None = None,
    ) -> None:
        if self._num_logged >= self.num_images or not is_main_process():
            return
        classes = runner.val_loop.dataloader.dataset.metainfo["classes"]
        for sample in (outputs or ())[: self.num_images - self._num_logged]:
            self._num_logged += 1
            try:
                drawn = draw_sample(sample, classes, self.score_thr)
            except Exception as error:
                _warn(runner, "LoggedImagesHook", error)
                continue
            name = f"predictions/{self._num_logged}_{Path(sample.img_path).stem}"
            for kind, backend in self._chosen(runner):
                # MLflow has files in place of steps
                label = f"{name}_{runner.iter}.png" if kind == "MLflowVisBackend" else name
                try:
                    backend.add_image(label, drawn, runner.iter)
                except Exception as error:
                    _warn(runner, kind, error)

    def _chosen(self, runner: Runner) -> list[tuple[str, Any]]:
        if not is_main_process():
            return []
        backends = runner.visualizer._vis_backends.values()
        return [(type(b).__name__, b) for b in backends if type(b).__name__ in self.backends]


def _note(kind: str, backend: Any, path: str) -> None:
    """Tell a logger the path of the report."""
    experiment = backend.experiment  # the writer, or the module of the package
    if kind == "TensorboardVisBackend":
        experiment.add_text("report", path)
    elif kind == "WandbVisBackend":
        experiment.run.summary["report"] = path
    elif kind == "MLflowVisBackend":
        experiment.set_tag("report", path)
    elif kind == "ClearMLVisBackend":
        experiment.Task.current_task().set_comment(f"report: {path}")


def _warn(runner: Runner, kind: str, error: Exception) -> None:
    runner.logger.warning(f"{kind}: {type(error).__name__}: {error}")
