"""Sample the masks of one image for training without drawing whole masks.

Training reads the center of mass of a mask and every ``stride``-th of its pixels. Polygons become
RLEs, and both follow from the borders of the runs.

Shapes: M masks of H x W pixels, h x w samples. Pixels of a mask are numbered down the columns, as
in COCO's RLE: pixel n lies in column n // H and row n % H.
"""

from __future__ import annotations

import math
from multiprocessing.reduction import ForkingPickler

import cv2
import numpy as np
import torch
from mmdet.structures.mask import BitmapMasks, PolygonMasks

from condinst.masks.crop import Crop
from condinst.masks.crop_masks import CropMasks
from condinst.masks.polygon_rle import polygons_to_rle
from condinst.masks.rle import read_many_counts
from condinst.targets.target_types import SampledMasks, SimilarColors

__all__ = ["pack_bools", "sample_masks", "unpack_bools"]


def sample_masks(
    masks: BitmapMasks | PolygonMasks, stride: int, semantic_stride: int | None = None
) -> SampledMasks:
    """Sample every ``stride``-th pixel of each mask, from ``stride // 2`` on.

    The centers and areas of the masks are measured too. Polygons cover the pixels that
    ``PolygonMasks.to_ndarray`` would give. Sums are whole numbers, so each center is rounded only
    once, to float32.

    Args:
        masks: M masks of one image.
        stride: stride of the mask loss's targets, pixels.
        semantic_stride: stride of the semantic loss's targets, pixels; None without that loss.
    """
    height, width = masks.height, masks.width
    strides = [stride] if semantic_stride is None else [stride, semantic_stride]
    grids = [_SampleGrid(height, width, s) for s in strides]
    if len(masks) == 0:
        sampled = [np.zeros((0, grid.rows, grid.columns), bool) for grid in grids]
        sums = np.zeros((0, 3))
    elif isinstance(masks, PolygonMasks):
        starts, stops, owners = _runs(masks)
        sampled = [grid.draw(starts, stops, owners, len(masks)) for grid in grids]
        sums = _sums_of_runs(starts, stops, owners, len(masks), height)
    elif isinstance(masks, CropMasks):
        sampled = [np.stack([grid.sample(crop) for crop in masks.crops]) for grid in grids]
        sums = np.stack([_sums_of_crop(crop) for crop in masks.crops])
    else:
        bitmaps = masks.to_ndarray()  # (M, H, W)
        views = [bitmaps[:, s // 2 :: s, s // 2 :: s] for s in strides]
        sampled = [np.ascontiguousarray(view) != 0 for view in views]
        sums = np.stack([_sums_of_bitmap(bitmap) for bitmap in bitmaps])
    # sums: (M, 3) of pixels, x and y; an empty mask is divided by 1 and gets the center (0, 0)
    areas = torch.from_numpy(sums[:, 0]).long()  # (M,)
    centers = torch.from_numpy(sums[:, 1:] / np.maximum(sums[:, :1], 1)).float()  # (M, 2)
    fine, *coarse = (
        SampledMasks(torch.from_numpy(samples), centers, areas, s, size=(height, width))
        for samples, s in zip(sampled, strides, strict=True)
    )
    if coarse:
        fine.coarse = coarse[0]
    if isinstance(masks, CropMasks) and masks.box_only.any():
        fine.box_only = torch.from_numpy(masks.box_only)
    return fine


def _runs(masks: PolygonMasks) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the covered runs of all masks: first pixel, pixel after the last, mask index."""
    counts = [
        polygons_to_rle(polygons, masks.height, masks.width)["counts"] for polygons in masks.masks
    ]
    runs, num_runs = read_many_counts(counts)
    owners = np.repeat(np.arange(len(counts)), num_runs)
    index = np.arange(len(runs)) - np.repeat(np.cumsum(num_runs) - num_runs, num_runs)
    covered = index % 2 == 1  # each RLE starts with background
    # every RLE covers its whole image, so the masks lie one after the other
    stops = (np.cumsum(runs) - owners * (masks.height * masks.width))[covered]
    return stops - runs[covered], stops, owners[covered]


def _sums_of_runs(
    starts: np.ndarray, stops: np.ndarray, owners: np.ndarray, num_masks: int, height: int
) -> np.ndarray:
    """Sum the pixels, their x and their y of each mask: (M, 3) float64."""
    areas = stops - starts
    x_sums, y_sums = (
        after - before
        for after, before in zip(
            _coordinate_sums(stops, height), _coordinate_sums(starts, height), strict=True
        )
    )
    # bincount adds in float64, which is exact for whole numbers below 2 ** 53; no image that an RLE
    # can describe has larger sums
    return np.stack(
        [np.bincount(owners, values, minlength=num_masks) for values in (areas, x_sums, y_sums)],
        axis=1,
    )


def _coordinate_sums(pixels: np.ndarray, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Sum x and y over all pixels before each of the given ones, from arithmetic series."""
    columns, rows = np.divmod(pixels, height)
    x_sums = height * (columns * (columns - 1) // 2) + columns * rows
    y_sums = columns * (height * (height - 1) // 2) + rows * (rows - 1) // 2
    return x_sums, y_sums


def _sums_of_bitmap(bitmap: np.ndarray) -> np.ndarray:
    """Sum the covered pixels, their x and their y: (3,) float64."""
    covered = (bitmap != 0).view(np.uint8)
    # sums of whole rows and columns are (W,) and (H,): coordinates are multiplied only there
    per_column = cv2.reduce(covered, 0, cv2.REDUCE_SUM, dtype=cv2.CV_32S)[0].astype(np.int64)
    per_row = cv2.reduce(covered, 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S)[:, 0].astype(np.int64)
    x_sum = (per_column * np.arange(len(per_column))).sum()
    y_sum = (per_row * np.arange(len(per_row))).sum()
    return np.array([per_row.sum(), x_sum, y_sum], np.float64)


def _sums_of_crop(crop: Crop) -> np.ndarray:
    """Sum as :func:`_sums_of_bitmap` for a crop, in the image's coordinates."""
    if not crop.mask.size:
        return np.zeros(3)
    area, x_sum, y_sum = _sums_of_bitmap(crop.mask)
    return np.array([area, x_sum + crop.x * area, y_sum + crop.y * area])


class _SampleGrid:
    """The sampled pixels of a mask of ``height`` x ``width``, numbered down the columns as well."""

    def __init__(self, height: int, width: int, stride: int) -> None:
        self.height, self.stride = height, stride
        self.rows, self.columns = self._before(height), self._before(width)

    def _before(self, position):
        """Count the samples of one row or column that lie before a position."""
        return (position + self.stride - 1 - self.stride // 2) // self.stride

    def _samples_before(self, pixels: np.ndarray) -> np.ndarray:
        """Count the samples of the mask that lie before each of the given pixels."""
        columns, rows = np.divmod(pixels, self.height)
        sampled = columns % self.stride == self.stride // 2
        return self._before(columns) * self.rows + sampled * self._before(rows)

    def sample(self, crop: Crop) -> np.ndarray:
        """Sample a mask that is given as a crop: (h, w) bool."""
        samples = np.zeros((self.rows, self.columns), bool)
        # first sampled row and column within the crop, then their indices among the samples
        top, left = (-(place - self.stride // 2) % self.stride for place in (crop.y, crop.x))
        part = crop.mask[top :: self.stride, left :: self.stride]
        row, column = ((crop.y + top) // self.stride, (crop.x + left) // self.stride)
        samples[row : row + part.shape[0], column : column + part.shape[1]] = part
        return samples

    def draw(
        self, starts: np.ndarray, stops: np.ndarray, owners: np.ndarray, num_masks: int
    ) -> np.ndarray:
        """Sample masks that are given as covered runs of pixels: (M, h, w) bool."""
        size = self.rows * self.columns
        borders = np.zeros((len(starts) + 1, 2), np.int64)
        borders[:-1, 0] = self._samples_before(starts) + owners * size
        borders[:-1, 1] = self._samples_before(stops) + owners * size
        borders[-1] = num_masks * size
        # the samples of all masks in one row are runs too, background and mask in turn
        lengths = np.diff(borders.ravel(), prepend=0)
        covered = np.arange(len(lengths)) % 2 == 1
        masks = np.repeat(covered, lengths).reshape(num_masks, self.columns, self.rows)
        turned = np.empty((num_masks, self.rows, self.columns), bool)
        for mask, out in zip(masks, turned, strict=True):
            if size:
                cv2.transpose(mask.view(np.uint8), out.view(np.uint8))  # twice as fast as numpy
        return turned


def _to_bits(masks: SampledMasks) -> tuple:
    """Pickle masks for the way from a data worker to the training process.

    They travel as bits in the message itself. Each tensor would need its own file of shared memory,
    which costs more than the masks do.
    """
    coarse = None
    if masks.coarse is not None:
        coarse = pack_bools(masks.coarse.samples), masks.coarse.stride
    numbers = masks.centers.numpy(), masks.areas.numpy(), masks.stride
    boxes = None if masks.box_only is None else masks.box_only.numpy()
    return _from_bits, (pack_bools(masks.samples), *numbers, coarse, boxes, masks.colors)


def _from_bits(
    samples: tuple,
    centers: np.ndarray,
    areas: np.ndarray,
    stride: int,
    coarse: tuple | None,
    boxes: np.ndarray | None,
    colors: SimilarColors | None,
) -> SampledMasks:
    per_mask = torch.from_numpy(centers), torch.from_numpy(areas)
    masks = SampledMasks(unpack_bools(samples), *per_mask, stride, colors=colors)
    if boxes is not None:
        masks.box_only = torch.from_numpy(boxes)
    if coarse is not None:
        masks.coarse = SampledMasks(unpack_bools(coarse[0]), *per_mask, coarse[1])
    return masks


def pack_bools(bools: torch.Tensor) -> tuple[np.ndarray, tuple[int, ...]]:
    """Pack a bool tensor into bits and its shape."""
    return np.packbits(bools.numpy()), tuple(bools.shape)


def unpack_bools(packed: tuple[np.ndarray, tuple[int, ...]]) -> torch.Tensor:
    """Restore the tensor that :func:`pack_bools` packed."""
    bits, shape = packed
    return torch.from_numpy(np.unpackbits(bits, count=math.prod(shape)).view(bool).reshape(shape))


ForkingPickler.register(SampledMasks, _to_bits)
