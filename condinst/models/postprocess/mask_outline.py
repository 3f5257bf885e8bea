"""Enlarge and threshold one mask, and compute only the pixels near its outline.

Enlarging is linear in the scores (RTMDet-Ins: in the logits) and separable: one matrix for rows,
another for columns, each with a few entries near its diagonal. The masks of scores must equal those
of torch's float32 interpolation. So the weights are read off torch itself and the products are
computed in float64. If a score comes so close to the threshold that float32 could have rounded it
to the other side, :func:`enlarge_outline` returns None. Logits have no bound on their rounding: the
float64 products decide.

Shapes: h x w cells of the logits, H x W pixels of the output.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from condinst.models.upsample import aligned_upsample

# Largest distance of torch's float32 score from the exact one: a handful of roundings of numbers
# below 1, each by 2**-25 at most.
_ROUNDING = 2.5e-7
# Side in pixels of the blocks that are computed at once: about 0.5 MiB of scores.
_BLOCK = 256


@dataclass(frozen=True)
class ResizeAxis:
    """The cells of the logits that the pixels of one output axis depend on.

    Attributes:
        weights: (pixels, cells) float64; rows sum to 1.
        pixel_ranges: per cell, the first pixel that depends on it, and the one after the last.
        cell_ranges: per pixel, the first cell that it depends on, and the one after the last.
    """

    weights: Tensor
    pixel_ranges: list[tuple[int, int]]
    cell_ranges: list[tuple[int, int]]

    @staticmethod
    @lru_cache(maxsize=8)
    def between(cells: int, stride: int, img_size: int, out_size: int) -> ResizeAxis:
        """Read the weights of one axis off torch's own interpolation.

        Args:
            cells: cells of the logits.
            stride: input-image pixels per cell.
            img_size: pixels of the input image without padding.
            out_size: pixels of the output.
        """
        # Enlarging the unit vectors, as images of one row, gives the weight of each cell in every
        # pixel. The second step has two entries per pixel and is kept sparse.
        # (cells, img_size)
        upsampled = aligned_upsample(torch.eye(cells)[:, None, None], stride)[:, 0, 0, :img_size]
        weights = upsampled.t().double()  # (img_size, cells)
        return ResizeAxis._of(_resized(weights, out_size))

    @staticmethod
    @lru_cache(maxsize=8)
    def bilinear(cells: int, stride: int, resized_size: int, out_size: int) -> ResizeAxis:
        """Read the weights of one axis that torch's bilinear interpolation enlarges.

        Args:
            cells: cells of the logits.
            stride: input-image pixels per cell.
            resized_size: pixels to which the ``cells * stride`` pixels of the padded input image
                are resized.
            out_size: pixels of the output, the first ones of these.
        """
        # (cells, cells * stride)
        upsampled = F.interpolate(
            torch.eye(cells)[:, None, None], (1, cells * stride), mode="bilinear"
        )[:, 0, 0]
        return ResizeAxis._of(_resized(upsampled.t().double(), resized_size)[:out_size])

    @staticmethod
    def _of(weights: Tensor) -> ResizeAxis:
        return ResizeAxis(weights, _ranges(weights.t() != 0), _ranges(weights != 0))

    def pixels(self, first: int, last: int) -> tuple[int, int]:
        """Return the range of pixels that depend on the cells ``first`` to ``last``."""
        return self.pixel_ranges[first][0], self.pixel_ranges[last][1]

    def cells(self, start: int, stop: int) -> tuple[int, int]:
        """Return the range of cells that the pixels ``start`` to ``stop - 1`` depend on."""
        return self.cell_ranges[start][0], self.cell_ranges[stop - 1][1]


def _resized(weights: Tensor, size: int) -> Tensor:
    """Resize the pixels of (pixels, cells) float64 weights bilinearly: (size, cells)."""
    if size == len(weights):
        return weights
    image = torch.eye(len(weights))[:, None, None]  # (pixels, 1, 1, pixels)
    # (pixels, size)
    resized = F.interpolate(image, (1, size), mode="bilinear", align_corners=False)[:, 0, 0]
    pixels, sources = resized.t().nonzero(as_tuple=True)
    factors = resized[sources, pixels].double()
    return torch.zeros(size, weights.shape[1], dtype=torch.float64).index_add_(
        0, pixels, factors[:, None] * weights[sources]
    )


def _ranges(used: Tensor) -> list[tuple[int, int]]:
    """Return, per row, the place of the first True and the place after the last.

    A row without any, such as a cell of the padding or one that a strong reduction skips, gets the
    first of the rows below and the last of the rows above, which keeps ranges of rows correct.
    """
    first, last = _first_and_last(used)
    first = first.flip(0).cummin(0).values.flip(0)
    last = last.cummax(0).values
    return list(zip(first.tolist(), (last + 1).tolist(), strict=True))


def _first_and_last(flags: Tensor) -> tuple[Tensor, Tensor]:
    """Find the first and last True along the last axis; its size and -1 if there is none."""
    size = flags.shape[-1]
    inds = torch.arange(size, device=flags.device)
    return torch.where(flags, inds, size).amin(dim=-1), torch.where(flags, inds, -1).amax(dim=-1)


def support_boxes(
    mask_logits: Tensor, axes: Sequence[ResizeAxis], mask_thr: float
) -> list[tuple[int, int, int, int]]:
    """Bound each mask by the pixels that depend on at least one cell above the threshold.

    Args:
        mask_logits: (N, h, w).
        axes: rows, columns.
        mask_thr: threshold of the scores.

    Returns:
        Per instance y1, x1, y2, x2 in pixels of the output; all 0 for an empty mask.
    """
    if len(mask_logits) == 0:
        return []
    score = torch.tensor(mask_thr - 2 * _ROUNDING, dtype=torch.float64).clamp(0, 1)
    logit_thr = score.logit().item()
    ends = [_first_and_last(mask_logits.amax(dim=dim) > logit_thr) for dim in (2, 1)]  # (N,) each
    cells = torch.stack([x for end in ends for x in end], dim=1).tolist()  # (N, 4)
    boxes = []
    for y_first, y_last, x_first, x_last in cells:
        (y1, y2), (x1, x2) = (
            axis.pixels(first, last) if last >= 0 else (0, 0)
            for axis, first, last in zip(axes, (y_first, x_first), (y_last, x_last), strict=True)
        )
        # a mask that lies in the padding has no pixel
        boxes.append((y1, x1, y2, x2) if y1 < y2 and x1 < x2 else (0, 0, 0, 0))
    return boxes


def enlarge_outline(
    logits: Tensor,
    axes: Sequence[ResizeAxis],
    box: tuple[int, int, int, int],
    mask_thr: float,
    of_logits: bool = False,
) -> Tensor | None:
    """Enlarge and threshold one mask within a box.

    Args:
        logits: (h, w) float32.
        axes: rows, columns.
        box: y1, x1, y2, x2 in pixels of the output.
        mask_thr: threshold of the scores.
        of_logits: whether the logits are interpolated instead of the scores.

    Returns:
        (y2 - y1, x2 - x1) bool, column-major in memory; None if a score is so close to the
        threshold that float32 rounding decides.
    """
    y1, x1, y2, x2 = box
    crop = torch.zeros(x2 - x1, y2 - y1, dtype=torch.bool)  # transposed: RLE runs down columns
    if crop.numel() == 0:
        return crop.t()
    (top, bottom), (left, right) = axes[0].cells(y1, y2), axes[1].cells(x1, x2)
    cells = logits[top:bottom, left:right]
    if of_logits:
        values, rounding = cells.double(), 0.0
        thr = torch.tensor(mask_thr, dtype=torch.float64).logit().item()
    else:
        values, rounding = cells.sigmoid().double(), _ROUNDING
        thr = torch.tensor(mask_thr, dtype=torch.float32).item()  # as compared with float32 scores
    for x in range(x1, x2, _BLOCK):
        x_stop = min(x + _BLOCK, x2)
        first, stop = axes[1].cells(x, x_stop)
        # (x_stop - x, bottom - top)
        columns = axes[1].weights[x:x_stop, first:stop] @ values[:, first - left : stop - left].t()
        for y in range(y1, y2, _BLOCK):
            y_stop = min(y + _BLOCK, y2)
            first_row, stop_row = axes[0].cells(y, y_stop)
            rows = columns[:, first_row - top : stop_row - top]
            block = crop[x - x1 : x_stop - x1, y - y1 : y_stop - y1]
            # An interpolated value lies between the values that it is made of, so many blocks need
            # no second product. In a small block this check costs as much as the product.
            if y_stop - y == _BLOCK:
                low, high = (value.item() for value in rows.aminmax())
                if high < thr - rounding:
                    continue
                if low > thr + rounding:
                    block.fill_(True)
                    continue
            # (x_stop - x, y_stop - y)
            pixels = rows @ axes[0].weights[y:y_stop, first_row:stop_row].t()
            torch.gt(pixels, thr + rounding, out=block)
            if not torch.equal(block, pixels > thr - rounding):
                return None
    return crop.t()
