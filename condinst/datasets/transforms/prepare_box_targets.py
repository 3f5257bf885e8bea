"""Compute the color similarities for BoxInst in the data workers."""

from mmcv.transforms import BaseTransform

from condinst.registry import TRANSFORMS
from condinst.targets.color_similarity import (
    compute_pairwise_edges,
    mean_colors,
    neighbor_offsets,
    to_lab,
    to_uint8_colors,
    valid_cells,
)
from condinst.targets.target_types import SimilarColors

__all__ = ["PrepareBoxTargets"]


@TRANSFORMS.register_module()
class PrepareBoxTargets(BaseTransform):
    """Compute the color similarities from which BoxInst learns; the last step before PackDetInputs.

    They are stored in ``gt_masks``, which mmdet's later steps pass on. The dataset needs no masks;
    masks that it has are not read. The colors are those of the image at this step: a step that
    changes colors belongs before this one only if the similarities should change too.

    Args:
        stride: input-image pixels per cell of the mask head's logits; the value of
            ``model.mask_head.mask_out_stride``.
        pairwise_size, pairwise_dilation: neighborhood of a cell; the values of ``model.mask_head``.
        color_thresh: least similarity of an edge, in [0, 1] (BoxInst, Equation 6).
        bottom_pixels_removed: height of a strip without edges at the bottom of the image, in pixels
            of the image before resizing.
        channel_order: order of the channels in images of 3 channels, "bgr" or "rgb". Of more
            channels, the first three are compared as red, green and blue; of fewer, the first as
            gray.
        value_range: the value of white; None for 255, or 65535 for uint16 images. Must be given for
            12-bit images and for floats of another range.

    Raises:
        ValueError: an argument has an invalid value.
    """

    def __init__(
        self,
        stride: int = 4,
        pairwise_size: int = 3,
        pairwise_dilation: int = 2,
        color_thresh: float = 0.3,
        bottom_pixels_removed: int = 10,
        channel_order: str = "bgr",
        value_range: float | None = None,
    ) -> None:
        neighbor_offsets(pairwise_size, pairwise_dilation)  # checks
        if channel_order not in ("bgr", "rgb"):
            raise ValueError(
                f"PrepareBoxTargets: channel_order={channel_order!r}, expected 'bgr' or 'rgb'"
            )
        if value_range is not None and not value_range > 0:
            raise ValueError(
                f"PrepareBoxTargets: value_range={value_range!r}, expected more than 0"
            )
        self.stride = stride
        self.pairwise_size = pairwise_size
        self.pairwise_dilation = pairwise_dilation
        self.color_thresh = color_thresh
        self.bottom_pixels_removed = bottom_pixels_removed
        self.channel_order = channel_order
        self.value_range = value_range

    def transform(self, results: dict) -> dict:
        results["gt_masks"] = self.compare(results)
        return results

    def compare(self, results: dict) -> SimilarColors:
        """Compare the colors of an image."""
        image = results["img"]
        colors = mean_colors(to_uint8_colors(image, self.value_range), self.stride)
        reverse = self.channel_order == "bgr" and image.shape[2:] == (3,)
        lab = to_lab(colors[..., ::-1] if reverse else colors)
        valid = valid_cells(
            (lab.shape[1], lab.shape[2]),
            self.stride,
            image.shape[:2],
            results.get("ori_shape", image.shape)[0],
            self.bottom_pixels_removed,
        )
        edges = compute_pairwise_edges(
            lab,
            valid,
            size=self.pairwise_size,
            dilation=self.pairwise_dilation,
            color_thresh=self.color_thresh,
        )
        return SimilarColors(edges, self.stride, len(results["gt_bboxes"]))

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(stride={self.stride}, pairwise_size={self.pairwise_size}, "
            f"pairwise_dilation={self.pairwise_dilation}, color_thresh={self.color_thresh}, "
            f"bottom_pixels_removed={self.bottom_pixels_removed})"
        )
