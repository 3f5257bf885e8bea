"""int8: what is quantized and what is not, and how far the answers move."""

import numpy as np
import pytest
from one_export import one_export_of_the_network
from small_detector import image

from condinst.export.agreement import Agreement, Bounds
from condinst.export.compared_runtimes import onnx_runtime
from condinst.export.network import LAST_CONVS
from condinst.export.onnx_model import build_onnx
from condinst.export.quantize import quantize_network
from condinst.export.verify import CheckedImage, check


@pytest.fixture(scope="module")
def quantized(detector, networks):
    mean = detector.data_preprocessor.mean.numpy()
    std = detector.data_preprocessor.std.numpy()
    sizes = [(96, 128), (128, 64), (96, 96), (64, 160)]
    inputs = (
        ((image(*size, seed) - mean) / std)[None].astype(np.float32)
        for seed, size in enumerate(sizes)
    )
    with one_export_of_the_network(networks):
        return build_onnx(detector, quantize=lambda part: quantize_network(part, inputs))


def test_convolutions_are_int8_but_the_heads_last_ones_and_all_post_processing(quantized):
    makers = {output: node for node in quantized.graph.node for output in node.output}
    convs = [node for node in quantized.graph.node if node.op_type == "Conv"]
    in_float = set()
    for conv in convs:
        maker = makers.get(conv.input[1])
        if maker is None or maker.op_type != "DequantizeLinear":
            in_float.add(conv.input[1])
    expected = {"conv_cls", "conv_reg", "conv_centerness", "conv_pred"}
    assert {name for name in LAST_CONVS if any(name in w for w in in_float)} == expected
    assert all(any(name in weight for name in expected) for weight in in_float)
    in_int8 = [c for c in convs if c.input[1] not in in_float]
    assert len(in_int8) > 20
    behind = [node for node in quantized.graph.node if node.name.startswith("condinst/")]
    assert len(behind) > 100
    assert not {"QuantizeLinear", "DequantizeLinear"} & {node.op_type for node in behind}


def test_instances_stay_alike(detector, quantized):
    chosen = [CheckedImage("", image(96, 128, seed), (96, 128)) for seed in (7, 8)]
    # wide: these weights are random, and so are their masks
    bounds = Bounds(0.7, box=3.0, mask_iou=0.7, score=0.05, margin=0.05, worst=False)
    rows = check(detector, onnx_runtime(quantized), chosen, bounds)
    total = sum((row.agreement for row in rows), Agreement())
    assert total.failures(bounds) == []
    assert total.matched > 20
    assert max(total.scores) > 1e-4  # it is another network


def test_no_images(detector, same_network):
    with pytest.raises(ValueError, match="calibration"):
        build_onnx(detector, quantize=lambda part: quantize_network(part, []))
