"""Keep the image that BoxTeacher's teacher sees, and blur that of the student."""

from __future__ import annotations

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from condinst.registry import TRANSFORMS

__all__ = ["KeepTeacherImage", "RandomBlur"]


@TRANSFORMS.register_module()
class KeepTeacherImage(BaseTransform):
    """Keep the image of this step for the teacher of ``BoxTeacherHook``.

    Only steps that change colors may follow, since boxes and masks are those of both images.
    ``PackDetInputs`` packs the kept image too.
    """

    def transform(self, results: dict) -> dict:
        results["teacher_img"] = results["img"].copy()  # a later step may write into the image
        return results

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


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
