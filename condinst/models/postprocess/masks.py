"""Post-processing of mask logits to masks at the requested image size.

Scores, not logits, are interpolated, first to the network's input, then to the output; a pixel
belongs to the mask if its score exceeds the threshold. :func:`whole_masks` does exactly this. An
interpolated score lies between the scores of the cells that it is made of. So only the outline of a
mask has to be interpolated, and pixels far from the mask need no work at all. RTMDet-Ins
interpolates logits, and in another way: see ``logit_masks``.

Shapes: N instances, H' x W' cells of the logits, H x W pixels of the output.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from condinst.masks.crop import Crop
from condinst.masks.rle import encode_crop_changes
from condinst.models.postprocess.mask_outline import ResizeAxis, enlarge_outline, support_boxes
from condinst.models.upsample import aligned_upsample

# Most elements of one float map held at once while whole masks are enlarged: 64 MiB in float32. So
# 300 masks of a 12-megapixel image need no more memory than a few.
MAX_ELEMENTS = 2**24

# Devices that enlarge outlines only. A GPU enlarges whole masks in chunks: launching many small
# operations would take longer than computing all pixels.
_ONLY_OUTLINES = ("cpu",)

MASK_FORMATS = ("bool", "crop", "rle")


def postprocess_masks(
    mask_logits: Tensor,
    *,
    stride: int,
    img_shape: tuple[int, int],
    out_shape: tuple[int, int],
    mask_thr: float,
    mask_format: str = "bool",
    max_elements: int = MAX_ELEMENTS,
) -> Tensor | list[Crop] | list[dict]:
    """Enlarge and threshold masks; the result equals that of :func:`whole_masks`, bit for bit.

    Args:
        mask_logits: (N, H', W').
        stride: stride of the logits, input-image pixels.
        img_shape: height and width of the input image without padding.
        out_shape: height and width of the returned masks.
        mask_thr: a pixel belongs to the mask if its score, from 0 to 1, exceeds this.
        mask_format: "bool" for one (N, H, W) tensor; "crop" for the part of each mask around its
            pixels; "rle" for COCO's compressed RLE. The last two never hold whole masks of the
            output's size for more than a few instances.
        max_elements: bound on the size of intermediate maps; changes memory, never the result.

    Returns:
        N masks in the requested format; an RLE has ``counts`` as bytes.

    Raises:
        ValueError: ``mask_format`` has another value.
    """
    axes = tuple(
        ResizeAxis.between(cells, stride, img, out)
        for cells, img, out in zip(mask_logits.shape[-2:], img_shape, out_shape, strict=True)
    )

    def whole(logits: Tensor) -> Tensor:
        return whole_masks(logits, stride, img_shape, out_shape, mask_thr)

    enlarged_size = mask_logits.shape[-2] * mask_logits.shape[-1] * stride**2
    chunk = max(1, max_elements // max(out_shape[0] * out_shape[1], enlarged_size))
    crops = mask_crops(mask_logits, axes, mask_thr, whole, chunk)
    return format_masks(crops, len(mask_logits), out_shape, mask_format, mask_logits.device)


def format_masks(
    crops: Iterator[Crop],
    count: int,
    out_shape: tuple[int, int],
    mask_format: str,
    device: torch.device,
) -> Tensor | list[Crop] | list[dict]:
    """Return ``count`` masks in a format of :func:`postprocess_masks`.

    Raises:
        ValueError: ``mask_format`` has another value.
    """
    if mask_format not in MASK_FORMATS:
        raise ValueError(
            f"test_cfg.mask_format={mask_format!r}: expected one of {', '.join(MASK_FORMATS)}"
        )
    if mask_format == "crop":
        return list(crops)
    if mask_format == "rle":
        return [encode_tensor_crop(crop, out_shape) for crop in crops]
    masks = torch.zeros((count, *out_shape), dtype=torch.bool, device=device)
    for mask, crop in zip(masks, crops, strict=True):
        height, width = crop.mask.shape
        mask[crop.y : crop.y + height, crop.x : crop.x + width] = crop.mask
    return masks


def whole_masks(
    mask_logits: Tensor,
    stride: int,
    img_shape: tuple[int, int],
    out_shape: tuple[int, int],
    mask_thr: float,
) -> Tensor:
    """Enlarge and threshold all pixels of all instances at once: (N, H, W) bool.

    The arguments are those of :func:`postprocess_masks`.
    """
    scores = mask_logits.unsqueeze(1).sigmoid()  # (N, 1, H', W')
    # (N, 1, *img_shape)
    scores = aligned_upsample(scores, stride)[..., : img_shape[0], : img_shape[1]]
    if tuple(out_shape) != tuple(img_shape):
        scores = F.interpolate(scores, out_shape, mode="bilinear", align_corners=False)
    return scores.squeeze(1) > mask_thr


def mask_crops(
    mask_logits: Tensor,
    axes: Sequence[ResizeAxis],
    mask_thr: float,
    whole: Callable[[Tensor], Tensor],
    chunk: int,
    of_logits: bool = False,
) -> Iterator[Crop]:
    """Yield, instance by instance, the part of each mask that can hold pixels.

    Args:
        mask_logits: (N, H', W').
        axes: how the rows and the columns of the output depend on those of the logits.
        mask_thr: threshold of the scores.
        whole: function from (n, H', W') logits to whole masks, (n, H, W) bool.
        chunk: most whole masks that are computed at a time.
        of_logits: whether the logits are interpolated instead of the scores.
    """
    boxes = support_boxes(mask_logits, axes, mask_thr)
    if mask_logits.device.type in _ONLY_OUTLINES:
        for i, (y1, x1, y2, x2) in enumerate(boxes):
            crop = enlarge_outline(mask_logits[i], axes, (y1, x1, y2, x2), mask_thr, of_logits)
            if crop is None:  # a score is too close to the threshold
                crop = whole(mask_logits[i : i + 1])[0, y1:y2, x1:x2]
            yield Crop(crop, x=x1, y=y1)
        return
    for start in range(0, len(mask_logits), chunk):
        masks = whole(mask_logits[start : start + chunk])
        for mask, (y1, x1, y2, x2) in zip(masks, boxes[start : start + chunk], strict=True):
            yield Crop(mask[y1:y2, x1:x2], x=x1, y=y1)


def encode_tensor_crop(crop: Crop, out_shape: tuple[int, int]) -> dict:
    """Encode a whole mask, given as a crop of tensors, as COCO's RLE: ``size``, ``counts`` (bytes).

    Args:
        crop: the mask, in pixels of the output.
        out_shape: height and width of the whole mask.
    """
    # a pixel of background above and below each column ends its runs: (w * (h + 2),)
    columns = F.pad(crop.mask.t().to(torch.uint8), (1, 1)).flatten()
    # only the places of the changes leave a GPU
    changes = (columns[1:] != columns[:-1]).nonzero().squeeze(1).cpu().numpy()
    return encode_crop_changes(changes, crop, out_shape)
