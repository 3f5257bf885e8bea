"""mmcv's operators as plain float64 loops over numpy arrays, and what their tests share."""

import math

import numpy as np
import torch
from torch import Tensor


def random_boxes(num: int, device: str) -> tuple[Tensor, Tensor]:
    """Boxes that overlap a lot, float32 xyxy within 85 pixels, and their scores."""
    corners = torch.rand(num, 2) * 30
    boxes = torch.cat([corners, corners + 25 + torch.rand(num, 2) * 30], dim=1)
    return boxes.to(device), torch.rand(num).to(device)


def as_float64(*tensors: Tensor | None) -> list[np.ndarray | None]:
    return [None if t is None else t.detach().cpu().double().numpy() for t in tensors]


def random(device: str, *shape: int, scale: float = 1.0) -> Tensor:
    return (torch.randn(*shape, dtype=torch.float64) * scale).to(device).requires_grad_()


def assert_equal(actual: Tensor, expected: np.ndarray, tolerance: float = 1e-10) -> None:
    np.testing.assert_allclose(as_float64(actual)[0], expected, rtol=tolerance, atol=tolerance)


def iou(a: np.ndarray, b: np.ndarray, offset: int) -> float:
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]) + offset)
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]) + offset)
    area_a = (a[2] - a[0] + offset) * (a[3] - a[1] + offset)
    area_b = (b[2] - b[0] + offset) * (b[3] - b[1] + offset)
    return width * height / (area_a + area_b - width * height)


def nms(boxes: np.ndarray, scores: np.ndarray, threshold: float, offset: int = 0) -> list[int]:
    kept: list[int] = []
    for i in sorted(range(len(boxes)), key=lambda i: -scores[i]):
        if all(iou(boxes[i], boxes[j], offset) <= threshold for j in kept):
            kept.append(i)
    return kept


def soft_nms(
    boxes: np.ndarray,
    scores: np.ndarray,
    threshold: float,
    sigma: float,
    min_score: float,
    method: str,
    offset: int,
) -> list[tuple[int, float]]:
    """Pairs of index and decayed score, in the order in which the boxes are picked."""
    left = dict(enumerate(scores.tolist()))
    picked = []
    while left:
        best = max(left, key=lambda i: left[i])
        picked.append((best, left.pop(best)))
        for i in list(left):
            overlap = iou(boxes[best], boxes[i], offset)
            if method == "gaussian":
                left[i] *= math.exp(-(overlap**2) / sigma)
            elif overlap >= threshold:
                left[i] *= 1 - overlap if method == "linear" else 0
            if left[i] < min_score:
                del left[i]
    return picked


def bilinear(plane: np.ndarray, y: float, x: float) -> float:
    """Value between the pixels' centers; pixels outside the plane are zero."""
    top, left = math.floor(y), math.floor(x)
    total = 0.0
    for row in (top, top + 1):
        for column in (left, left + 1):
            if 0 <= row < plane.shape[0] and 0 <= column < plane.shape[1]:
                total += plane[row, column] * (1 - abs(y - row)) * (1 - abs(x - column))
    return total


def _bilinear_clamped(plane: np.ndarray, y: float, x: float) -> float:
    """RoIAlign's rule: a point up to one pixel outside takes the border's value, beyond it zero."""
    height, width = plane.shape
    if not (-1 <= y <= height and -1 <= x <= width):
        return 0.0
    return bilinear(plane, min(max(y, 0), height - 1), min(max(x, 0), width - 1))


def roi_align(
    features: np.ndarray,
    rois: np.ndarray,
    size: tuple[int, int],
    scale: float,
    sampling_ratio: int,
    aligned: bool,
) -> np.ndarray:
    output = np.zeros((len(rois), features.shape[1], *size))
    for r, roi in enumerate(rois):
        x1, y1, x2, y2 = roi[1:] * scale - (0.5 if aligned else 0)
        height, width = y2 - y1, x2 - x1
        if not aligned:
            height, width = max(height, 1), max(width, 1)
        bin_h, bin_w = height / size[0], width / size[1]
        rows = sampling_ratio if sampling_ratio > 0 else math.ceil(bin_h)
        columns = sampling_ratio if sampling_ratio > 0 else math.ceil(bin_w)
        for c, i, j in np.ndindex(*output.shape[1:]):
            plane = features[int(roi[0]), c]
            samples = [
                _bilinear_clamped(
                    plane,
                    y1 + bin_h * (i + (row + 0.5) / rows),
                    x1 + bin_w * (j + (column + 0.5) / columns),
                )
                for row in range(rows)
                for column in range(columns)
            ]
            output[r, c, i, j] = sum(samples) / max(len(samples), 1)
    return output


def deform_conv(
    image: np.ndarray,
    offset: np.ndarray,
    weight: np.ndarray,
    mask: np.ndarray | None,
    bias: np.ndarray | None,
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
    deform_groups: int,
) -> np.ndarray:
    """Offset channels: per deformable group, per kernel position in row order, y then x."""
    in_channels, (out_channels, group_width) = image.shape[1], weight.shape[:2]
    kernel = weight.shape[2:]
    output = np.zeros((len(image), out_channels, *offset.shape[2:]))
    for n, o, i, j in np.ndindex(*output.shape):
        first = o // (out_channels // (in_channels // group_width)) * group_width
        for c, ki, kj in np.ndindex(group_width, *kernel):
            deform_group = (first + c) // (in_channels // deform_groups)
            position = (deform_group * kernel[0] + ki) * kernel[1] + kj
            y = i * stride[0] - padding[0] + ki * dilation[0] + offset[n, 2 * position, i, j]
            x = j * stride[1] - padding[1] + kj * dilation[1] + offset[n, 2 * position + 1, i, j]
            value = bilinear(image[n, first + c], y, x) * weight[o, c, ki, kj]
            output[n, o, i, j] += value if mask is None else value * mask[n, position, i, j]
        if bias is not None:
            output[n, o, i, j] += bias[o]
    return output


def sigmoid_focal_loss(
    logits: np.ndarray,
    labels: np.ndarray,
    gamma: float,
    alpha: float,
    class_weights: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Loss and derivative of each logit: the expressions of mmcv's CUDA kernel, in float64."""
    loss, grad = np.zeros(logits.shape), np.zeros(logits.shape)
    for n, c in np.ndindex(*logits.shape):
        p = 1 / (1 + math.exp(-logits[n, c]))
        if labels[n] == c:
            loss[n, c] = -alpha * (1 - p) ** gamma * math.log(p)
            grad[n, c] = -alpha * (1 - p) ** gamma * (1 - p - gamma * p * math.log(p))
        else:
            loss[n, c] = -(1 - alpha) * p**gamma * math.log(1 - p)
            grad[n, c] = -(1 - alpha) * p**gamma * (gamma * (1 - p) * math.log(1 - p) - p)
        if class_weights is not None and 0 <= labels[n] < logits.shape[1]:
            loss[n, c] *= class_weights[labels[n]]
            grad[n, c] *= class_weights[labels[n]]
    return loss, grad
