"""BoxInst's targets made in the data workers."""

import numpy as np
from mmcv.transforms import BaseTransform

from condinst.color_similarity import (
    alike_neighbors,
    mean_colors,
    neighbor_offsets,
    to_lab,
    valid_cells,
)
from condinst.registry import TRANSFORMS
from condinst.structures import SimilarColors

__all__ = ["PrepareBoxTargets"]


@TRANSFORMS.register_module()
class PrepareBoxTargets(BaseTransform):
    """Put into ``gt_masks`` what BoxInst learns masks from; the last step before PackDetInputs.

    The data set needs no masks, and those that it has are not read. Colours are those of the
    picture as it is now: steps that change colours belong before this one only if the similarity
    is to change as well.

    Args:
        stride: pixels of the input image per cell of the mask head's logits, the value of
            ``model.mask_head.mask_out_stride``.
        pairwise_size, pairwise_dilation: neighbourhood of a cell; those of ``model.mask_head``.
        color_thresh: least similarity of an edge, in [0, 1] (BoxInst, Equation 6).
        bottom_pixels_removed: height of a strip without edges at the bottom of the picture, in
            pixels of the picture before it was resized.
        channel_order: of the pictures, "bgr" or "rgb".
    """

    def __init__(
        self,
        stride: int = 4,
        pairwise_size: int = 3,
        pairwise_dilation: int = 2,
        color_thresh: float = 0.3,
        bottom_pixels_removed: int = 10,
        channel_order: str = "bgr",
    ) -> None:
        neighbor_offsets(pairwise_size, pairwise_dilation)  # checks
        if channel_order not in ("bgr", "rgb"):
            raise ValueError(
                f"PrepareBoxTargets: channel_order={channel_order!r}, expected 'bgr' or 'rgb'"
            )
        self.stride = stride
        self.pairwise_size = pairwise_size
        self.pairwise_dilation = pairwise_dilation
        self.color_thresh = color_thresh
        self.bottom_pixels_removed = bottom_pixels_removed
        self.channel_order = channel_order

    def transform(self, results: dict) -> dict:
        image = results["img"]
        if image.ndim != 3 or image.shape[2] != 3:
            raise ValueError(
                f"{results.get('img_path')}: BoxInst compares colours and needs pictures of 3 "
                f"channels, got shape {image.shape}"
            )
        colors = mean_colors(np.clip(image, 0, 255).astype(np.uint8, copy=False), self.stride)
        lab = to_lab(colors[..., ::-1] if self.channel_order == "bgr" else colors)
        valid = valid_cells(
            (lab.shape[1], lab.shape[2]),
            self.stride,
            image.shape[:2],
            results.get("ori_shape", image.shape)[0],
            self.bottom_pixels_removed,
        )
        edges = alike_neighbors(
            lab,
            valid,
            size=self.pairwise_size,
            dilation=self.pairwise_dilation,
            color_thresh=self.color_thresh,
        )
        results["gt_masks"] = SimilarColors(edges, self.stride, len(results["gt_bboxes"]))
        return results

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(stride={self.stride}, pairwise_size={self.pairwise_size}, "
            f"pairwise_dilation={self.pairwise_dilation}, color_thresh={self.color_thresh}, "
            f"bottom_pixels_removed={self.bottom_pixels_removed})"
        )
