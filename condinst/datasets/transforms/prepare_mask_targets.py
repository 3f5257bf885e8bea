"""Mask targets made in the data workers."""

from mmcv.transforms import BaseTransform

from condinst.registry import TRANSFORMS
from condinst.targets.mask_samples import sample_masks

__all__ = ["PrepareMaskTargets"]


@TRANSFORMS.register_module()
class PrepareMaskTargets(BaseTransform):
    """Replace ``gt_masks`` by what training reads of them; the last step before PackDetInputs.

    The same happens in the training step when this transform is absent: the losses are equal. In
    the pipeline the work is done by the data workers, and an image's masks travel as samples
    instead of polygons or bitmaps. The model must be ours.

    Args:
        stride: pixels of the input image per cell of the mask head's logits, the value of
            ``model.mask_head.mask_out_stride``.
        semantic_stride: the same for the semantic head's logits, the stride of the pyramid level
            that it reads; None without a semantic head.
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
