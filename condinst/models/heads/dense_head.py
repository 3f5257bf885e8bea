"""Base class of the box heads of CondInst and RTMDet-Ins: points, and boxes from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.model import BaseModule
from mmengine.structures import InstanceData
from torch import Tensor

from condinst.models.postprocess.boxes import postprocess_boxes
from condinst.models.structures import DensePredictions

__all__ = ["DenseHead", "check_sigmoid"]


class DenseHead(BaseModule):
    """A head that predicts at every point of all pyramid levels.

    A subclass sets the attributes.

    Attributes:
        strides: stride of each level, pixels.
        prior_generator: mmdet's generator of the points.
        bbox_coder: mmdet's coder between distances and boxes.
        test_cfg: see :func:`~condinst.models.postprocess.boxes.postprocess_boxes`.
    """

    strides: tuple[int, ...]
    prior_generator: Any
    bbox_coder: Any
    test_cfg: dict | None

    def points(self, dense: DensePredictions) -> list[Tensor]:
        """Return the (P_l, 2) xy points of each level in input-image pixels."""
        first = dense.bbox_preds[0]
        sizes = [level.shape[-2:] for level in dense.cls_scores]
        return self.prior_generator.grid_priors(sizes, dtype=first.dtype, device=first.device)

    def point_strides(self, points: Sequence[Tensor]) -> Tensor:
        """Return the (P,) stride of each point's level, level by level."""
        return torch.cat(
            [p.new_full((len(p),), s) for p, s in zip(points, self.strides, strict=True)]
        )

    def predict(
        self, dense: DensePredictions, img_shapes: Sequence[tuple[int, int]]
    ) -> list[InstanceData]:
        """Detect per image with :func:`~condinst.models.postprocess.boxes.postprocess_boxes`.

        Args:
            dense: the head's predictions in evaluation mode.
            img_shapes: height and width of each image without padding.
        """
        points = self.points(dense)
        return [
            postprocess_boxes(
                dense, i, points, self.strides, self.bbox_coder, img_shape, self.test_cfg or {}
            )
            for i, img_shape in enumerate(img_shapes)
        ]


def check_sigmoid(loss_cls: dict, default: bool) -> None:
    """Check the config of a class loss.

    Args:
        loss_cls: the config.
        default: the value of ``use_sigmoid`` where it is not set.

    Raises:
        ValueError: the loss is not one of sigmoids.
    """
    if not loss_cls.get("use_sigmoid", default):
        raise ValueError(
            f"bbox_head.loss_cls={dict(loss_cls)} must have use_sigmoid=True: the class scores "
            "have no background channel"
        )
