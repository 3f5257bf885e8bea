"""Count parameters, and floating-point operations with PyTorch's counter."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import torchvision  # noqa: F401  (registers deform_conv2d)
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from condinst.models import CondInst
from condinst.models.input_channels import input_channels
from condinst.models.structures import Instances


class PartSize(NamedTuple):
    """Number of parameters of one part of a model, and of those that are trained."""

    total: int
    trainable: int


@dataclass(frozen=True)
class Flops:
    """Floating-point operations of the convolutions and matrix products for one image.

    A multiplication and an addition are two operations; much of the literature counts the pair as
    one. Norms, activations, resizing and post-processing are not counted.

    Attributes:
        size: height and width of the network's input, in pixels.
        parts: operations for each image, by part of the network.
        per_instance: operations that each instance adds: its controller and its dynamic network.
    """

    size: tuple[int, int]
    parts: dict[str, int]
    per_instance: int

    @property
    def network(self) -> int:
        """Return the operations for each image, without instances."""
        return sum(self.parts.values())


def count_parameters(model: nn.Module) -> dict[str, PartSize]:
    """Count the parameters of each part that has any, by its name in the model."""
    sizes = {}
    for name, part in model.named_children():
        parameters = list(part.parameters())
        if parameters:
            sizes[name] = PartSize(
                sum(p.numel() for p in parameters),
                sum(p.numel() for p in parameters if p.requires_grad),
            )
    return sizes


def count_flops(model: CondInst, size: tuple[int, int]) -> Flops:
    """Count the operations of a prediction.

    Only one small mask is computed: the network runs on tensors without content.

    Args:
        model: not changed.
        size: height and width of the network's input in pixels, padding included.
    """
    network: Any = copy.deepcopy(model).to("meta").eval()
    image = torch.empty(1, input_channels(network.backbone), *size, device="meta")
    parts = {}
    with torch.no_grad():
        parts["backbone"], levels = _count(lambda: network.backbone(image))
        parts["neck"], feats = _count(lambda: network.neck(levels))
        parts["bbox_head"], _ = _count(lambda: network.bbox_head(feats))
        parts["mask_branch"], maps = _count(lambda: network.mask_head.mask_feature_head(feats))
        dynamic = _count_dynamic_network(model, maps.shape)
    # evaluated only at the point of each instance
    controller = 2 * model.bbox_head.controller_weights
    return Flops(size, parts, controller + dynamic)


def _count_dynamic_network(model: CondInst, shape: torch.Size) -> int:
    instance = Instances(
        params=torch.zeros(1, model.mask_head.num_params),
        points=torch.zeros(1, 2),
        strides=torch.ones(1),
        counts=[1],
    )
    mask_head = copy.deepcopy(model.mask_head).cpu()
    return _count(lambda: mask_head(torch.zeros(shape), instance))[0]


def _count(function: Callable[[], Any]) -> tuple[int, Any]:
    with FlopCounterMode(display=False, custom_mapping=_DEFORMABLE) as counter:
        result = function()
    return counter.get_total_flops(), result


def _deformable_flops(
    image: Sequence[int], weight: Sequence[int], *rest: Any, out_shape: Sequence[int], **names: Any
) -> int:
    """Count the operations of the convolution, without the sampling at its offsets."""
    return 2 * math.prod(out_shape) * math.prod(weight[1:])


_DEFORMABLE: dict[Any, Any] = {torch.ops.torchvision.deform_conv2d: _deformable_flops}
