"""The fused kernels against a plain reference in float64, by Triton's interpreter and on a GPU.

The interpreter is chosen before the kernels are defined. So this file is also a program: it runs
all cases in one process with ``TRITON_INTERPRET=1``, and the tests judge what it saved.
"""

import importlib.util
import os
import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F
from mmdet.models.dense_heads.condinst_head import CondInstMaskHead
from mmdet.models.utils import relative_coordinate_maps

from condinst.models.dynamic_conv import fused as fused
from condinst.models.dynamic_conv import kernels as kernels
from condinst.models.dynamic_conv.dynamic_network import (
    layer_channels,
    num_dynamic_params,
    split_params,
)

needs_triton = pytest.mark.skipif(fused.triton is None, reason="needs Triton")
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

# C, D, L, H, W, image of each instance, number of images, type, memory order
CASES = {
    "three tiles, two images": (8, 8, 3, 13, 21, [0, 1], 2, torch.float32, "contiguous"),
    "an image without instances": (8, 8, 3, 5, 7, [0, 0, 2], 3, torch.float32, "contiguous"),
    "16 channels": (16, 16, 3, 5, 13, [0, 0], 1, torch.float32, "contiguous"),
    "two layers": (3, 5, 2, 9, 17, [1], 2, torch.float32, "contiguous"),
    "one location, one layer": (4, 7, 1, 1, 1, [0, 0], 1, torch.float32, "contiguous"),
    "five layers": (2, 3, 5, 3, 4, [0], 1, torch.float32, "contiguous"),
    "one hidden channel": (1, 1, 2, 2, 3, [0], 1, torch.float32, "contiguous"),
    "channels last": (8, 8, 3, 6, 9, [0, 1], 2, torch.float32, "channels last"),
    "a cut from larger maps": (8, 8, 3, 6, 9, [0, 1], 2, torch.float32, "cut"),
    "float16": (8, 8, 3, 5, 6, [0, 0], 1, torch.float16, "contiguous"),
    "bfloat16": (8, 8, 3, 5, 6, [0, 0], 1, torch.bfloat16, "channels last"),
}
STRIDE = 8


def make_inputs(case, device="cpu"):
    """Features, parameters, points about 1000 pixels off, scales, images, and a gradient."""
    num_features, hidden, layers, height, width, inds, num_images, dtype, order = case
    generator = torch.Generator().manual_seed(0)
    num_params = num_dynamic_params(num_features, hidden, layers)
    features = torch.randn(num_images, num_features, height, width, generator=generator)
    if order == "channels last":
        features = features.contiguous(memory_format=torch.channels_last)
    if order == "cut":
        features = F.pad(features, (1, 2, 3, 4))[..., 3:-4, 1:-2]
    params = torch.randn(len(inds), num_params, generator=generator)
    points = 1000 + 50 * torch.rand(len(inds), 2, generator=generator)
    scales = torch.tensor([64.0, 128.0, 512.0]).repeat(len(inds))[: len(inds)]
    grad = torch.randn(len(inds), height, width, generator=generator)
    features, params = features.to(dtype), params.to(dtype)
    arrays = (features, params, points, scales, torch.tensor(inds), grad)
    return tuple(x.to(device) for x in arrays), layer_channels(num_features, hidden, layers)


def reference(features, params, points, scales, img_inds, channels):
    """Build every instance's input, then run its layers one by one, in the inputs' type."""
    height, width = features.shape[-2:]
    x = (torch.arange(width, device=features.device, dtype=points.dtype) + 0.5) * STRIDE
    y = (torch.arange(height, device=features.device, dtype=points.dtype) + 0.5) * STRIDE
    weights, biases = split_params(params, channels)
    logits = []
    for n, image in enumerate(img_inds.tolist()):
        rel_x = ((points[n, 0] - x) / scales[n]).expand(1, height, width)
        rel_y = ((points[n, 1] - y) / scales[n])[:, None].expand(1, height, width)
        outputs = torch.cat([rel_x, rel_y, features[image]])
        for i, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
            outputs = F.conv2d(outputs[None], weight[n, :, :, None, None], bias[n, :, 0])[0]
            if i < len(weights) - 1:
                outputs = F.relu(outputs)
        logits.append(outputs[0])
    return torch.stack(logits)


def run_fused(arrays, channels):
    """Logits, gradients of features and of parameters."""
    *inputs, grad = arrays
    features, params = (x.detach().requires_grad_() for x in inputs[:2])
    logits = fused.fused_dynamic_conv(features, params, *inputs[2:], channels, STRIDE)
    return (logits.detach(), *torch.autograd.grad(logits, (features, params), grad))


def run_reference(arrays, channels):
    """The same in float64."""
    *inputs, img_inds, grad = arrays
    features, params, points, scales = (x.detach().double() for x in inputs)
    features.requires_grad_()
    params.requires_grad_()
    logits = reference(features, params, points, scales, img_inds, channels)
    return (logits.detach(), *torch.autograd.grad(logits, (features, params), grad.double()))


def check(results, arrays, channels):
    """Logits are float32 whatever comes in; gradients have the inputs' types."""
    expected = run_reference(arrays, channels)
    dtypes = (torch.float32, arrays[0].dtype, arrays[1].dtype)
    epsilon = {torch.float32: 3e-6, torch.float16: 1e-3, torch.bfloat16: 8e-3}
    for actual, wanted, dtype in zip(results, expected, dtypes, strict=True):
        assert actual.dtype == dtype
        # of the largest, as a sum's rounding is that of its terms; one rounding for half types
        tolerance = epsilon[dtype] * wanted.abs().max().item()
        torch.testing.assert_close(actual.double(), wanted, rtol=0, atol=tolerance)


def interpret(path):
    """What the tests below need from the interpreter, saved to ``path``."""
    results = {name: run_fused(*make_inputs(case)) for name, case in CASES.items()}
    arrays, channels = make_inputs(CASES["two layers"])
    *inputs, grad = arrays
    for index, name in enumerate(["features", "params"]):
        leaves = [x.detach().requires_grad_(i == index) for i, x in enumerate(inputs[:2])]
        logits = fused.fused_dynamic_conv(*leaves, *inputs[2:], channels, STRIDE)
        results[f"only {name}"] = torch.autograd.grad(logits, leaves[index], grad)
    inputs[0][1, 0, 2, 3] = float("nan")
    results["nan"] = fused.fused_dynamic_conv(*inputs, channels, STRIDE)
    features, params = inputs[:2]
    results["applicable"] = [
        fused.is_applicable(features, params, channels),
        fused.is_applicable(features.half(), params.bfloat16(), channels),
        fused.is_applicable(features.double(), params, channels),
        fused.is_applicable(features, params.double(), channels),
        fused.is_applicable(features, params[:0], channels),
        fused.is_applicable(features[:, :2], params, channels),
        fused.is_applicable(features[..., :0], params, channels),
        fused.is_applicable(features, params[:, 1:], channels),
        fused.is_applicable(
            torch.ones(1, 30, 1, 1), torch.ones(1, 1057), layer_channels(30, 32, 2)
        ),
    ]
    torch.save(results, path)


@pytest.fixture(scope="module")
def interpreted(tmp_path_factory, repo):
    """The saved results of :func:`interpret`."""
    path = tmp_path_factory.mktemp("triton") / "results.pt"
    search = os.pathsep.join([str(repo), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "TRITON_INTERPRET": "1", "PYTHONPATH": search}
    subprocess.run([sys.executable, __file__, str(path)], env=environment, check=True)
    return torch.load(path)


@pytest.mark.long
@needs_triton
@pytest.mark.parametrize("name", CASES)
def test_equals_the_reference_in_float64(interpreted, name):
    check(interpreted[name], *make_inputs(CASES[name]))


@pytest.mark.long
@needs_triton
def test_an_image_without_instances_gets_zero_gradients(interpreted):
    _, grad_features, _ = interpreted["an image without instances"]
    assert not grad_features[1].any()
    assert grad_features[0].any()


@pytest.mark.long
@needs_triton
def test_gradients_of_one_input_alone(interpreted):
    _, grad_features, grad_params = interpreted["two layers"]
    assert torch.equal(interpreted["only features"][0], grad_features)
    assert torch.equal(interpreted["only params"][0], grad_params)


@pytest.mark.long
@needs_triton
def test_not_a_number_reaches_the_logits_of_its_location_only(interpreted):
    is_nan = interpreted["nan"][0].isnan()
    assert is_nan.nonzero().tolist() == [[2, 3]]


@pytest.mark.long
@needs_triton
def test_what_is_served(interpreted):
    """Not: float64 (twice), no instances, wrong channels, no location, wrong or many parameters."""
    assert interpreted["applicable"] == [True, True] + [False] * 7


@pytest.mark.long
@needs_triton
def test_equals_mmdets_network(interpreted):
    name = "channels last"
    (features, params, points, scales, img_inds, _), channels = make_inputs(CASES[name])
    num, (height, width) = len(params), features.shape[-2:]
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    locations = (torch.stack([x, y], dim=-1).reshape(-1, 2) + 0.5) * STRIDE
    coords = relative_coordinate_maps(locations, points, scales, 1, (height, width))
    inputs = torch.cat([coords, features[img_inds]], dim=1).reshape(1, -1, height, width)
    weights, biases = split_params(params, channels)
    grouped = [w.reshape(-1, w.shape[2], 1, 1) for w in weights], [b.flatten() for b in biases]
    expected = CondInstMaskHead.dynamic_conv_forward(None, inputs, *grouped, num)
    torch.testing.assert_close(interpreted[name][0], expected[0], rtol=1e-4, atol=1e-4)


def test_without_triton_nothing_is_served_and_nothing_fails(monkeypatch):
    monkeypatch.setitem(sys.modules, "triton", None)
    spec = importlib.util.spec_from_file_location("without_triton", kernels.__file__)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.triton is None
    monkeypatch.setattr(fused, "triton", module.triton)
    assert not fused.is_applicable(torch.ones(1, 8, 2, 2), torch.ones(1, 169), [10, 8, 8, 1])


class PretendGpu:
    """What Triton asks of its driver before it compiles: here an H100, and there is none."""

    def get_current_target(self):
        from triton.backends.compiler import GPUTarget

        return GPUTarget("cuda", 90, 32)

    def get_current_device(self):
        return 99  # what is compiled is kept by device

    def get_current_stream(self, device):
        return 0


class OnlyCompile:
    """A kernel that is called as ever, and compiled, but not run."""

    def __init__(self, kernel):
        self.kernel = kernel
        self.compiled = []

    def __getitem__(self, grid):
        return lambda *args, **options: self.compiled.append(
            self.kernel.warmup(*args, grid=grid, **options)
        )


@pytest.mark.skipif(fused.triton is None or torch.version.cuda is None, reason="needs Triton")
def test_kernels_compile_once_for_all_sizes_and_without_tensor_cores(monkeypatch):
    """The interpreter neither compiles nor binds arguments. TF32 would show as an mma."""
    called = []
    for name in ["forward_kernel", "feature_grads_kernel", "param_grads_kernel"]:
        called.append(OnlyCompile(getattr(fused, name)))
        monkeypatch.setattr(fused, name, called[-1])
    monkeypatch.setattr(fused.triton.runtime.driver, "_active", PretendGpu())
    for size in [(2, 8, 16, 32), (1, 8, 1, 1), (3, 8, 5, 7)]:
        features = torch.ones(size).contiguous(memory_format=torch.channels_last)
        num = size[0] * size[3]
        arrays = torch.ones(num, 169), torch.ones(num, 2), torch.ones(num)
        img_inds = torch.arange(size[0]).repeat_interleave(size[3])
        grad = torch.ones(num, *size[2:])
        run_fused((features, *arrays, img_inds, grad), layer_channels(8, 8, 3))
    for kernel in called:
        assert len(kernel.compiled) == 3
        assert len({compiled.hash for compiled in kernel.compiled}) == 1
        assert "fma.rn.f32" in kernel.compiled[0].asm["ptx"]
        assert "mma" not in kernel.compiled[0].asm["ptx"]


@needs_gpu
@pytest.mark.parametrize("name", CASES)
def test_on_a_gpu(name):
    arrays, channels = make_inputs(CASES[name], "cuda")
    assert fused.is_applicable(*arrays[:2], channels)
    check(run_fused(arrays, channels), arrays, channels)


@needs_gpu
def test_many_instances_on_a_gpu_and_the_same_gradients_twice():
    """Offsets of (N, H, W) beyond 32 bits are those of 150,000 instances: rows are compared."""
    inds = [0] * 90_000 + [1] * 60_000
    case = (8, 8, 3, 100, 152, inds, 2, torch.bfloat16, "channels last")
    (*inputs, grad), channels = make_inputs((*case[:3], 1, 1, *case[5:]), "cuda")
    inputs[0] = torch.randn(2, 8, 100, 152, device="cuda", dtype=torch.bfloat16)
    logits = fused.fused_dynamic_conv(*inputs, channels, STRIDE)
    assert logits.numel() > 2**31
    rows = torch.tensor([0, 89_999, 90_000, 149_999], device="cuda")
    picked = [inputs[0].double(), *(x[rows].double() for x in inputs[1:4]), inputs[4][rows]]
    expected = reference(*picked, channels)
    torch.testing.assert_close(logits[rows].double(), expected, rtol=1e-4, atol=1e-3)
    del logits
    few = [x[:500] for x in inputs[1:]]
    arrays = (inputs[0], *few, torch.randn(500, 100, 152, device="cuda"))
    first, second = run_fused(arrays, channels), run_fused(arrays, channels)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


if __name__ == "__main__":
    interpret(sys.argv[1])
