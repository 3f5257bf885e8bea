"""An image -> which of its neighboring cells are alike in color (BoxInst, Equation 5).

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

__all__ = [
    "alike_neighbors",
    "colors_of",
    "mean_colors",
    "neighbor_offsets",
    "to_lab",
    "valid_cells",
]


def neighbor_offsets(size: int, dilation: int) -> list[tuple[int, int]]:
    """Rows and columns from a cell to each of its neighbors, row by row.

    The e-th from the front and the e-th from the back are opposite.

    Args:
        size: side of the neighborhood, odd; 3 for 8 neighbors.
        dilation: cells from one neighbor to the next.
    """
    if size < 3 or size % 2 == 0:
        raise ValueError(f"pairwise_size must be odd and 3 at least, got {size}")
    steps = [i * dilation for i in range(-(size // 2), size // 2 + 1)]
    return [(dy, dx) for dy in steps for dx in steps if (dy, dx) != (0, 0)]


def colors_of(image: np.ndarray, value_range: float | None = None) -> np.ndarray:
    """An image of any channels and type as one whose colors can be compared.

    Of four and more channels, the first three are red, green and blue; of fewer than three, the
    first is gray.

    Args:
        image: (H, W) or (H, W, C).
        value_range: the value of white; None for the type's largest, and 255 for floats.

    Returns:
        (H, W, 3) uint8, three channels in the order that they have.
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
    """(H, W, 3) uint8 -> (ceil(H / stride), ceil(W / stride), 3) uint8, means rounded down.

    Beyond its border the image is black, as the original implementation pads it.
    """
    height, width = image.shape[:2]
    image = np.pad(image, ((0, -height % stride), (0, -width % stride), (0, 0)))
    rows, columns = image.shape[0] // stride, image.shape[1] // stride
    cells = image.reshape(rows, stride, columns, stride, 3)
    # rows first: whole numbers of 16 bits are enough for them, and quick
    sums = cells.sum(axis=1, dtype=np.uint16).sum(axis=2, dtype=np.uint32)
    return (sums // stride**2).astype(np.uint8)


def to_lab(colors: np.ndarray) -> Tensor:
    """(h, w, 3) uint8 RGB -> (3, h, w) float32 CIELAB, D65, by scikit-image.

    Raises:
        ImportError: scikit-image is not installed.
    """
    try:
        from skimage.color import rgb2lab
    except ImportError as error:
        raise ImportError("BoxInst needs scikit-image: pip install scikit-image") from error
    return torch.from_numpy(rgb2lab(colors).astype(np.float32)).permute(2, 0, 1).contiguous()


def valid_cells(
    cells: tuple[int, int],
    stride: int,
    img_shape: tuple[int, int],
    ori_height: int,
    bottom_pixels_removed: int,
) -> Tensor:
    """The cells whose sampled pixel lies in the image, and not in a strip at its bottom.

    COCO's annotations are wrong there, say the authors.

    Args:
        cells: h and w.
        stride: of the cells.
        img_shape: H and W.
        ori_height: height of the image before it was resized.
        bottom_pixels_removed: height of the strip in the image before it was resized.

    Returns:
        (h, w) bool.
    """
    removed = int(bottom_pixels_removed * float(img_shape[0]) / float(ori_height))
    rows, columns = (stride // 2 + stride * torch.arange(n) for n in cells)
    return (rows < img_shape[0] - removed)[:, None] & (columns < img_shape[1])


def alike_neighbors(
    lab: Tensor, valid: Tensor, *, size: int, dilation: int, color_thresh: float
) -> Tensor:
    """Whether a cell and each of its neighbors are alike in color.

    They are if exp(-|difference in Lab| / 2) reaches the threshold. Beyond the image all is
    black. A cell that has no valid neighbor has no edges.

    Args:
        lab: (3, h, w) CIELAB.
        valid: (h, w) bool.
        size, dilation: see :func:`neighbor_offsets`.
        color_thresh: in [0, 1].

    Returns:
        (E, h, w) bool.
    """
    height, width = valid.shape
    border = size // 2 * dilation
    around = F.pad(lab, (border,) * 4)
    valid_around = F.pad(valid, (border,) * 4)
    edges, has_valid_neighbor = [], torch.zeros_like(valid)
    for dy, dx in neighbor_offsets(size, dilation):
        rows = slice(border + dy, border + dy + height)
        columns = slice(border + dx, border + dx + width)
        # forty times faster than torch's norm over three channels
        distances = (lab - around[:, rows, columns]).square_().sum(dim=0).sqrt_()
        edges.append(distances.mul_(-0.5).exp_())
        has_valid_neighbor |= valid_around[rows, columns]
    return (torch.stack(edges) * has_valid_neighbor) >= color_thresh


def _to_bits(colors: SimilarColors) -> tuple:
    """As for masks: bits in the message itself."""
    return _from_bits, (pack_bools(colors.edges), colors.stride, colors.num_boxes)


def _from_bits(edges: tuple, stride: int, num_boxes: int) -> SimilarColors:
    return SimilarColors(unpack_bools(edges), stride, num_boxes)


ForkingPickler.register(SimilarColors, _to_bits)
