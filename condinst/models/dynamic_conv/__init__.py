"""The dynamic network of each instance, in PyTorch and as fused GPU kernels."""

from condinst.models.dynamic_conv.dynamic_network import (
    dynamic_conv,
    layer_channels,
    map_locations,
    num_dynamic_params,
    split_params,
)

__all__ = ["dynamic_conv", "layer_channels", "map_locations", "num_dynamic_params", "split_params"]
