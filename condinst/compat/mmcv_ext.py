"""Stand-in for ``mmcv._ext``, mmcv's compiled operators, on torch and torchvision.

Upstream bug: mmcv 2.1.0 has no wheels for current PyTorch and its source build fails there;
mmcv-lite ships the Python half of ``mmcv.ops`` without the compiled half, and mmdet 3.3.0 cannot
be imported without it. Delete this file when mmcv publishes wheels for the PyTorch in use.

Loaded under the name ``mmcv._ext``, possibly in a data-loader worker that never imports condinst,
so it imports nothing of condinst, mmcv or mmdet. Names, argument names and conventions are those
of ``mmcv/ops/*.py``: results are written into tensors that the caller hands in. An operator that
is not here exists all the same (mmcv checks on import) and raises NotImplementedError when called.

Half and bfloat16 inputs are computed in float32 and rounded once, at the end.
"""

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor

# softplus(x) equals x in float32 and float64 from here on; exp(40) fits either.
_SOFTPLUS_LINEAR_FROM = 40.0

# How mmcv calls stride, padding and dilation in deformable convolutions v1 and v2.
_DEFORM_V1 = ("dH", "dW", "padH", "padW", "dilationH", "dilationW")
_DEFORM_V2 = ("stride_h", "stride_w", "pad_h", "pad_w", "dilation_h", "dilation_w")


def __getattr__(name: str) -> Callable[..., NoReturn]:
    if name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def missing_operator(*args: Any, **kwargs: Any) -> NoReturn:
        _refuse(f"operator '{name}'")

    return missing_operator


def _refuse(what: str) -> NoReturn:
    raise NotImplementedError(
        f"mmcv's {what} is not available: mmcv's compiled operators are not installed, and "
        "condinst's stand-in for them does not have this one. Install a compiled mmcv that fits "
        "your PyTorch, or use a module that does not need it."
    )


def get_compiler_version() -> str:
    return "none (condinst's stand-in on torch and torchvision)"


def get_compiling_cuda_version() -> str:
    return "not available"


def _widen(tensor: Tensor) -> Tensor:
    """Return the tensor, in float32 if it is narrower than that or holds integers."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


# ---- non-maximum suppression ------------------------------------------------------------------


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """Return the indices (int64) of the kept boxes by descending score; ties keep their order.

    With ``offset`` 1 a box includes its last pixel: it is ``x2 - x1 + 1`` wide.
    """
    boxes = _widen(boxes)
    if offset:
        boxes = boxes + boxes.new_tensor([0, 0, offset, offset])
    # mmcv compares in the boxes' precision: a float32 overlap of 0.6 does not exceed 0.6.
    threshold = torch.tensor(iou_threshold, dtype=boxes.dtype).item()
    return torchvision.ops.nms(boxes, scores.to(boxes.dtype), threshold)


def softnms(
    boxes: Tensor,
    scores: Tensor,
    dets: Tensor,
    iou_threshold: float,
    sigma: float,
    min_score: float,
    method: int,
    offset: int,
) -> Tensor:
    """Run soft-NMS on the CPU, and fill the first rows of ``dets`` with boxes and decayed scores.

    ``method``: 0 drops overlapping boxes, 1 decays their scores linearly, 2 by a gaussian of
    width ``sigma``. Boxes below ``min_score`` are dropped. Equal scores resolve as in mmcv.

    Returns:
        The kept boxes' indices (int64), in the order of ``dets``.
    """
    corners = _widen(boxes).detach().numpy().T
    areas = (corners[2] - corners[0] + offset) * (corners[3] - corners[1] + offset)
    table = np.stack([*corners, scores.detach().to(_widen(boxes).dtype).numpy(), areas])  # (6, N)
    inds = np.arange(table.shape[1])

    num_left, i = len(inds), 0
    while i < num_left:
        best = i + int(table[4, i:num_left].argmax())
        table[:, [i, best]] = table[:, [best, i]]
        inds[[i, best]] = inds[[best, i]]
        rest = slice(i + 1, num_left)

        ious = _ious(table[:, i], table[:, rest], offset)
        if method == 2:
            table[4, rest] *= np.exp(-(ious**2) / sigma)
        else:
            table[4, rest] *= np.where(ious >= iou_threshold, 1 - ious if method else 0, 1)

        order = i + 1 + _fill_holes_from_the_end(table[4, rest] >= min_score)
        num_left = i + 1 + len(order)
        table[:, i + 1 : num_left] = table[:, order]
        inds[i + 1 : num_left] = inds[order]
        i += 1

    dets[:num_left] = torch.from_numpy(table[:5, :num_left].T)
    return torch.from_numpy(inds[:num_left])


def _ious(box: np.ndarray, others: np.ndarray, offset: int) -> np.ndarray:
    """Return the IoUs (N,) of one box (6,) with many (6, N): x1, y1, x2, y2, score, area."""
    widths = np.minimum(box[2], others[2]) - np.maximum(box[0], others[0]) + offset
    heights = np.minimum(box[3], others[3]) - np.maximum(box[1], others[1]) + offset
    intersections = widths.clip(0) * heights.clip(0)
    unions = box[5] + others[5] - intersections
    return np.divide(intersections, unions, out=np.zeros_like(unions), where=unions > 0)


def _fill_holes_from_the_end(keep: np.ndarray) -> np.ndarray:
    """Return the order of the kept boxes after each dropped one is replaced by the last one.

    mmcv drops boxes like that; the order decides which of two equal scores comes first.
    """
    num_kept = int(keep.sum())
    order = np.arange(num_kept)
    order[~keep[:num_kept]] = num_kept + np.flatnonzero(keep[num_kept:])[::-1]
    return order


# ---- RoIAlign ---------------------------------------------------------------------------------


def roi_align_forward(
    input: Tensor, rois: Tensor, output: Tensor, argmax_y: Tensor, argmax_x: Tensor, **geometry: Any
) -> None:
    """Fill ``output`` (R, C, h, w); rois (R, 5) are image index and xyxy before scaling."""
    output.copy_(_roi_align(_widen(input), rois, **geometry))


def roi_align_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    grad_input: Tensor,
    **geometry: Any,
) -> None:
    """Add the gradient to ``grad_input``, which arrives as zeros."""
    # RoIAlign is linear: its gradient does not depend on the values that it pooled.
    features = torch.zeros_like(_widen(grad_input), requires_grad=True)
    with torch.enable_grad():
        output = _roi_align(features, rois, **geometry)
    grad_input.add_(torch.autograd.grad(output, features, _widen(grad_output))[0])


def _roi_align(
    features: Tensor,
    rois: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> Tensor:
    if pool_mode == 0:
        _refuse("operator 'roi_align_forward' with pool_mode='max'")
    return torchvision.ops.roi_align(
        features,
        rois.to(features.dtype),
        (aligned_height, aligned_width),
        spatial_scale,
        sampling_ratio,
        aligned,
    )


# ---- deformable convolution -------------------------------------------------------------------
# mmcv's column buffers and im2col_step steer its own memory use and have no meaning here.


def deform_conv_forward(
    input: Tensor,
    weight: Tensor,
    offset: Tensor,
    output: Tensor,
    columns: Tensor,
    ones: Tensor,
    **geometry: Any,
) -> None:
    """Write deformable convolution v1 to ``output``; offsets are (y, x) per kernel position."""
    output.copy_(_deform_conv(geometry, input, offset, weight))


def deform_conv_backward_input(
    input: Tensor,
    offset: Tensor,
    grad_output: Tensor,
    grad_input: Tensor,
    grad_offset: Tensor,
    weight: Tensor,
    columns: Tensor,
    **geometry: Any,
) -> None:
    """Add the gradients to ``grad_input`` and ``grad_offset``."""
    tensors = [input, offset, weight]
    _add_deform_grads(geometry, tensors, [grad_input, grad_offset, None], grad_output)


def deform_conv_backward_parameters(
    input: Tensor,
    offset: Tensor,
    grad_output: Tensor,
    grad_weight: Tensor,
    columns: Tensor,
    ones: Tensor,
    scale: float,
    **geometry: Any,
) -> None:
    """Add ``scale`` times the gradient to ``grad_weight``."""
    # The convolution is linear in its weight: the gradient does not depend on its values.
    tensors = [input, offset, torch.zeros_like(grad_weight)]
    _add_deform_grads(geometry, tensors, [None, None, grad_weight], grad_output * scale)


def modulated_deform_conv_forward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    output: Tensor,
    columns: Tensor,
    with_bias: bool,
    **geometry: Any,
) -> None:
    """Write deformable convolution v2 to ``output``; an empty ``bias`` stands for none."""
    biases = [bias] if with_bias else []
    output.copy_(_deform_conv(geometry, input, offset, weight, mask, *biases))


def modulated_deform_conv_backward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    columns: Tensor,
    grad_input: Tensor,
    grad_weight: Tensor,
    grad_bias: Tensor,
    grad_offset: Tensor,
    grad_mask: Tensor,
    grad_output: Tensor,
    with_bias: bool,
    **geometry: Any,
) -> None:
    """Add the gradients to their buffers."""
    tensors = [input, offset, weight, mask]
    buffers: list[Tensor | None] = [grad_input, grad_offset, grad_weight, grad_mask]
    if with_bias:
        tensors.append(bias)
        buffers.append(grad_bias)
    _add_deform_grads(geometry, tensors, buffers, grad_output)


def _deform_conv(
    geometry: dict[str, Any],
    input: Tensor,
    offset: Tensor,
    weight: Tensor,
    mask: Tensor | None = None,
    bias: Tensor | None = None,
) -> Tensor:
    """Convolve in float32 or wider; ``geometry`` has v1's or v2's names."""
    # torchvision reads both group counts off the shapes and would follow a wrong shape silently.
    groups, deform_groups = geometry["group"], geometry["deformable_group"]
    if weight.shape[1] * groups != input.shape[1]:
        raise ValueError(
            f"deformable convolution: an input of {input.shape[1]} channels and groups={groups} "
            f"need a weight of {input.shape[1] / groups:g} channels, got {weight.shape[1]}"
        )
    num_offsets = 2 * deform_groups * weight.shape[2] * weight.shape[3]
    if offset.shape[1] != num_offsets:
        raise ValueError(
            f"deformable convolution: a kernel of {tuple(weight.shape[2:])} and deform_groups="
            f"{deform_groups} need {num_offsets} offset channels, got {offset.shape[1]}"
        )
    names = _DEFORM_V1 if "dH" in geometry else _DEFORM_V2
    stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w = (geometry[name] for name in names)
    return torchvision.ops.deform_conv2d(
        _widen(input),
        _widen(offset),
        _widen(weight),
        None if bias is None else _widen(bias),
        stride=(stride_h, stride_w),
        padding=(pad_h, pad_w),
        dilation=(dilation_h, dilation_w),
        mask=None if mask is None else _widen(mask),
    )


def _add_deform_grads(
    geometry: dict[str, Any],
    tensors: Sequence[Tensor],
    buffers: Sequence[Tensor | None],
    grad_output: Tensor,
) -> None:
    """Recompute the convolution and add its gradients to those ``buffers`` that are not None."""
    leaves = [
        _widen(tensor).detach().requires_grad_(buffer is not None)
        for tensor, buffer in zip(tensors, buffers, strict=True)
    ]
    with torch.enable_grad():
        output = _deform_conv(geometry, *leaves)
    wanted = [leaf for leaf in leaves if leaf.requires_grad]
    grads = torch.autograd.grad(output, wanted, _widen(grad_output))
    for buffer, grad in zip([b for b in buffers if b is not None], grads, strict=True):
        buffer.add_(grad)


# ---- sigmoid focal loss -----------------------------------------------------------------------
# With p = sigmoid(x), a class that is not the label costs (1 - alpha) * f(x) with
# f(x) = -p ** gamma * log(1 - p), and the label's class costs alpha * f(-x). mmcv's kernel clamps
# the logarithm at FLT_MIN, which turns every wrong float32 logit beyond 16.6 into the constant
# 87.3; here it is exact (RetinaNet, equation 5), as in mmdet's own loss on the CPU.


def sigmoid_focal_loss_forward(
    input: Tensor, target: Tensor, weight: Tensor, output: Tensor, gamma: float, alpha: float
) -> None:
    """Fill ``output`` (N, C) for logits (N, C) and labels (N,); a label of C is background.

    A row's loss is scaled by ``weight`` (C,) of its label, unless weight is empty. Background has
    no entry there (mmcv's kernel reads past the end of the tensor) and keeps a factor of 1.
    """
    _focal(_focal_value, 1.0, input, target, weight, output, gamma, alpha)


def sigmoid_focal_loss_backward(
    input: Tensor, target: Tensor, weight: Tensor, grad_input: Tensor, gamma: float, alpha: float
) -> None:
    """Fill ``grad_input`` (N, C) with each loss's derivative by its own logit."""
    _focal(_focal_slope, -1.0, input, target, weight, grad_input, gamma, alpha)


def _focal(
    function: Callable[[Tensor, float], Tensor],
    sign: float,
    input: Tensor,
    target: Tensor,
    weight: Tensor,
    out: Tensor,
    gamma: float,
    alpha: float,
) -> None:
    """Write ``function`` of every logit; ``sign`` is what mirroring does to it at the labels."""
    num_points, num_classes = input.shape
    if num_points and int(target.max()) > num_classes:
        raise ValueError(
            f"sigmoid_focal_loss: target holds the label {int(target.max())}, expected at most "
            f"{num_classes} (background) for an input of {num_classes} classes"
        )
    logits = _widen(input)
    torch.mul(function(logits, gamma), 1 - alpha, out=out)

    # At most one label per row: gather and scatter do, without a one-hot matrix.
    is_object = ((target >= 0) & (target < num_classes)).unsqueeze(1)  # (N, 1)
    labels = target.clamp(0, num_classes - 1).unsqueeze(1)  # (N, 1)
    at_labels = function(-logits.gather(1, labels), gamma).mul_(sign * alpha).to(out.dtype)
    out.scatter_(1, labels, torch.where(is_object, at_labels, out.gather(1, labels)))
    if weight.numel():
        out.mul_(torch.where(is_object, weight[labels], 1))


def _focal_value(logits: Tensor, gamma: float) -> Tensor:
    """Compute f of the note above."""
    loss = F.softplus(logits, threshold=_SOFTPLUS_LINEAR_FROM)
    return loss.mul_(torch.sigmoid(logits).pow_(gamma))


def _focal_slope(logits: Tensor, gamma: float) -> Tensor:
    """Compute the derivative of f: p ** gamma * (p - gamma * (1 - p) * log(1 - p))."""
    probs = torch.sigmoid(logits)
    slope = F.softplus(logits, threshold=_SOFTPLUS_LINEAR_FROM)
    slope.addcmul_(probs, slope, value=-1)
    torch.add(probs, slope, alpha=gamma, out=slope)
    return slope.mul_(probs.pow_(gamma))
