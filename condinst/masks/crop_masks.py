"""Masks of one image, each stored as a crop.

As bitmaps, the masks of hundreds of small objects are nearly all background: 375 nuclei on
603 x 1272 pixels take 290 MB, and the steps of a training pipeline copy them. Their crops take less
than one megabyte.

Shapes: N masks of H x W pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import mmcv
import numpy as np
from mmcv.image.geometric import cv2_interp_codes
from mmdet.structures.bbox import HorizontalBoxes
from mmdet.structures.mask import BitmapMasks, PolygonMasks

from condinst.masks.crop import Crop, crop_of_runs
from condinst.masks.polygon_rle import polygons_to_rle
from condinst.masks.rle import read_counts

__all__ = ["CropMasks", "crop_of_runs"]


class CropMasks(BitmapMasks):
    """``BitmapMasks`` of mmdet that creates its bitmaps only when they are read.

    Indexing, cropping, resizing, flipping, padding, moving and joining work on the crops and give
    the pixels that ``BitmapMasks`` gives; turning and shearing give them except for the rounding of
    coordinates. All other methods read the bitmaps in ``masks``. From then on the bitmaps replace
    the crops, so that changes made to them are kept.

    An object of which only the box is known has its filled box as its mask, and a flag. All methods
    keep the flags, and so does every transform that only indexes, joins and moves masks.

    Args:
        masks: N masks, each the part that holds its pixels; or (N, H, W) bitmaps or a list of them,
            as for ``BitmapMasks``.
        height, width: size of the image.
        box_only: (N,) bool, whether a mask is a filled box in place of an unknown mask; None if
            none is.
    """

    def __init__(
        self,
        masks: Sequence[Crop] | Sequence[np.ndarray] | np.ndarray,
        height: int,
        width: int,
        box_only: Sequence[bool] | np.ndarray | None = None,
    ) -> None:
        self.height, self.width = height, width
        self._box_only = None if box_only is None else np.asarray(box_only, bool)
        self._crops = [mask if isinstance(mask, Crop) else self._cut(mask) for mask in masks]
        self._bitmaps: np.ndarray | None = None

    def _cut(self, bitmap: np.ndarray) -> Crop:
        expected = (self.height, self.width)
        assert bitmap.shape == expected, f"mask of shape {bitmap.shape}, expected {expected}"
        return Crop.of(bitmap)

    @classmethod
    def of(cls, masks: BitmapMasks | PolygonMasks) -> CropMasks:
        """Return masks of any kind as crops."""
        if isinstance(masks, CropMasks):
            return masks
        size = masks.height, masks.width
        if not isinstance(masks, PolygonMasks):
            return cls(masks.masks, *size)
        counts = [polygons_to_rle(polygons, *size)["counts"] for polygons in masks.masks]
        return cls([crop_of_runs(read_counts(each), size[0]) for each in counts], *size)

    @classmethod
    def cat(cls, masks: Sequence[BitmapMasks | PolygonMasks]) -> CropMasks:  # type: ignore[override]
        """Join masks of any kind of images of one size."""
        if not masks:
            raise ValueError("expected masks to join, got none")
        parts = [cls.of(each) for each in masks]
        crops = [crop for each in parts for crop in each.crops]
        box_only = np.concatenate([each.box_only for each in parts])
        return cls(crops, masks[0].height, masks[0].width, box_only)

    @property
    def masks(self) -> np.ndarray:
        """The bitmaps, (N, H, W) uint8."""
        if self._bitmaps is None:
            self._bitmaps = np.zeros((len(self), self.height, self.width), np.uint8)
            for bitmap, (mask, x, y) in zip(self._bitmaps, self._crops, strict=True):
                bitmap[y : y + mask.shape[0], x : x + mask.shape[1]] = mask
        return self._bitmaps

    @masks.setter
    def masks(self, bitmaps: np.ndarray) -> None:
        self._bitmaps = bitmaps

    @property
    def crops(self) -> list[Crop]:
        """The N crops (an empty mask may have a crop of no pixels)."""
        return self._crops if self._bitmaps is None else [Crop.of(mask) for mask in self._bitmaps]

    @property
    def box_only(self) -> np.ndarray:
        """(N,) bool: whether each mask is a filled box in place of an unknown mask.

        Raises:
            ValueError: bitmaps that were assigned to ``masks`` are more or fewer than before.
        """
        if self._box_only is None:
            return np.zeros(len(self), bool)
        if len(self._box_only) != len(self):
            raise ValueError(
                f"{len(self)} masks have replaced {len(self._box_only)}, and it is not known which "
                "of them are boxes: a transform assigns bitmaps to gt_masks.masks"
            )
        return self._box_only

    def with_crops(self, crops: Sequence[Crop]) -> CropMasks:
        """Return the same objects with other masks."""
        return CropMasks(crops, self.height, self.width, self._box_only)

    def __len__(self) -> int:
        return len(self._crops) if self._bitmaps is None else len(self._bitmaps)

    def __repr__(self) -> str:
        return f"CropMasks(num_masks={len(self)}, height={self.height}, width={self.width})"

    def __getitem__(self, index: Any) -> CropMasks:
        crops = self.crops
        chosen = np.arange(len(crops))[index].reshape(-1)
        flags = None if self._box_only is None else self.box_only[chosen]
        return CropMasks([crops[i] for i in chosen], self.height, self.width, flags)

    def rescale(self, scale: Any, interpolation: str = "nearest") -> BitmapMasks:
        if interpolation != "nearest":
            return self._as_bitmaps(super().rescale(scale, interpolation))
        width, height = mmcv.rescale_size((self.width, self.height), scale)
        return self.resize((height, width))

    def resize(self, out_shape: tuple[int, int], interpolation: str = "nearest") -> BitmapMasks:
        if interpolation != "nearest" or min(self.height, self.width, *out_shape) == 0:
            return self._as_bitmaps(super().resize(out_shape, interpolation))
        rows, columns = (
            _nearest(old, new)
            for old, new in zip((self.height, self.width), out_shape, strict=True)
        )
        crops = []
        for mask, x, y in self.crops:
            top, bottom = np.searchsorted(rows, [y, y + mask.shape[0]])
            left, right = np.searchsorted(columns, [x, x + mask.shape[1]])
            resized = mask[rows[top:bottom] - y][:, columns[left:right] - x]
            crops.append(_placed(resized, int(left), int(top)))
        return CropMasks(crops, *out_shape, self._box_only)

    def flip(self, flip_direction: str = "horizontal") -> BitmapMasks:
        assert flip_direction in ("horizontal", "vertical", "diagonal")
        crops = []
        for mask, x, y in self.crops:
            if flip_direction != "vertical":
                mask, x = mask[:, ::-1], self.width - x - mask.shape[1]
            if flip_direction != "horizontal":
                mask, y = mask[::-1], self.height - y - mask.shape[0]
            crops.append(_placed(mask, x, y))
        return self.with_crops(crops)

    def pad(self, out_shape: tuple[int, int], pad_val: int = 0) -> BitmapMasks:
        if pad_val != 0:
            return self._as_bitmaps(super().pad(out_shape, pad_val))
        return self.move(0, 0, out_shape)

    def crop(self, bbox: np.ndarray) -> BitmapMasks:
        x1, x2 = (int(v) for v in np.clip(bbox[0::2], 0, self.width))
        y1, y2 = (int(v) for v in np.clip(bbox[1::2], 0, self.height))
        if x1 >= x2 or y1 >= y2:
            return self._as_bitmaps(super().crop(bbox))
        crops = []
        for mask, x, y in self.crops:
            left, top = max(x, x1), max(y, y1)
            right, bottom = min(x + mask.shape[1], x2), min(y + mask.shape[0], y2)
            part = mask[top - y : max(bottom - y, top - y), left - x : max(right - x, left - x)]
            crops.append(_placed(part, left - x1, top - y1))
        return CropMasks(crops, y2 - y1, x2 - x1, self._box_only)

    def expand(self, expanded_h: int, expanded_w: int, top: int, left: int) -> BitmapMasks:
        return self.move(left, top, (expanded_h, expanded_w))

    def translate(
        self,
        out_shape: tuple[int, int],
        offset: float,
        direction: str = "horizontal",
        border_value: int = 0,
        interpolation: str = "bilinear",
    ) -> BitmapMasks:
        if border_value or offset != int(offset):
            return self._as_bitmaps(
                super().translate(out_shape, offset, direction, border_value, interpolation)
            )
        x, y = (int(offset), 0) if direction == "horizontal" else (0, int(offset))
        return self.move(x, y, out_shape)

    def shear(
        self,
        out_shape: tuple[int, int],
        magnitude: float,
        direction: str = "horizontal",
        border_value: int = 0,
        interpolation: str = "bilinear",
    ) -> BitmapMasks:
        if border_value:
            return self._as_bitmaps(
                super().shear(out_shape, magnitude, direction, border_value, interpolation)
            )
        across, down = (magnitude, 0) if direction == "horizontal" else (0, magnitude)
        matrix = np.array([[1, across, 0], [down, 1, 0]], float)
        return self.warp(matrix, out_shape, interpolation)

    def rotate(
        self,
        out_shape: tuple[int, int],
        angle: float,
        center: tuple[float, float] | None = None,
        scale: float = 1.0,
        border_value: int = 0,
        interpolation: str = "bilinear",
    ) -> BitmapMasks:
        if border_value:
            return self._as_bitmaps(
                super().rotate(out_shape, angle, center, scale, border_value, interpolation)
            )
        middle = center or ((self.width - 1) * 0.5, (self.height - 1) * 0.5)
        matrix = cv2.getRotationMatrix2D(middle, -angle, scale)
        return self.warp(matrix, out_shape, interpolation)

    def move(self, x: int, y: int, out_shape: tuple[int, int]) -> CropMasks:
        """Move the masks by whole pixels into an image of another size, and cut at its border."""
        height, width = out_shape
        crops = []
        for mask, left, top in self.crops:
            left, top = left + x, top + y
            part = mask[max(-top, 0) : max(height - top, 0), max(-left, 0) : max(width - left, 0)]
            crops.append(_placed(part, max(left, 0), max(top, 0)))
        return CropMasks(crops, height, width, self._box_only)

    def warp(
        self, matrix: np.ndarray, out_shape: tuple[int, int], interpolation: str = "bilinear"
    ) -> CropMasks:
        """Apply an affine transform as OpenCV applies it to an image.

        Args:
            matrix: (2, 3), from the indices of old pixels to those of new ones.
            out_shape: height and width of the new image.
            interpolation: name of the interpolation in mmcv; a pixel of one half or more counts.
        """
        flags, (height, width) = cv2_interp_codes[interpolation], out_shape
        crops = []
        for mask, x, y in self.crops:
            if not mask.size:
                crops.append(_placed(mask, 0, 0))
                continue
            # the new corners of the crop's frame, one pixel larger for the interpolation
            (x1, x2), (y1, y2) = (x - 1, x + mask.shape[1]), (y - 1, y + mask.shape[0])
            corners = matrix @ np.array([[x1, x2, x2, x1], [y1, y1, y2, y2], [1, 1, 1, 1]])
            limit = np.array([width, height])
            first = np.clip(np.floor(corners.min(axis=1)), 0, limit).astype(int)
            last = np.clip(np.ceil(corners.max(axis=1)) + 1, 0, limit).astype(int)
            if (first >= last).any():
                crops.append(_placed(mask[:0], 0, 0))
                continue
            own = matrix.astype(float)
            own[:, 2] += matrix[:, :2] @ [x, y] - first
            size = tuple(int(side) for side in last - first)
            pixels = np.ascontiguousarray(mask).view(np.uint8) * 255
            drawn = cv2.warpAffine(pixels, own, size, flags=flags) > 127
            crops.append(_placed(drawn, int(first[0]), int(first[1])))
        return CropMasks(crops, height, width, self._box_only)

    def _as_bitmaps(self, masks: BitmapMasks) -> BitmapMasks:
        """Return what mmdet made of all bitmaps, with the flags where there are any."""
        if self._box_only is None:
            return masks
        return CropMasks(masks.masks, masks.height, masks.width, self._box_only)

    @property
    def areas(self) -> np.ndarray:
        return np.array([np.count_nonzero(mask) for mask, _, _ in self.crops], np.int64)

    def get_bboxes(self, dst_type: Any = "hbox") -> Any:
        if dst_type not in ("hbox", HorizontalBoxes):
            return super().get_bboxes(dst_type)
        boxes = np.zeros((len(self), 4), np.float32)
        for box, crop in zip(boxes, self.crops, strict=True):
            mask, x, y = Crop.of(crop.mask)
            if mask.size:
                x, y = x + crop.x, y + crop.y
                box[:] = x, y, x + mask.shape[1], y + mask.shape[0]
        return HorizontalBoxes(boxes)


def _placed(mask: np.ndarray, x: int, y: int) -> Crop:
    """Make a crop; one without pixels lies at the corner, which is inside every image."""
    return Crop(mask, x, y) if mask.size else Crop(np.zeros((0, 0), bool), 0, 0)


def _nearest(old: int, new: int) -> np.ndarray:
    """Return the index of the old pixel that each new pixel copies in OpenCV's nearest neighbor.

    OpenCV resizes the indices themselves, so that its rounding is reproduced.
    """
    places = np.arange(old, dtype=np.float32)[None]  # exact up to 2 ** 24
    return cv2.resize(places, (new, 1), interpolation=cv2.INTER_NEAREST)[0].astype(np.int64)
