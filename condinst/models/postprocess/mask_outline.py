"""The outline of one enlarged mask, without the pixels that need no arithmetic.

Enlarging is linear in the scores and separable: rows by one matrix, columns by another, each with a
few entries near its diagonal. The masks must be those that torch's float32 interpolation gives, so
its weights are read off torch itself, the products are taken in float64, and where a score comes so
close to the threshold that float32 could have rounded it to the other side, the caller is told.

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

# A float32 score of the plain way is at most this far from the exact one: a handful of roundings of
# numbers below 1, each by 2**-25 at most.
_ROUNDING = 2.5e-7
# Pixels per side of the blocks that are looked at: some 0.5 MiB of scores.
_BLOCK = 256


@dataclass(frozen=True)
class ResizeAxis:
    """How the pixels of one axis of the output are made of the cells of the logits.

    Attributes:
        weights: (pixels, cells) float64; rows sum to 1.
        pixel_ranges: per cell, first pixel that it is part of, and the one after the last.
        cell_ranges: per pixel, first cell that is part of it, and the one after the last.
    """

    weights: Tensor
    pixel_ranges: list[tuple[int, int]]
    cell_ranges: list[tuple[int, int]]

    @staticmethod
    @lru_cache(maxsize=8)
    def between(cells: int, stride: int, img_size: int, out_size: int) -> ResizeAxis:
        """From ``cells`` cells of ``stride`` input-image pixels to ``out_size`` pixels.

        Args:
            img_size: pixels of the input image without padding.
        """
        # Each cell by itself, as an image of one row, tells which share of it every pixel gets.
        # The second step is kept sparse: two entries per pixel.
        upsampled = aligned_upsample(torch.eye(cells)[:, None, None], stride)[:, 0, 0, :img_size]
        weights = upsampled.t().double()
        if out_size != img_size:
            image = torch.eye(img_size)[:, None, None]
            size = (1, out_size)
            resized = F.interpolate(image, size, mode="bilinear", align_corners=False)[:, 0, 0]
            pixels, sources = resized.t().nonzero(as_tuple=True)
            shares = resized[sources, pixels].double()
            weights = torch.zeros(out_size, cells, dtype=torch.float64).index_add_(
                0, pixels, shares[:, None] * weights[sources]
            )
        return ResizeAxis(weights, _ranges(weights.t() != 0), _ranges(weights != 0))

    def pixels(self, first: int, last: int) -> tuple[int, int]:
        """The pixels that cells ``first`` to ``last`` are part of."""
        return self.pixel_ranges[first][0], self.pixel_ranges[last][1]

    def cells(self, start: int, stop: int) -> tuple[int, int]:
        """The cells that are part of pixels ``start`` to ``stop - 1``."""
        return self.cell_ranges[start][0], self.cell_ranges[stop - 1][1]


def _ranges(used: Tensor) -> list[tuple[int, int]]:
    """Per row, the first True and the place after the last.

    A row without one, such as a cell of the padding or one that a strong reduction skips, gets the
    first of the rows below and the last of the rows above, so that ranges of rows stay right.
    """
    first, last = _first_and_last(used)
    first = first.flip(0).cummin(0).values.flip(0)
    last = last.cummax(0).values
    return list(zip(first.tolist(), (last + 1).tolist(), strict=True))


def _first_and_last(flags: Tensor) -> tuple[Tensor, Tensor]:
    """Along the last axis; its size and -1 where there is none."""
    size = flags.shape[-1]
    inds = torch.arange(size, device=flags.device)
    return torch.where(flags, inds, size).amin(dim=-1), torch.where(flags, inds, -1).amax(dim=-1)


def support_boxes(
    mask_logits: Tensor, axes: Sequence[ResizeAxis], mask_thr: float
) -> list[tuple[int, int, int, int]]:
    """Where each mask can have pixels: those made of at least one cell above the threshold.

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
    ends = [_first_and_last(mask_logits.amax(dim=dim) > logit_thr) for dim in (2, 1)]
    cells = torch.stack([x for end in ends for x in end], dim=1).tolist()
    boxes = []
    for y_first, y_last, x_first, x_last in cells:
        (y1, y2), (x1, x2) = (
            axis.pixels(first, last) if last >= 0 else (0, 0)
            for axis, first, last in zip(axes, (y_first, x_first), (y_last, x_last), strict=True)
        )
        # a mask in the padding has no pixel
        boxes.append((y1, x1, y2, x2) if y1 < y2 and x1 < x2 else (0, 0, 0, 0))
    return boxes


def enlarge_outline(
    logits: Tensor,
    axes: Sequence[ResizeAxis],
    box: tuple[int, int, int, int],
    mask_thr: float,
) -> Tensor | None:
    """The mask within a box.

    Args:
        logits: (h, w) float32.
        axes: rows, columns.
        box: y1, x1, y2, x2 in pixels of the output.
        mask_thr: threshold of the scores.

    Returns:
        (y2 - y1, x2 - x1) bool, column after column in memory; None where a score is so close to
        the threshold that float32 arithmetic decides.
    """
    y1, x1, y2, x2 = box
    crop = torch.zeros(x2 - x1, y2 - y1, dtype=torch.bool)
    if crop.numel() == 0:
        return crop.t()
    thr = torch.tensor(mask_thr, dtype=torch.float32).item()  # as a float32 score meets it
    (top, bottom), (left, right) = axes[0].cells(y1, y2), axes[1].cells(x1, x2)
    scores = logits[top:bottom, left:right].sigmoid().double()
    for x in range(x1, x2, _BLOCK):
        x_stop = min(x + _BLOCK, x2)
        first, stop = axes[1].cells(x, x_stop)
        columns = axes[1].weights[x:x_stop, first:stop] @ scores[:, first - left : stop - left].t()
        for y in range(y1, y2, _BLOCK):
            y_stop = min(y + _BLOCK, y2)
            first_row, stop_row = axes[0].cells(y, y_stop)
            rows = columns[:, first_row - top : stop_row - top]
            block = crop[x - x1 : x_stop - x1, y - y1 : y_stop - y1]
            if y_stop - y == _BLOCK:  # a small block costs no more than this look
                low, high = (value.item() for value in rows.aminmax())
                if high < thr - _ROUNDING:
                    continue
                if low > thr + _ROUNDING:
                    block.fill_(True)
                    continue
            pixels = rows @ axes[0].weights[y:y_stop, first_row:stop_row].t()
            torch.gt(pixels, thr + _ROUNDING, out=block)
            if not torch.equal(block, pixels > thr - _ROUNDING):
                return None
    return crop.t()
