"""Sigmoid focal loss.

With p = sigmoid(x), a class that is not the label costs (1 - alpha) * f(x) with
f(x) = -p ** gamma * log(1 - p), and the label's class costs alpha * f(-x). mmcv's kernel clamps
the logarithm at FLT_MIN, which turns every wrong float32 logit beyond 16.6 into the constant
87.3; here it is exact (RetinaNet, equation 5), as in mmdet's own loss on the CPU.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from .support import widen

__all__ = ["sigmoid_focal_loss_backward", "sigmoid_focal_loss_forward"]

# softplus(x) equals x in float32 and float64 from here on; exp(40) fits either.
_SOFTPLUS_LINEAR_FROM = 40.0


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
    logits = widen(input)
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
