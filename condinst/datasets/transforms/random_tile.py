"""Cut random tiles out of large images for training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness
from mmdet.structures.bbox import HorizontalBoxes, autocast_box_type

from condinst.registry import TRANSFORMS

__all__ = ["RandomTile"]


@TRANSFORMS.register_module()
class RandomTile(BaseTransform):
    """Cut a tile of one size out of the image, usually with an object in it.

    mmdet's ``RandomCrop`` differs in three ways: it places the crop anywhere, which in large and
    sparse images is nearly always background; it keeps small remains of cut objects as objects; and
    it clips the boxes of cut objects instead of fitting them to the visible part.

    An image smaller than the tile does not change. The transform belongs right after
    ``LoadAnnotations``, before ``Resize``: the tile's size is in pixels of the image itself, like
    the predictor's ``tile``.

    Args:
        tile: side, or height and width, pixels.
        min_visible: least visible fraction of an object's pixels. An object below it is not learned
            (it gets mmdet's ignore flag and counts as background). The predictor's tiles overlap,
            so that another tile sees the object.
        object_share: fraction of tiles that are placed around a randomly chosen object, which they
            contain as a whole unless it is larger. The other tiles are placed anywhere.

    Raises:
        ValueError: an argument is outside its range.
    """

    def __init__(
        self,
        tile: int | Sequence[int],
        min_visible: float = 0.3,
        object_share: float = 0.9,
    ) -> None:
        sides = (tile, tile) if isinstance(tile, int) else tuple(tile)
        if len(sides) != 2 or min(sides) < 1:
            raise ValueError(
                f"RandomTile: tile={tile}: expected a side in pixels, or (height, width)"
            )
        for name, fraction in (("min_visible", min_visible), ("object_share", object_share)):
            if not 0 <= fraction <= 1:
                raise ValueError(f"RandomTile: {name}={fraction}: expected 0 to 1")
        self.tile = sides
        self.min_visible = min_visible
        self.object_share = object_share

    @autocast_box_type()
    def transform(self, results: dict) -> dict:
        image = results["img"]
        boxes = results.get("gt_bboxes")
        corners = np.zeros((0, 4)) if boxes is None else boxes.tensor.numpy()
        ignored = results.get("gt_ignore_flags", np.zeros(len(corners), bool))
        (y1, x1), (height, width) = self._place(image.shape[:2], corners[~ignored])
        results["img"] = image[y1 : y1 + height, x1 : x1 + width]
        results["img_shape"] = (height, width)
        shift = np.array([[1, 0, -x1], [0, 1, -y1], [0, 0, 1]], np.float32)
        results["homography_matrix"] = shift @ results.get(
            "homography_matrix", np.eye(3, dtype=np.float32)
        )
        if results.get("gt_seg_map") is not None:
            results["gt_seg_map"] = results["gt_seg_map"][y1 : y1 + height, x1 : x1 + width]
        if boxes is not None:
            _cut_objects(results, (x1, y1, x1 + width, y1 + height), self.min_visible)
        return results

    @cache_randomness
    def _place(
        self, size: tuple[int, int], corners: np.ndarray
    ) -> tuple[tuple[int, int], tuple[int, int]]:
        """Choose a place for the tile: top left corner and size, both (y, x)."""
        sides = tuple(min(tile, side) for tile, side in zip(self.tile, size, strict=True))
        low, high = np.zeros(2, int), np.array(size) - sides
        if len(corners) and np.random.random() < self.object_share:
            box = corners[np.random.randint(len(corners))]
            first, last = np.floor(box[[1, 0]]).astype(int), np.ceil(box[[3, 2]]).astype(int)
            # the object lies inside the tile, or the tile inside an object that is larger
            bounds = np.sort([last - sides, first], axis=0)
            low, high = (np.clip(bound, 0, high) for bound in bounds)
        y, x = (int(np.random.randint(a, b + 1)) for a, b in zip(low, high, strict=True))
        return (y, x), (sides[0], sides[1])

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(tile={self.tile}, min_visible={self.min_visible}, "
            f"object_share={self.object_share})"
        )


def _cut_objects(results: dict, tile: tuple[int, int, int, int], min_visible: float) -> None:
    """Keep the objects whose boxes overlap the tile, and fit the boxes to their visible parts."""
    x1, y1, x2, y2 = tile
    whole = results["gt_bboxes"].tensor.numpy()
    clipped = np.clip(whole, (x1, y1, x1, y1), (x2, y2, x2, y2))
    kept = np.flatnonzero((clipped[:, 2:] > clipped[:, :2]).all(axis=1))
    is_cut = (clipped[kept] != whole[kept]).any(axis=1)
    moved = clipped[kept] - np.array([x1, y1, x1, y1], whole.dtype)
    visible = np.ones(len(kept))
    if results.get("gt_masks") is not None:
        masks = results["gt_masks"][kept]
        inside = masks.crop(np.array(tile))
        # of a box, exactly: the filled box that stands for a mask has whole pixels
        boxes = getattr(masks, "box_only", np.zeros(len(kept), bool))
        visible[boxes] = _area(clipped[kept][boxes]) / _area(whole[kept][boxes])
        cut = np.flatnonzero(is_cut & ~boxes)
        if len(cut):
            visible[cut] = inside[cut].areas / np.maximum(masks[cut].areas, 1)
            moved[cut] = inside[cut].get_bboxes("hbox").tensor.numpy()
        results["gt_masks"] = inside
    elif len(kept):
        visible = _area(clipped[kept]) / _area(whole[kept])
    results["gt_bboxes"] = HorizontalBoxes(moved.astype(np.float32))
    for key in ("gt_bboxes_labels", "gt_ignore_flags", "gt_instances_ids"):
        if results.get(key) is not None:
            results[key] = results[key][kept]
    # an object's outline can overlap the tile although none of its pixels does
    flags = (visible < min_visible) | (visible == 0) | (moved[:, 2:] <= moved[:, :2]).any(axis=1)
    earlier = results.get("gt_ignore_flags")
    results["gt_ignore_flags"] = flags if earlier is None else earlier.astype(bool) | flags


def _area(boxes: np.ndarray) -> np.ndarray:
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
