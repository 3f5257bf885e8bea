"""A file of fixed size holds only operators that TensorRT's ONNX parser documents.

The list is that of the parser's ``docs/operators.md`` as of TensorRT 8.4, of those that it marks as
supported; later releases support more.
"""

from onnx import TensorProto
from small_detector import ORIGINAL, small_config, small_detector
from small_rtmdet import seeded_rtmdet

from condinst.export.onnx_model import build_onnx

_NAMES = """
Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh AveragePool BatchNormalization Cast
Ceil Celu Clip Concat Constant ConstantOfShape Conv ConvTranspose Cos Cosh CumSum DepthToSpace
DequantizeLinear Div Dropout Einsum Elu Equal Erf Exp Expand EyeLike Flatten Floor Gather
GatherElements GatherND Gemm GlobalAveragePool GlobalLpPool GlobalMaxPool Greater GreaterOrEqual
GRU HardSigmoid Identity If ImageScaler InstanceNormalization IsNaN LeakyRelu Less LessOrEqual
Log LogSoftmax Loop LRN LSTM LpNormalization LpPool MatMul Max MaxPool Mean Min Mul Neg
NonMaxSuppression Not Or Pad ParametricSoftplus Pow PRelu QuantizeLinear RandomUniform
RandomUniformLike Range ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean
ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Reshape Resize ReverseSequence RNN Round
ScaledTanh Scan Scatter ScatterElements ScatterND Selu Shape Sigmoid Sign Sin Sinh Size Slice
Softmax Softplus Softsign SpaceToDepth Split Sqrt Squeeze Sub Sum Tan Tanh ThresholdedRelu Tile
TopK Transpose Unsqueeze Upsample Where Xor
"""
SUPPORTED = set(_NAMES.split())
# operator: which of its inputs must be constants
CONSTANT_INPUTS = dict(
    NonMaxSuppression=(2, 3, 4), TopK=(1,), Slice=(3,), Squeeze=(1,), Unsqueeze=(1,), Conv=(1,)
)
# It casts int64 to int32 and has neither strings nor complex numbers.
KINDS = {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.INT64, TensorProto.BOOL}


def operators(model):
    """The names of a file's operators, after a check of their inputs."""
    constants = {tensor.name for tensor in model.graph.initializer}
    constants |= {n.output[0] for n in model.graph.node if n.op_type == "Constant"}
    for node in model.graph.node:
        for i in CONSTANT_INPUTS.get(node.op_type, ()):
            if i < len(node.input):
                assert node.input[i] in constants, node
    assert {tensor.data_type for tensor in model.graph.initializer} <= KINDS
    return {node.op_type for node in model.graph.node}


def test_operators_of_fixed_files(same_network):
    for conventions in ({}, ORIGINAL):
        model = build_onnx(small_detector(small_config(**conventions)), fixed_size=(64, 96))
        used = operators(model)
        assert {"NonMaxSuppression", "TopK", "GatherND", "InstanceNormalization"} <= used
        assert used <= SUPPORTED


def test_operators_of_fixed_files_of_rtmdet():
    used = operators(build_onnx(seeded_rtmdet(), fixed_size=(64, 96)))
    assert {"NonMaxSuppression", "TopK", "GatherND", "Resize"} <= used
    assert used <= SUPPORTED


def test_the_dynamic_file_shows_that_the_walk_finds_others(same_network):
    model = build_onnx(small_detector(small_config(**ORIGINAL)))
    assert "NonZero" in {node.op_type for node in model.graph.node} - SUPPORTED
