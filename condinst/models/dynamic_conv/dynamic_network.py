"""The dynamic network of each instance, as pure functions (paper, Section 3.2 and Figure 3).

An instance's network has L layers of 1x1 convolutions with ReLU between them. Its input is the
image's mask features and the coordinates relative to the instance's point; its output is one logit
per location. The controller predicts all its weights and biases as one vector.

Shapes: N instances, K parameters, C mask feature channels, H x W locations, D hidden channels.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from condinst.models.dynamic_conv.fused import fused_dynamic_conv, is_applicable


def layer_channels(in_channels: int, hidden_channels: int, num_layers: int) -> list[int]:
    """List the channels that enter each layer, and the one that leaves the last.

    Args:
        in_channels: C, mask feature channels without the two coordinates.
        hidden_channels: D.
        num_layers: L, 1 or more.

    Returns:
        ``[2 + C, D, ..., D, 1]``, L + 1 numbers.

    Raises:
        ValueError: an argument is below 1.
    """
    if min(in_channels, hidden_channels, num_layers) < 1:
        raise ValueError(
            f"mask_head: num_layers={num_layers}, feat_channels={hidden_channels}, "
            f"mask_feature_head.out_channels={in_channels}: expected 1 or more of each"
        )
    return [in_channels + 2] + [hidden_channels] * (num_layers - 1) + [1]


def num_dynamic_params(in_channels: int, hidden_channels: int, num_layers: int) -> int:
    """Count K, the parameters of one network.

    K is 169 for the paper's 3 layers of 8 channels over 8 mask feature channels. The arguments are
    those of :func:`layer_channels`.
    """
    return _num_params(layer_channels(in_channels, hidden_channels, num_layers))


def _num_params(channels: list[int]) -> int:
    return sum((c_in + 1) * c_out for c_in, c_out in pairwise(channels))


def split_params(params: Tensor, channels: list[int]) -> tuple[list[Tensor], list[Tensor]]:
    """Cut each instance's vector into the weights and biases of its layers.

    The vector holds the weights of all layers first, each with one row per output channel, then all
    biases.

    Args:
        params: (N, K).
        channels: the result of :func:`layer_channels`.

    Returns:
        Weights, each (N, c_out, c_in), and biases, each (N, c_out, 1).

    Raises:
        ValueError: K is not the number of parameters that such layers need.
    """
    pairs = list(pairwise(channels))
    sizes = [c_in * c_out for c_in, c_out in pairs] + [c_out for _, c_out in pairs]
    if params.shape[1] != sum(sizes):
        raise ValueError(
            f"the mask head needs {sum(sizes)} parameters per instance for layers of {channels} "
            f"channels, but got {params.shape[1]}"
        )
    pieces = params.split(sizes, dim=1)
    weights = [
        piece.reshape(-1, c_out, c_in)
        for piece, (c_in, c_out) in zip(pieces[: len(pairs)], pairs, strict=True)
    ]
    biases = [piece.unsqueeze(-1) for piece in pieces[len(pairs) :]]
    return weights, biases


def map_locations(height: int, width: int, stride: int, like: Tensor) -> Tensor:
    """Return the (2, H * W) xy centers of a map's cells in input-image pixels, float32."""
    x = (torch.arange(width, device=like.device, dtype=torch.float32) + 0.5) * stride
    y = (torch.arange(height, device=like.device, dtype=torch.float32) + 0.5) * stride
    return torch.stack([x.repeat(height), y.repeat_interleave(width)])


def dynamic_conv(
    features: Tensor,
    params: Tensor,
    points: Tensor,
    coord_scales: Tensor,
    counts: Sequence[int],
    channels: list[int],
    stride: int,
) -> Tensor:
    """Run every instance's network over the mask features of its image.

    The relative coordinates ``(point - location) / coord_scale`` enter the first layer linearly. So
    the first layer is one matrix product of all instances' weights with the features and locations
    of the image, plus a bias per instance, and the (N, 2 + C, H, W) input is never built.
    Coordinates are differences of large numbers, so everything runs in float32, also under
    autocast. An NVIDIA GPU runs fused kernels; other devices run torch's matrix products on one
    tile of locations at a time.

    Args:
        features: (B, C, H, W) mask features.
        params: (N, K), ordered by image.
        points: (N, 2) xy, input-image pixels.
        coord_scales: (N,) pixels per unit of relative coordinate.
        counts: instances of each of the B images; their sum is N.
        channels: the result of :func:`layer_channels`.
        stride: stride of ``features``, pixels.

    Returns:
        (N, H, W) logits, float32 (float64 for float64 features).
    """
    kind = (features.device, features.dtype, params.dtype, tuple(channels))
    if is_applicable(features, params, channels) and not _is_traced() and _fused_is_right(*kind):
        inds = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
        inds = inds.to(features.device, non_blocking=True)
        return fused_dynamic_conv(features, params, points, coord_scales, inds, channels, stride)
    return _tiled_dynamic_conv(features, params, points, coord_scales, counts, channels, stride)


def _is_traced() -> bool:
    """Tell whether torch records a program, which must run on other machines too."""
    return torch.compiler.is_compiling() or torch.jit.is_tracing()


@lru_cache(maxsize=32)
def _fused_is_right(
    device: torch.device, dtype: torch.dtype, params_dtype: torch.dtype, channels: tuple[int, ...]
) -> bool:
    """Tell whether the fused kernels agree with the torch path; checked once per process.

    The installed Triton compiles the kernels for whatever GPU is present. A small case shows
    whether the compiled kernels are right before a training depends on them.
    """
    try:
        with torch.inference_mode(False), torch.enable_grad():
            results = _small_case(device, dtype, params_dtype, list(channels))
        worst = max(
            ((a - b).abs().max() / b.abs().max().clamp(min=1e-6)).item()
            for a, b in zip(*results, strict=True)
        )
        reason = f"they differ by {worst:.1g} of the largest value"
    except Exception as error:  # Triton's errors are of many kinds
        worst, reason = math.inf, f"{type(error).__name__}: {error}"
    if worst < 2e-2:  # half precision keeps 8 to 11 bits of the gradients
        return True
    warnings.warn(
        f"the fused kernels of the dynamic mask head are not used on {device}, the slower torch "
        f"path is: {reason}",
        stacklevel=2,
    )
    return False


@torch.autocast("cuda", enabled=False)
def _small_case(
    device: torch.device, dtype: torch.dtype, params_dtype: torch.dtype, channels: list[int]
) -> list[list[Tensor]]:
    """Compute logits and gradients by both paths, for two small images."""
    draw = torch.Generator().manual_seed(0)
    features = torch.randn(2, channels[0] - 2, 9, 21, generator=draw).to(device, dtype)
    params = 0.3 * torch.randn(3, _num_params(channels), generator=draw).to(device, params_dtype)
    leaves = features.requires_grad_(), params.requires_grad_()
    grad = torch.randn(3, 9, 21, generator=draw).to(device)
    points = torch.tensor([[8.0, 9.0], [60.0, 30.0], [90.0, 50.0]], device=device)
    scales = torch.tensor([64.0, 128.0, 64.0], device=device)
    inds = torch.tensor([0, 1, 1], device=device)
    both = (
        fused_dynamic_conv(features, params, points, scales, inds, channels, 8),
        _tiled_dynamic_conv(features, params, points, scales, [1, 2], channels, 8),
    )
    return [[logits.detach(), *torch.autograd.grad(logits, leaves, grad)] for logits in both]


def _tiled_dynamic_conv(
    features: Tensor,
    params: Tensor,
    points: Tensor,
    coord_scales: Tensor,
    counts: Sequence[int],
    channels: list[int],
    stride: int,
) -> Tensor:
    height, width = features.shape[-2:]
    dtype = torch.float64 if features.dtype == torch.float64 else torch.float32
    with torch.autocast(features.device.type, enabled=False):
        features, params = features.to(dtype), params.to(dtype)
        weights, biases = split_params(params, channels)
        # w (point - location) / scale = (w / scale) point - (w / scale) location: the first term
        # goes into the bias, the second is a product with locations that all instances share
        coord_weights, feature_weights = weights[0].split([2, channels[0] - 2], dim=2)
        coord_weights = coord_weights / coord_scales.to(dtype)[:, None, None]  # (N, c_out, 2)
        biases[0] = biases[0] + coord_weights @ points.to(dtype).unsqueeze(-1)  # (N, c_out, 1)
        weights[0] = torch.cat([-coord_weights, feature_weights], dim=2)  # (N, c_out, 2 + C)
        locations = map_locations(height, width, stride, features).to(dtype)  # (2, H * W)
        per_image = [  # (N_i, H * W) of each image
            _PointwiseNetworks.apply(torch.cat([locations, image.flatten(1)]), *layers)
            for image, *layers in zip(
                features,
                *(tensor.split(list(counts)) for tensor in (*weights, *biases)),
                strict=True,
            )
        ]
    return torch.cat(per_image).view(len(params), height, width)


class _PointwiseNetworks(torch.autograd.Function):
    """N dynamic networks over one map, computed for a tile of locations at a time.

    Hidden activations exist for one tile only, which fits the processor's cache; the backward pass
    recomputes them.

    Shapes: I = 2 + C input channels, P = H * W locations, T locations of a tile.
    """

    @staticmethod
    def forward(ctx, shared: Tensor, *layers: Tensor) -> Tensor:
        """Compute the logits.

        Args:
            shared: (I, P), the input of all networks.
            layers: the weights (N, c_out, c_in) of all layers, then their biases (N, c_out, 1).

        Returns:
            (N, P).
        """
        ctx.save_for_backward(shared, *layers)
        logits = shared.new_empty(len(layers[0]), shared.shape[1])
        for tile in _tiles(shared, layers):
            logits[:, tile] = _activations(shared[:, tile], *_paired(layers))[-1].squeeze(1)
        return logits

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_logits: Tensor) -> tuple[Tensor, ...]:
        shared, *layers = ctx.saved_tensors
        weights, biases = _paired(layers)
        grad_shared = torch.zeros_like(shared)
        grad_weights = [torch.zeros_like(weight) for weight in weights]
        grad_biases = [torch.zeros_like(bias) for bias in biases]
        for tile in _tiles(shared, layers):
            hidden = _activations(shared[:, tile], weights, biases)
            grad = grad_logits[:, tile].unsqueeze(1)  # (N, 1, T)
            for i in reversed(range(1, len(weights))):
                grad_weights[i].baddbmm_(grad, hidden[i - 1].transpose(1, 2))
                grad_biases[i] += grad.sum(dim=2, keepdim=True)
                grad = torch.bmm(weights[i].transpose(1, 2), grad)  # (N, c_in, T)
                grad = torch.ops.aten.threshold_backward(grad, hidden[i - 1], 0)  # of the ReLU
            # the first layers of all networks are one matrix product, as in the forward pass
            rows = grad.flatten(0, 1)  # (N * c_out, T)
            grad_weights[0].view(len(rows), -1).addmm_(rows, shared[:, tile].t())
            grad_biases[0] += grad.sum(dim=2, keepdim=True)
            grad_shared[:, tile] = weights[0].flatten(0, 1).t() @ rows  # (I, T)
        return grad_shared, *grad_weights, *grad_biases


# Most elements of one layer's activations held at once. On the CPU, 2 MiB in float32 stay in the
# processor's cache; a GPU needs many locations at a time to be busy.
_TILE_ELEMENTS = {"cpu": 2**19, "cuda": 2**26}


def _tiles(shared: Tensor, layers: Sequence[Tensor]) -> Iterator[slice]:
    """Yield ranges of locations."""
    num_networks, hidden_channels, _ = layers[0].shape
    elements = _TILE_ELEMENTS.get(shared.device.type, 2**26)
    size = max(elements // max(num_networks * hidden_channels, 1), 64)
    for start in range(0, shared.shape[1] if num_networks else 0, size):
        yield slice(start, start + size)


def _paired(layers: Sequence[Tensor]) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
    """Split the layers into weights and biases."""
    return layers[: len(layers) // 2], layers[len(layers) // 2 :]


def _activations(
    shared: Tensor, weights: Sequence[Tensor], biases: Sequence[Tensor]
) -> list[Tensor]:
    """Compute the (N, c_out, T) output of each layer, after its ReLU except in the last layer."""
    # channel counts, not -1: view cannot infer a size for zero instances
    first = weights[0].flatten(0, 1) @ shared  # (N * c_out, T)
    outputs = [first.view(*weights[0].shape[:2], shared.shape[1]).add_(biases[0])]
    for weight, bias in zip(weights[1:], biases[1:], strict=True):
        outputs.append(torch.baddbmm(bias, weight, outputs[-1].relu_()))
    return outputs
