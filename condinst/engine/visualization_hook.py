"""A hook that draws predictions beside the ground truth during a test."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmdet.structures import DetDataSample
from mmengine.dist import get_world_size
from mmengine.hooks import Hook
from mmengine.runner import Runner

from condinst.images.sources import read_for_display
from condinst.registry import HOOKS
from condinst.utils.files import write_whole
from condinst.utils.names import NamesInFolder
from condinst.visualization.instances import draw_closeups, draw_instances, draw_side_by_side


@HOOKS.register_module()
class VisualizationHook(Hook):
    """Write one JPEG per tested image, named after its file and its folders in the dataset.

    The ground truth is drawn beside the prediction where the test pipeline loads it at the
    image's own size (``LoadAnnotations`` after ``Resize``, as in our configs).

    Args:
        out_dir: folder of the images, made if needed.
        score_thr: predictions with a lower score are not drawn.
        max_images: number of images per process to draw; None for all.
        closeups: number of masks whose edges are drawn enlarged in ``NAME_edges.png``, with the
            ground truth in white; 0 for no such file.
    """

    def __init__(
        self,
        out_dir: str,
        score_thr: float = 0.3,
        max_images: int | None = None,
        closeups: int = 0,
    ) -> None:
        self.out_dir = Path(out_dir)
        self.score_thr = score_thr
        self.closeups = closeups
        self.max_images = max_images
        self._num_written = 0
        self._names = NamesInFolder(self.out_dir)
        self._stems: dict[str, Path] = {}
        self._folders: set[str] = set()  # those of the dataset's images

    def before_test(self, runner: Runner) -> None:
        self._num_written = 0
        self._names = NamesInFolder(self.out_dir)
        self._stems, self._folders = {}, set()
        dataset = runner.test_loop.dataloader.dataset
        for i in range(len(dataset) if hasattr(dataset, "get_data_info") else 0):
            path = dataset.get_data_info(i)["img_path"]
            self._folders.add(os.path.realpath(os.path.dirname(path)))
            if get_world_size() > 1:  # each process sees a part; all must agree on the names
                self._stems[path] = self._take(path, dataset)
        self.out_dir.mkdir(parents=True, exist_ok=True)

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: Sequence[DetDataSample] = (),
    ) -> None:
        dataset = runner.test_loop.dataloader.dataset
        classes = dataset.metainfo["classes"]
        for sample in outputs:
            if self.max_images is not None and self._num_written >= self.max_images:
                return
            stem = self._stems.pop(sample.img_path, None) or self._take(sample.img_path, dataset)
            self._write(sample, classes, stem.with_name(f"{stem.name}.jpg"))
            self._num_written += 1

    def _take(self, path: str, dataset: Any) -> Path:
        """Return the path of the image's output files, without their endings."""
        folder = getattr(dataset, "data_prefix", {}).get("img") or ""
        inside = Path(path).is_relative_to(folder)
        return self._names.take(
            Path(path).relative_to(folder).as_posix() if inside else Path(path).name
        )

    def _write(self, sample: DetDataSample, classes: Sequence[str], path: Path) -> None:
        if os.path.realpath(path.parent) in self._folders:
            raise ValueError(
                f"{path}: images of the dataset lie in this folder; choose another folder than "
                f"{self.out_dir} for drawn images"
            )
        _save(draw_sample(sample, classes, self.score_thr), path)
        if self.closeups:
            image, predicted, truth = _parts(sample, self.score_thr)
            closeups = draw_closeups(
                image, predicted, classes, self.score_thr, gt=truth, num=self.closeups
            )
            _save(closeups, path.with_name(f"{path.stem}_edges.png"))


def draw_sample(sample: DetDataSample, classes: Sequence[str], score_thr: float) -> np.ndarray:
    """Draw a tested image, beside its ground truth if the pipeline has loaded that at its size.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    image, predicted, truth = _parts(sample, score_thr)
    if truth is None:
        return draw_instances(image, predicted, classes, score_thr)
    return draw_side_by_side(image, truth, predicted, classes, score_thr)


def _parts(sample: DetDataSample, score_thr: float) -> tuple[np.ndarray, Any, Any]:
    """Return the image, the predictions above the threshold, and the ground truth or None."""
    height, width = sample.ori_shape[:2]
    image = np.ascontiguousarray(read_for_display(sample.img_path, (height, width)))
    predicted = sample.pred_instances
    predicted = predicted[predicted.scores >= score_thr].numpy()
    truth = sample.get("gt_instances")
    if truth is None or "masks" not in truth or _size(truth.masks) != (height, width):
        truth = None
    return image, predicted, truth


def _save(drawn: np.ndarray, path: Path) -> None:
    done, data = cv2.imencode(path.suffix, drawn[..., ::-1])
    if not done:
        raise OSError(f"{path}: OpenCV cannot encode it")
    write_whole(path, data.tobytes())


def _size(masks) -> tuple[int, int]:
    return masks.height, masks.width
