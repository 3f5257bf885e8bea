"""Color similarity of an image's neighboring cells (BoxInst, Equation 6).

Shapes: H x W pixels, h x w cells of ``stride`` x ``stride`` pixels, E neighbors of a cell.
"""

from __future__ import annotations

from multiprocessing.reduction import ForkingPickler

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from condinst.targets.mask_samples import pack_bools, unpack_bools
from condinst.targets.target_types import SimilarColors
from condinst.utils.optional import import_failure

__all__ = [
    "compute_pairwise_edges",
    "to_uint8_colors",
    "mean_colors",
    "neighbor_offsets",
    "to_lab",
    "valid_cells",
]


def neighbor_offsets(size: int, dilation: int) -> list[tuple[int, int]]:
    """List the rows and columns from a cell to each of its E neighbors, row by row.

    The e-th from the front and the e-th from the back are opposite.

    Args:
        size: side of the neighborhood, odd; 3 for 8 neighbors.
        dilation: cells from one neighbor to the next.

    Raises:
        ValueError: ``size`` is even or below 3.
    """
    if size < 3 or size % 2 == 0:
        raise ValueError(f"pairwise_size={size}: expected an odd number, 3 or more")
    steps = [i * dilation for i in range(-(size // 2), size // 2 + 1)]
    return [(dy, dx) for dy in steps for dx in steps if (dy, dx) != (0, 0)]


def to_uint8_colors(image: np.ndarray, value_range: float | None = None) -> np.ndarray:
    """Convert an image of any channels and type to three channels of 8 bits.

    With four or more channels, the first three count as red, green and blue; with fewer than three,
    the first counts as gray.

    Args:
        image: (H, W) or (H, W, C).
        value_range: the value of white; None for the largest value of the type, and 255 for floats.

    Returns:
        (H, W, 3) uint8, in the image's order of channels.
    """
    if image.ndim == 2:
        image = image[:, :, None]
    if image.dtype == np.uint16 and value_range is None:
        image = image >> 8
    elif value_range is not None:
        image = np.rint(image.astype(np.float32) * (255.0 / value_range))
    image = np.clip(image, 0, 255).astype(np.uint8, copy=False)
    return image[:, :, :3] if image.shape[2] >= 3 else np.repeat(image[:, :, :1], 3, axis=2)


def mean_colors(image: np.ndarray, stride: int) -> np.ndarray:
    """Average the colors of each cell, rounded down.

    Beyond its border the image is black, as the original implementation pads it.

    Args:
        image: (H, W, 3) uint8.
        stride: side of a cell, pixels.

    Returns:
        (ceil(H / stride), ceil(W / stride), 3) uint8.
    """
    height, width = image.shape[:2]
    image = np.pad(image, ((0, -height % stride), (0, -width % stride), (0, 0)))
    rows, columns = image.shape[0] // stride, image.shape[1] // stride
    cells = image.reshape(rows, stride, columns, stride, 3)
    # rows first: 16 bits hold the sum of up to 257 rows, and are fast to add
    sums = cells.sum(axis=1, dtype=np.uint16).sum(axis=2, dtype=np.uint32)  # (h, w, 3)
    return (sums // stride**2).astype(np.uint8)


def to_lab(colors: np.ndarray) -> Tensor:
    """Convert (h, w, 3) uint8 RGB to (3, h, w) float32 CIELAB (D65) with scikit-image.

    Raises:
        ImportError: scikit-image is not installed.
    """
    try:
        from skimage.color import rgb2lab
    except ImportError as error:
        raise import_failure(
            "BoxInst needs scikit-image", "skimage", "pip install scikit-image", error
        ) from error
    return torch.from_numpy(rgb2lab(colors).astype(np.float32)).permute(2, 0, 1).contiguous()


def valid_cells(
    cells: tuple[int, int],
    stride: int,
    img_shape: tuple[int, int],
    ori_height: int,
    bottom_pixels_removed: int,
) -> Tensor:
    """Find the cells whose sampled pixel lies in the image and above a strip at its bottom.

    The authors exclude the strip because COCO's annotations are wrong there.

    Args:
        cells: h and w.
        stride: side of a cell, pixels.
        img_shape: H and W.
        ori_height: height of the image before resizing.
        bottom_pixels_removed: height of the strip in the image before resizing.

    Returns:
        (h, w) bool.
    """
    removed = int(bottom_pixels_removed * float(img_shape[0]) / float(ori_height))
    rows, columns = (stride // 2 + stride * torch.arange(n) for n in cells)
    return (rows < img_shape[0] - removed)[:, None] & (columns < img_shape[1])


def compute_pairwise_edges(
    lab: Tensor, valid: Tensor, *, size: int, dilation: int, color_thresh: float
) -> Tensor:
    """Find the edges: the neighbors whose color is similar to the cell's.

    The similarity of two cells is exp(-|difference in Lab| / 2). Beyond the image everything is
    black. A cell without a valid neighbor has no edges.

    Args:
        lab: (3, h, w) CIELAB.
        valid: (h, w) bool, see :func:`valid_cells`.
        size, dilation: see :func:`neighbor_offsets`.
        color_thresh: least similarity of an edge, in [0, 1].

    Returns:
        (E, h, w) bool.
    """
    height, width = valid.shape
    border = size // 2 * dilation
    around = F.pad(lab, (border,) * 4)  # (3, h + 2 * border, w + 2 * border)
    valid_around = F.pad(valid, (border,) * 4)
    edges, has_valid_neighbor = [], torch.zeros_like(valid)
    for dy, dx in neighbor_offsets(size, dilation):
        rows = slice(border + dy, border + dy + height)
        columns = slice(border + dx, border + dx + width)
        # forty times faster than torch's norm over three channels
        distances = (lab - around[:, rows, columns]).square_().sum(dim=0).sqrt_()  # (h, w)
        edges.append(distances.mul_(-0.5).exp_())
        has_valid_neighbor |= valid_around[rows, columns]
    return (torch.stack(edges) * has_valid_neighbor) >= color_thresh


def _to_bits(colors: SimilarColors) -> tuple:
    """Pickle as bits in the message itself, as ``mask_samples`` does for masks."""
    return _from_bits, (pack_bools(colors.edges), colors.stride, colors.num_boxes)


def _from_bits(edges: tuple, stride: int, num_boxes: int) -> SimilarColors:
    return SimilarColors(unpack_bools(edges), stride, num_boxes)


ForkingPickler.register(SimilarColors, _to_bits)
