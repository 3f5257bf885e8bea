"""mmdet's CopyPaste, with masks of any kind, kept as crops."""

from __future__ import annotations

import numpy as np
from mmdet.datasets.transforms import CopyPaste as MMDetCopyPaste
from mmdet.structures.bbox import autocast_box_type
from torch import Tensor

from condinst.datasets.transforms.mixing import check_mix
from condinst.masks.crop import Crop
from condinst.masks.crop_masks import CropMasks
from condinst.registry import TRANSFORMS

__all__ = ["CopyPaste"]


@TRANSFORMS.register_module()
class CopyPaste(MMDetCopyPaste):
    """``CopyPaste`` of mmdet for masks of any kind and images of any type and size.

    mmdet takes bitmaps only, computes with an array of the image's size for every object, and
    returns an image of 64-bit integers. Here the image keeps its type, and masks are crops.

    Other differences from mmdet:

    - Ignored objects, such as crowds, are not pasted, nor are objects of which only the box is
      known. Those of the destination stay.
    - Objects that nothing is pasted onto keep their boxes and are never dropped.
    - A source of another size is laid on the upper left corner, and what sticks out is cut off.

    Raises:
        ValueError: the transform is not in the pipeline of a ``MultiImageMixDataset``, or an image
            has no masks.
    """

    @autocast_box_type()
    def transform(self, results: dict) -> dict:
        (source,) = check_mix(self, results, 1)
        size = results["img"].shape[:2]
        masks = self._masks(source).move(0, 0, size)
        ignored = np.asarray(source["gt_ignore_flags"], bool) | masks.box_only
        usable = np.flatnonzero(~ignored & (masks.areas > 0))
        if self.selected:
            usable = usable[self._get_selected_inds(len(usable))] if len(usable) else usable
        if not len(usable):
            return results
        return self._paste(results, source, masks[usable], usable)

    def _masks(self, results: dict) -> CropMasks:
        try:
            return CropMasks.of(self.get_gt_masks(results))
        except RuntimeError:
            raise ValueError(
                f"{results.get('img_path')}: CopyPaste finds no gt_masks; the pipeline needs "
                "LoadAnnotations(with_mask=True) before it"
            ) from None

    def _paste(self, results: dict, source: dict, pasted: CropMasks, chosen: np.ndarray) -> dict:
        image, other = results["img"].copy(), source["img"]
        masks = self._masks(results)
        covered = np.zeros(image.shape[:2], bool)
        for mask, x, y in pasted.crops:
            window = np.s_[y : y + mask.shape[0], x : x + mask.shape[1]]
            covered[window] |= mask
            image[window][mask] = other[window][mask]
        crops, touched = _uncover(masks, covered)
        left = masks.with_crops(crops)

        boxes = results["gt_bboxes"].clone()
        boxes.tensor[touched] = left[touched].get_bboxes(type(boxes)).tensor
        _cut_boxes(boxes.tensor, results["gt_bboxes"].tensor, touched & masks.box_only)
        moved = (boxes.tensor - results["gt_bboxes"].tensor).abs().amax(dim=1).numpy()
        kept = (moved <= self.bbox_occluded_thr) | (left.areas > self.mask_occluded_thr)
        kept &= left.areas > 0
        kept |= ~touched
        size = image.shape[:2]
        new_boxes = source["gt_bboxes"][chosen]
        if source["img"].shape[:2] != size:
            new_boxes = pasted.get_bboxes(type(boxes))
        results["gt_bboxes"] = boxes.cat([boxes[kept], new_boxes])
        for key in ("gt_bboxes_labels", "gt_ignore_flags"):
            results[key] = np.concatenate([results[key][kept], source[key][chosen]])
        results["gt_masks"] = CropMasks.cat([left[kept], pasted])
        results["img"] = image
        return results


def _cut_boxes(boxes: Tensor, whole: Tensor, chosen: np.ndarray) -> None:
    """Keep some boxes, those of filled boxes' whole pixels, inside the boxes as annotated."""
    for low, high in ((0, 2), (1, 3)):
        boxes[chosen, low] = boxes[chosen, low].maximum(whole[chosen, low])
        boxes[chosen, high] = boxes[chosen, high].minimum(whole[chosen, high])


def _uncover(masks: CropMasks, covered: np.ndarray) -> tuple[list[Crop], np.ndarray]:
    """Remove covered pixels from masks; return the crops, and which masks have lost pixels."""
    crops, touched = [], np.zeros(len(masks), bool)
    for index, crop in enumerate(masks.crops):
        mask, x, y = crop
        hidden = covered[y : y + mask.shape[0], x : x + mask.shape[1]] & mask
        if hidden.any():
            touched[index] = True
            part = Crop.of(mask & ~hidden)
            crop = Crop(part.mask, x + part.x, y + part.y) if part.mask.size else part
        crops.append(crop)
    return crops, touched
