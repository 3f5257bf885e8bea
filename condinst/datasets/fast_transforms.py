"""mmdet's Resize and PackDetInputs with fewer copies; the results are the same bytes.

What both cost beside the arithmetic comes from how the pixels lie in memory. The pillow backend
decodes to RGB and hands out a BGR view of it, read backwards; RandomFlip hands out a view too; and
the network wants planes. numpy copies such views one pixel at a time, OpenCV many at a time.
"""

import cv2
import numpy as np
from mmdet.datasets.transforms import PackDetInputs as MMDetPackDetInputs
from mmdet.datasets.transforms import Resize as MMDetResize

from condinst.registry import TRANSFORMS

__all__ = ["PackDetInputs", "Resize"]


@TRANSFORMS.register_module()
class Resize(MMDetResize):
    """mmdet's transform, but a BGR view of an RGB picture is resized as the RGB picture."""

    def _resize_img(self, results: dict) -> None:
        image = results.get("img")
        if image is None or self.backend != "pillow" or not _is_view_of_rgb(image):
            super()._resize_img(results)
            return
        results["img"] = image[:, :, ::-1]
        super()._resize_img(results)
        cv2.cvtColor(results["img"], cv2.COLOR_RGB2BGR, dst=results["img"])


def _is_view_of_rgb(image: np.ndarray) -> bool:
    return (
        image.ndim == 3
        and image.shape[2] == 3
        and image.strides[2] < 0
        and image[:, :, ::-1].flags.c_contiguous
    )


@TRANSFORMS.register_module()
class PackDetInputs(MMDetPackDetInputs):
    """mmdet's transform, with the picture laid out as planes by OpenCV."""

    def transform(self, results: dict) -> dict:
        image = results.get("img")
        if image is not None and image.ndim == 3:
            # mmdet transposes what is not contiguous, and then finds nothing left to copy
            results["img"] = _planes(image).transpose(1, 2, 0)
        return super().transform(results)


def _planes(image: np.ndarray) -> np.ndarray:
    """(H, W, C) -> the same pixels as (C, H, W), contiguous."""
    flipped = tuple(axis for axis in (0, 1) if image.strides[axis] < 0)
    straight = np.flip(image, flipped)
    if not straight.flags.c_contiguous:
        return np.ascontiguousarray(image.transpose(2, 0, 1))
    if flipped:
        straight = cv2.flip(straight, -1 if len(flipped) == 2 else flipped[0])
    planes = np.empty((image.shape[2], *image.shape[:2]), image.dtype)
    cv2.split(straight, list(planes))
    return planes
