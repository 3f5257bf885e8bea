"""Test-time augmentation: the detections on several views of an image are merged."""

from __future__ import annotations

import torch
from mmcv.ops import batched_nms
from mmdet.structures import DetDataSample
from mmengine.model import BaseTTAModel
from mmengine.structures import InstanceData
from torch import Tensor

from condinst.registry import MODELS


@MODELS.register_module()
class CondInstTTA(BaseTTAModel):
    """Merge the detections of all views by non-maximum suppression in the image's frame.

    Each kept instance keeps the mask from its own view. Views may be flipped and resized.

    Args:
        tta_cfg: ``nms`` and ``max_per_img``, as in the detector's ``test_cfg``.
        module: the detector, or its config.
    """

    def __init__(self, tta_cfg: dict, **kwargs) -> None:
        super().__init__(**kwargs)
        self.tta_cfg = tta_cfg

    def merge_preds(self, data_samples_list: list[list[DetDataSample]]) -> list[DetDataSample]:
        """Merge the predictions of each image's views.

        Args:
            data_samples_list: per image, the samples of its views, with predictions at the size
                of the original image.

        Returns:
            One sample per image, with the merged ``pred_instances``.
        """
        return [self._merge(views) for views in data_samples_list]

    def _merge(self, views: list[DetDataSample]) -> DetDataSample:
        found = InstanceData.cat([_unflip(view) for view in views])
        if len(found) > 0:
            boxes_and_scores, keep = batched_nms(
                found.bboxes, found.scores, found.labels, self.tta_cfg["nms"]
            )
            found = found[keep]
            found.scores = boxes_and_scores[:, -1]  # soft NMS lowers scores
        merged = views[0]
        merged.pred_instances = found[: self.tta_cfg["max_per_img"]]
        return merged


def _unflip(view: DetDataSample) -> InstanceData:
    """Return a view's predictions in the frame of the original image."""
    found = view.pred_instances
    if not view.get("flip"):
        return found
    height, width = view.ori_shape[:2]
    x1, y1, x2, y2 = found.bboxes.unbind(1)  # (N,) each
    axes: list[int] = []
    if view.flip_direction in ("horizontal", "diagonal"):
        x1, x2 = width - x2, width - x1
        axes.append(2)
    if view.flip_direction in ("vertical", "diagonal"):
        y1, y2 = height - y2, height - y1
        axes.append(1)
    boxes: Tensor = torch.stack([x1, y1, x2, y2], dim=1)  # (N, 4)
    return InstanceData(
        bboxes=boxes, scores=found.scores, labels=found.labels, masks=found.masks.flip(axes)
    )
