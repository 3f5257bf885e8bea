"""The network that each instance brings along, as pure functions (paper, Section 3.2 and Figure 3).

An instance's network has L layers of 1x1 convolutions with ReLU between them. Its input is the
shared mask features and the coordinates relative to the instance's point; its output is one logit
per location. All its weights and biases come as one vector predicted by the controller.

Shapes: N instances, K parameters, C mask feature channels, H x W locations, D hidden channels.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor


def layer_channels(in_channels: int, hidden_channels: int, num_layers: int) -> list[int]:
    """Channels entering each layer and leaving the last one.

    Args:
        in_channels: C, mask feature channels without the two coordinates.
        hidden_channels: D.
        num_layers: L, 1 or more.

    Returns:
        ``[2 + C, D, ..., D, 1]``, L + 1 numbers.
    """
    if min(in_channels, hidden_channels, num_layers) < 1:
        raise ValueError(
            "a dynamic mask head needs at least one layer, hidden channel and feature channel; got "
            f"num_layers={num_layers}, feat_channels={hidden_channels}, out_channels={in_channels}"
        )
    return [in_channels + 2] + [hidden_channels] * (num_layers - 1) + [1]


def num_dynamic_params(in_channels: int, hidden_channels: int, num_layers: int) -> int:
    """K: 169 for the paper's 3 layers of 8 channels over 8 mask feature channels."""
    channels = layer_channels(in_channels, hidden_channels, num_layers)
    return sum((c_in + 1) * c_out for c_in, c_out in pairwise(channels))


def split_params(params: Tensor, channels: list[int]) -> tuple[list[Tensor], list[Tensor]]:
    """Cut each instance's vector into the weights and biases of its layers.

    The vector holds the weights of all layers first, each as rows of output channels, then all
    biases.

    Args:
        params: (N, K).
        channels: as :func:`layer_channels` gives them.

    Returns:
        Weights, each (N, c_out, c_in), and biases, each (N, c_out, 1).
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
    """Centres of a map's cells in input-image pixels: (2, H * W), x then y, float32."""
    x = (torch.arange(width, device=like.device, dtype=torch.float32) + 0.5) * stride
    y = (torch.arange(height, device=like.device, dtype=torch.float32) + 0.5) * stride
    return torch.stack([x.repeat(height), y.repeat_interleave(width)])


def dynamic_conv(
    features: Tensor,
    params: Tensor,
    points: Tensor,
    coord_scales: Tensor,
    channels: list[int],
    stride: int,
) -> Tensor:
    """Run every instance's network over the mask features of its picture.

    The relative coordinates ``(point - location) / coord_scale`` enter the first layer linearly, so
    that layer is one matrix product of all instances' weights with the features and locations that
    they share, plus a bias per instance: the (N, 2 + C, H, W) input is never built. Coordinates are
    differences of large numbers, so all of it runs in float32, also under autocast.

    Args:
        features: (C, H, W) mask features of one picture.
        params: (N, K).
        points: (N, 2) xy, input-image pixels.
        coord_scales: (N,) pixels per unit of relative coordinate.
        channels: as :func:`layer_channels` gives them.
        stride: of ``features``, pixels.

    Returns:
        (N, H, W) logits, float32 (float64 for float64 features).
    """
    height, width = features.shape[-2:]
    dtype = torch.float64 if features.dtype == torch.float64 else torch.float32
    with torch.autocast(features.device.type, enabled=False):
        features, params = features.to(dtype), params.to(dtype)
        weights, biases = split_params(params, channels)
        to_coords, to_features = weights[0].split([2, channels[0] - 2], dim=2)
        to_coords = to_coords / coord_scales.to(dtype)[:, None, None]
        bias = biases[0] + to_coords @ points.to(dtype).unsqueeze(-1)
        locations = map_locations(height, width, stride, features).to(dtype)
        # channel counts, not -1: the shape of an empty set of instances is ambiguous otherwise
        shared_weights = torch.cat([-to_coords, to_features], dim=2).reshape(-1, channels[0])
        shared_input = torch.cat([locations, features.flatten(1)])
        x = (shared_weights @ shared_input).view(len(params), channels[1], height * width) + bias
        for weight, bias in zip(weights[1:], biases[1:], strict=True):
            x = torch.baddbmm(bias, weight, F.relu(x))
    return x.view(len(params), height, width)


def aligned_upsample(maps: Tensor, factor: int) -> Tensor:
    """Enlarge maps so that cell centres stay where they are in the picture, up to half a cell.

    Output column ``i`` reads the input at ``(i - factor // 2) / factor``, clamped to the map, as
    the published models were trained with ("aligned bilinear" in their code).

    Args:
        maps: (B, C, H, W).
        factor: 1 or more.

    Returns:
        (B, C, factor * H, factor * W).
    """
    if factor == 1:
        return maps
    height, width = maps.shape[-2:]
    padded = F.pad(maps, (1, 1, 1, 1), mode="replicate")
    size = ((height + 1) * factor + 1, (width + 1) * factor + 1)
    enlarged = F.interpolate(padded, size=size, mode="bilinear", align_corners=True)
    start = factor - factor // 2
    return enlarged[..., start : start + factor * height, start : start + factor * width]
