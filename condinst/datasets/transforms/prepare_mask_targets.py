"""Compute the mask targets in the data workers."""

from mmcv.transforms import BaseTransform

from condinst.registry import TRANSFORMS
from condinst.targets.mask_samples import sample_masks

__all__ = ["PrepareMaskTargets"]


@TRANSFORMS.register_module()
class PrepareMaskTargets(BaseTransform):
    """Replace ``gt_masks`` by sampled masks; the last step before PackDetInputs.

    Without this transform, the training step samples the masks, and the losses are equal. With it,
    the data workers do the work, and an image's masks travel as samples instead of polygons or
    bitmaps. Only condinst's detectors can read them.

    Args:
        stride: input-image pixels per cell of the mask head's logits; the value of
            ``model.mask_head.mask_out_stride``.
        semantic_stride: input-image pixels per cell of the semantic head's logits; the value of
            ``model.semantic_head.stride``. None without a semantic head.

    Raises:
        ValueError: a stride is not a whole number above 0, or there are no ``gt_masks``.
    """

    def __init__(self, stride: int = 4, semantic_stride: int | None = None) -> None:
        given = {"stride": stride}
        if semantic_stride is not None:
            given["semantic_stride"] = semantic_stride
        for name, value in given.items():
            if not isinstance(value, int) or value < 1:
                raise ValueError(
                    f"PrepareMaskTargets: {name} must be a whole number > 0, got {value}"
                )
        self.stride = stride
        self.semantic_stride = semantic_stride

    def transform(self, results: dict) -> dict:
        if "gt_masks" not in results:
            raise ValueError(
                f"{results.get('img_path')}: PrepareMaskTargets finds no gt_masks; the pipeline "
                "needs LoadAnnotations(with_mask=True) before it"
            )
        results["gt_masks"] = sample_masks(results["gt_masks"], self.stride, self.semantic_stride)
        return results

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(stride={self.stride}, semantic_stride={self.semantic_stride})"
        )
