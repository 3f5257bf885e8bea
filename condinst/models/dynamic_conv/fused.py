"""The dynamic network as fused Triton kernels, forward and backward (paper, Section 3.2).

Hidden activations stay in registers: only features, parameters and one logit per location move
through memory. The backward pass recomputes the activations, and no (N, D, H, W) tensor exists.

No two programs add to the same address: each writes its own partial sum, and ``torch.sum`` adds
them up. So equal inputs on one device give equal gradients, to the last bit.

Shapes: B images, N instances, K parameters, C mask feature channels, H x W locations, L layers.
"""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from condinst.models.dynamic_conv.kernels import (
    feature_grads_kernel,
    forward_kernel,
    param_grads_kernel,
    triton,
)

DTYPES = (torch.float32, torch.float16, torch.bfloat16)
# The layers are unrolled: with more, compiling takes minutes and activations leave the registers.
MAX_PARAMS = 1024
# One-warp programs that fill a large GPU: 132 multiprocessors, 16 programs of 128 registers each.
NUM_PROGRAMS = 2048


def _layers(channels: list[int]) -> tuple[int, ...]:
    """Build ``LAYERS`` of the kernels: where each layer's parameters start, and its channels."""
    pairs = list(pairwise(channels))
    sizes = [c_in * c_out for c_in, c_out in pairs] + channels[1:]
    starts = list(accumulate(sizes, initial=0))
    rows = zip(starts, starts[len(pairs) :], channels, channels[1:], strict=False)
    return tuple(number for row in rows for number in row)


class _FusedDynamicConv(torch.autograd.Function):
    @staticmethod
    def forward(ctx, features, params, points, coord_scales, img_inds, channels, stride):
        num_images, _, height, width = features.shape
        maps = features.flatten(2)  # (B, C, H * W), a view in NCHW and in channels-last memory
        # the large features keep their type, the small rest becomes float32
        inputs = [x.float().contiguous() for x in (params, points, coord_scales)]
        images = torch.arange(num_images + 1, device=img_inds.device)
        # (B + 1,) first instance of each image
        starts = torch.searchsorted(img_inds, images, out_int32=True)
        num_instances, num_params = params.shape
        ctx.save_for_backward(maps, *inputs, starts, img_inds)
        ctx.feature_shape, ctx.dtypes = features.shape, (features.dtype, params.dtype)
        ctx.sizes = (*maps.stride(), height * width, width, stride)
        # with more locations per thread, weights are read less often but need more registers
        ctx.tile = 128 if max(channels) <= 10 else 64
        layers = _layers(channels)
        ctx.constants = dict(
            LAYERS=layers,
            NUM_LAYERS=len(layers) // 4,
            NUM_PARAMS=num_params,
            num_warps=1,
            num_stages=1,
        )
        tiles = -(-height * width // ctx.tile)
        ctx.num_splits = min(num_instances, -(-NUM_PROGRAMS // (tiles * num_images)))
        ctx.grid = (tiles, ctx.num_splits, num_images)
        logits = maps.new_empty((num_instances, height, width), dtype=torch.float32)
        with torch.cuda.device_of(maps):
            arguments = (maps, *inputs, starts, logits, *ctx.sizes, ctx.num_splits)
            forward_kernel[ctx.grid](*arguments, TILE=ctx.tile, **ctx.constants)
        return logits

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_logits):
        grad_logits = grad_logits.contiguous()
        grad_features = grad_params = None
        with torch.cuda.device_of(grad_logits):
            if ctx.needs_input_grad[0]:
                grad_features = _feature_grads(ctx, grad_logits)
            if ctx.needs_input_grad[1]:
                grad_params = _param_grads(ctx, grad_logits)
        return grad_features, grad_params, None, None, None, None, None


def _feature_grads(ctx: Any, grad_logits: Tensor) -> Tensor:
    partials = grad_logits.new_empty((ctx.num_splits, *ctx.feature_shape))  # (splits, B, C, H, W)
    arguments = (grad_logits, *ctx.saved_tensors[:5], partials, *ctx.sizes, ctx.num_splits)
    feature_grads_kernel[ctx.grid](*arguments, TILE=ctx.tile, **ctx.constants)
    return partials.sum(0).to(ctx.dtypes[0])


def _param_grads(ctx: Any, grad_logits: Tensor) -> Tensor:
    *inputs, _, img_inds = ctx.saved_tensors
    num_instances, num_params = inputs[1].shape
    num_pixels, tile = grad_logits[0].numel(), 64
    num_splits = min(-(-num_pixels // tile), -(-NUM_PROGRAMS // num_instances))
    partials = grad_logits.new_empty((num_instances, num_splits, num_params))
    layers = ctx.constants["LAYERS"]
    arguments = (grad_logits, *inputs, img_inds, partials, *ctx.sizes, num_splits, 0)
    param_grads_kernel[num_instances, num_splits](
        *arguments,
        TILE=tile,
        LOG_ROWS=tuple((c_out - 1).bit_length() for c_out in layers[3::4]),
        LOG_COLS=tuple(c_in.bit_length() for c_in in layers[2::4]),
        **ctx.constants,
    )
    return partials.sum(1).to(ctx.dtypes[1])


def is_applicable(features: Tensor, params: Tensor, channels: list[int]) -> bool:
    """Tell whether :func:`fused_dynamic_conv` takes these inputs; the torch path takes all others.

    Args:
        features: (B, C, H, W).
        params: (N, K).
        channels: the result of :func:`~condinst.models.dynamic_conv.layer_channels`.
    """
    if triton is None or features.device != params.device:
        return False
    # Triton's interpreter, where the kernel is no JITFunction, runs on any device
    if isinstance(forward_kernel, triton.JITFunction):
        if not features.is_cuda or torch.version.cuda is None:
            return False
        if torch.cuda.get_device_capability(features.device) < (7, 0):
            return False
    return (
        features.dtype in DTYPES
        and params.dtype in DTYPES
        and params.numel() > 0
        and features.numel() > 0
        and features[0].numel() < 2**31  # offsets within an image are 32-bit
        and features.shape[1] + 2 == channels[0]
        and params.shape[1] == sum((c_in + 1) * c_out for c_in, c_out in pairwise(channels))
        and params.shape[1] <= MAX_PARAMS
    )


def fused_dynamic_conv(
    features: Tensor,
    params: Tensor,
    points: Tensor,
    coord_scales: Tensor,
    img_inds: Tensor,
    channels: list[int],
    stride: int,
) -> Tensor:
    """Run every instance's network over the mask features of its image, in one kernel.

    Gradients flow to ``features`` and ``params``, in their types, but not to points and scales. The
    function does not wait for the GPU. The first call for given channels and types compiles the
    kernels.

    Args:
        features: (B, C, H, W), in any memory order that :func:`is_applicable` accepts.
        params: (N, K).
        points: (N, 2) xy, input-image pixels.
        coord_scales: (N,) pixels per unit of relative coordinate.
        img_inds: (N,) index of the image, int64, ascending.
        channels: the result of :func:`~condinst.models.dynamic_conv.layer_channels`.
        stride: stride of ``features``, pixels.

    Returns:
        (N, H, W) logits, float32.
    """
    return _FusedDynamicConv.apply(
        features, params, points, coord_scales, img_inds, channels, stride
    )
