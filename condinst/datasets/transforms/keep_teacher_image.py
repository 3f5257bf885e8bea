"""Keep the image that BoxTeacher's teacher sees, and blur that of the student."""

from __future__ import annotations

import copy
from typing import Any

import cv2
import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmdet.structures.bbox import get_box_tensor

from condinst.registry import TRANSFORMS

__all__ = ["KeepTeacherImage", "RandomBlur", "check_teacher_image"]


@TRANSFORMS.register_module()
class KeepTeacherImage(BaseTransform):
    """Keep the image of this step for the teacher of ``BoxTeacherHook``.

    Only steps that change colors may follow, since boxes and masks are those of both images.
    ``PackDetInputs`` packs the kept image too, and refuses one that no longer fits.
    """

    def transform(self, results: dict) -> dict:
        # copies: a later step may write into the image and the boxes
        results["teacher_img"] = results["img"].copy()
        results["teacher_bboxes"] = copy.deepcopy(results.get("gt_bboxes"))
        return results

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


def check_teacher_image(results: dict) -> None:
    """Check that the boxes of an image are still those of its kept image.

    Raises:
        ValueError: a step after ``KeepTeacherImage`` has moved the boxes or resized the image.
    """
    kept, now = results["teacher_img"].shape[:2], results["img"].shape[:2]
    if kept != now or not _equal(results["teacher_bboxes"], results.get("gt_bboxes")):
        raise ValueError(
            "train_pipeline: a step after KeepTeacherImage moves the objects, adds some or removes "
            "some, so that the teacher sees another image; expected only steps that change colors "
            "between KeepTeacherImage and PackDetInputs"
        )


def _equal(one: Any, other: Any) -> bool:
    if one is None or other is None:
        return one is other
    one, other = (torch.as_tensor(get_box_tensor(boxes)) for boxes in (one, other))
    return torch.equal(one, other)


@TRANSFORMS.register_module()
class RandomBlur(BaseTransform):
    """Blur some images by a Gaussian; of any channels and type.

    Args:
        prob: part of the images that are blurred, from 0 to 1.
        sigma: least and largest standard deviation, pixels; drawn evenly.

    Raises:
        ValueError: an argument has an invalid value.
    """

    def __init__(self, prob: float = 0.5, sigma: tuple[float, float] = (0.1, 2.0)) -> None:
        if not 0 <= prob <= 1:
            raise ValueError(f"RandomBlur: prob={prob!r}, expected 0 to 1")
        if not 0 < sigma[0] <= sigma[1]:
            raise ValueError(f"RandomBlur: sigma={sigma!r}, expected two rising numbers above 0")
        self.prob = prob
        self.sigma = sigma

    def transform(self, results: dict) -> dict:
        if np.random.random() < self.prob:
            sigma = np.random.uniform(*self.sigma)
            results["img"] = cv2.GaussianBlur(np.ascontiguousarray(results["img"]), (0, 0), sigma)
        return results

    def __repr__(self) -> str:
        return f"{type(self).__name__}(prob={self.prob}, sigma={self.sigma})"
