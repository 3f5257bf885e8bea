"""Quantize networks to int8 with ONNX Runtime's static quantizer and calibration images.

Weights (one scale per channel) and activations of the convolutions become int8 between pairs of
QuantizeLinear and DequantizeLinear, which runtimes convert to int8 arithmetic. Values that span
many orders of magnitude, or that are thresholded later, remain float: the last convolutions of the
heads, the norms, and all post-processing, which is added later.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto

from condinst.export.network import LAST_CONVS

__all__ = ["float_nodes", "quantize_network"]

_QUANTIZED_OPS = ["Conv", "Add", "MaxPool", "Relu"]


def quantize_network(part: ModelProto, images: Iterable[np.ndarray]) -> ModelProto:
    """Quantize a network to int8; inputs and outputs do not change.

    Args:
        part: the result of :func:`condinst.export.network.export_network`, in float32.
        images: (1, C, H, W) float32, normalized and padded, of any sizes; a few dozen are enough.
            Only one is in memory at a time.

    Raises:
        ValueError: there are no images.
        ImportError: onnxruntime is not installed.
    """
    images = iter(images)
    first = next(images, None)
    if first is None:
        raise ValueError("calibration: expected images, got none")
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory(prefix="condinst-quantize-") as folder:
        paths = [str(Path(folder, name)) for name in ("float.onnx", "prepared.onnx", "int8.onnx")]
        onnx.save(part, paths[0])
        # fuses operators, so that nothing is quantized between fused ones
        quant_pre_process(paths[0], paths[1], skip_symbolic_shape=True)
        reader = _Reader(itertools.chain([first], images), part.graph.input[0].name)
        quantize_static(
            paths[1],
            paths[2],
            reader,
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=_QUANTIZED_OPS,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            nodes_to_exclude=float_nodes(onnx.load(paths[1])),
            # weights of 7 bits: on processors without VNNI, sums of two products must fit 16 bits
            reduce_range=True,
        )
        return onnx.load(paths[2])


class _Reader:
    """Reader that gives the quantizer one input at a time."""

    def __init__(self, images: Iterable[np.ndarray], name: str) -> None:
        self._images, self._name = iter(images), name

    def get_next(self) -> dict[str, np.ndarray] | None:
        image = next(self._images, None)
        return None if image is None else {self._name: image}


def float_nodes(part: ModelProto) -> list[str]:
    """Return the names of the convolutions that compute the network's outputs."""
    heads = [
        node.name
        for node in part.graph.node
        if node.op_type == "Conv" and any(name in node.input[1] for name in LAST_CONVS)
    ]
    assert heads, "the exporter renamed the heads' weights"
    return heads
