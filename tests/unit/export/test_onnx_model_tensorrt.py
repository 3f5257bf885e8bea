"""Exported files hold only operators that TensorRT's ONNX parser documents, within its bounds.

The list is that of the parser's ``docs/operators.md`` as of TensorRT 10.1, of those that it marks
as supported, for opsets 9 to 20. Of these, only ScatterElements with a reduction needs a plugin.
"""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from small_detector import ORIGINAL, small_config, small_detector
from small_rtmdet import seeded_rtmdet

from condinst.export.onnx_model import build_onnx

_NAMES = """
Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh AveragePool BatchNormalization Cast
CastLike Ceil Celu Clip Concat Constant ConstantOfShape Conv ConvTranspose Cos Cosh CumSum
DeformConv DepthToSpace DequantizeLinear Div Dropout Einsum Elu Equal Erf Exp Expand EyeLike Flatten
Floor GRU Gather GatherElements GatherND Gelu Gemm GlobalAveragePool GlobalLpPool GlobalMaxPool
Greater GreaterOrEqual GridSample GroupNormalization HardSigmoid HardSwish Hardmax Identity If
ImageScaler InstanceNormalization IsInf IsNaN LRN LSTM LayerNormalization LeakyRelu Less LessOrEqual
Log LogSoftmax Loop LpNormalization LpPool MatMul Max MaxPool Mean MeanVarianceNormalization Min
Mish Mod Mul Neg NonMaxSuppression NonZero Not OneHot Or PRelu Pad ParametricSoftplus Pow
QuantizeLinear RNN RandomNormal RandomNormalLike RandomUniform RandomUniformLike Range Reciprocal
ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum
ReduceSumSquare Relu Reshape Resize ReverseSequence RoiAlign Round ScaledTanh Scan Scatter
ScatterElements ScatterND Selu Shape Shrink Sigmoid Sign Sin Sinh Size Slice Softmax Softplus
Softsign SpaceToDepth Split Sqrt Squeeze Sub Sum Tan Tanh ThresholdedRelu Tile TopK Transpose Trilu
Unsqueeze Upsample Where Xor
"""
SUPPORTED = set(_NAMES.split())
LARGEST_K = 3839  # of TopK
# operator: which of its inputs must be constants
_AXES = dict.fromkeys(("ReduceMax", "ReduceMean", "ReduceMin", "Squeeze", "Unsqueeze"), (1,))
CONSTANT_INPUTS = dict(NonMaxSuppression=(2, 3, 4), Slice=(3,), Pad=(3,), **_AXES)
# It computes float64 as float32, and has neither strings nor complex numbers.
KINDS = {
    *(TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE),
    *(TensorProto.INT32, TensorProto.INT64, TensorProto.BOOL),
}


def operators(model):
    """The names of a file's operators, after a check of their inputs."""
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    constants |= {
        n.output[0]: n.attribute[0].t for n in model.graph.node if n.op_type == "Constant"
    }
    for node in model.graph.node:
        for i in CONSTANT_INPUTS.get(node.op_type, ()):
            if i < len(node.input) and node.input[i]:
                assert node.input[i] in constants, node
        if node.op_type == "TopK" and node.input[1] in constants:
            assert numpy_helper.to_array(constants[node.input[1]]) <= LARGEST_K
        if node.op_type == "ScatterElements":
            assert "reduction" not in {attribute.name for attribute in node.attribute}
    assert {tensor.data_type for tensor in model.graph.initializer} <= KINDS
    assert 9 <= model.opset_import[0].version <= 20
    return {node.op_type for node in model.graph.node}


def test_operators_of_fixed_files(same_network):
    for conventions in ({}, ORIGINAL):
        model = build_onnx(small_detector(small_config(**conventions)), fixed_size=(64, 96))
        used = operators(model)
        assert {"NonMaxSuppression", "TopK", "GatherND", "InstanceNormalization"} <= used
        assert used <= SUPPORTED
        assert "NonZero" not in used  # no shape depends on the data


def test_operators_of_files_for_any_size(same_network):
    used = operators(build_onnx(small_detector(small_config(**ORIGINAL))))
    assert {"NonMaxSuppression", "TopK", "GatherND", "NonZero"} <= used
    assert used <= SUPPORTED


@pytest.mark.parametrize("fixed_size", [(64, 96), None])
def test_operators_of_rtmdet(fixed_size):
    used = operators(build_onnx(seeded_rtmdet(), fixed_size=fixed_size))
    assert {"NonMaxSuppression", "TopK", "GatherND", "Resize"} <= used
    assert used <= SUPPORTED


def _file(node, *constants):
    graph = helper.make_graph([node], "one", [], [], list(constants))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])


def test_what_the_check_refuses():
    assert "Unique" in operators(_file(helper.make_node("Unique", ["x"], ["y"]))) - SUPPORTED
    many = numpy_helper.from_array(np.array([3840]), "k")
    for node, constants in (
        (helper.make_node("TopK", ["x", "k"], ["v", "i"]), [many]),
        (helper.make_node("ScatterElements", ["x", "i", "u"], ["y"], reduction="add"), []),
        (helper.make_node("Squeeze", ["x", "axes"], ["y"]), []),
    ):
        with pytest.raises(AssertionError):
            operators(_file(node, *constants))
