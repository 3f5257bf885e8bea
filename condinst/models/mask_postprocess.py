"""Mask logits -> boolean masks at the size of the picture that is asked for.

Shapes: N instances.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .dynamic_conv import aligned_upsample

# Most elements of one float map held at once while masks are enlarged: 64 MiB in float32, so 300
# masks of a 12-megapixel picture need no more memory than a few of them.
MAX_ELEMENTS = 2**24


def postprocess_masks(
    mask_logits: Tensor,
    *,
    stride: int,
    img_shape: tuple[int, int],
    out_shape: tuple[int, int],
    mask_thr: float,
    max_elements: int = MAX_ELEMENTS,
) -> Tensor:
    """Enlarge the scores to the picture, then threshold them.

    Scores, not logits, are interpolated, first to the network's input, then to the output.

    Args:
        mask_logits: (N, H', W'), one cell per ``stride`` input-image pixels.
        stride: of the logits.
        img_shape: height and width of the input image without padding.
        out_shape: height and width of the masks handed out.
        mask_thr: scores must exceed it.
        max_elements: bound on the size of intermediate maps; changes memory, never the result.

    Returns:
        (N, H, W) bool.
    """
    masks = torch.zeros((len(mask_logits), *out_shape), dtype=torch.bool, device=mask_logits.device)
    enlarged_size = mask_logits.shape[-2] * mask_logits.shape[-1] * stride**2
    chunk = max(1, max_elements // max(out_shape[0] * out_shape[1], enlarged_size))
    for start in range(0, len(mask_logits), chunk):
        scores = mask_logits[start : start + chunk].unsqueeze(1).sigmoid()
        scores = aligned_upsample(scores, stride)[..., : img_shape[0], : img_shape[1]]
        if tuple(out_shape) != tuple(img_shape):
            scores = F.interpolate(scores, out_shape, mode="bilinear", align_corners=False)
        masks[start : start + chunk] = scores.squeeze(1) > mask_thr
    return masks
