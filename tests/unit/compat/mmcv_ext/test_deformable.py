"""mmcv.ops' deformable convolutions on the stand-in, against plain float64 loops."""

import mmcv_ext_reference as reference
import pytest
import torch
import torch.nn.functional as F
from mmcv import ops
from mmcv_ext_reference import as_float64, assert_equal, random
from torch import Tensor
from torch.autograd import gradcheck

GEOMETRIES = [
    # kernel, stride, padding, dilation, groups, deform_groups
    ((3, 3), (1, 1), (1, 1), (1, 1), 1, 1),
    ((3, 2), (2, 1), (0, 2), (1, 2), 2, 1),
    ((2, 3), (1, 2), (2, 1), (2, 1), 2, 4),
]


def deform_inputs(
    device: str, kernel: tuple, stride: tuple, padding: tuple, dilation: tuple, groups: int, dg: int
) -> list[Tensor]:
    """Input, offset, mask, weight and bias of a small convolution, all float64 with gradients."""
    image = random(device, 2, 4, 5, 6)
    weight = random(device, 4, 4 // groups, *kernel)
    size = F.conv2d(image, weight, None, stride, padding, dilation, groups).shape[2:]
    offset = random(device, 2, 2 * dg * kernel[0] * kernel[1], *size, scale=1.5)
    mask = random(device, 2, dg * kernel[0] * kernel[1], *size)
    return [image, offset, mask, weight, random(device, 4)]


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_deform_conv2d(device: str, geometry: tuple) -> None:
    image, offset, _, weight, _ = deform_inputs(device, *geometry)
    *window, groups, deform_groups = geometry[1:]
    expected = reference.deform_conv(
        *as_float64(image, offset, weight, None, None), *window, deform_groups
    )
    for im2col_step in (1, 32):
        args = (*window, groups, deform_groups, False, im2col_step)
        assert_equal(ops.deform_conv2d(image, offset, weight, *args), expected)
    assert gradcheck(
        lambda *tensors: ops.deform_conv2d(*tensors, *args),
        (image, offset, weight),
        nondet_tol=1e-10,
        fast_mode=True,
    )


@pytest.mark.parametrize("with_bias", [True, False])
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_modulated_deform_conv2d(device: str, geometry: tuple, with_bias: bool) -> None:
    image, offset, mask, weight, bias = deform_inputs(device, *geometry)
    bias = bias if with_bias else None
    args = geometry[1:]
    expected = reference.deform_conv(
        *as_float64(image, offset, weight, mask, bias), *geometry[1:4], geometry[5]
    )
    assert_equal(ops.modulated_deform_conv2d(image, offset, mask, weight, bias, *args), expected)
    assert gradcheck(
        lambda *tensors: ops.modulated_deform_conv2d(*tensors, *args),
        (image, offset, mask, weight, bias),
        nondet_tol=1e-10,
        fast_mode=True,
    )


def test_deform_conv_backward_computes_only_what_is_asked_for(device: str) -> None:
    image, offset, _, weight, _ = deform_inputs(device, *GEOMETRIES[0])
    full = torch.autograd.grad(
        ops.deform_conv2d(image, offset, weight, 1, 1).sum(), (image, offset, weight)
    )
    only_weight = ops.deform_conv2d(image.detach(), offset.detach(), weight, 1, 1)
    only_image = ops.deform_conv2d(image, offset.detach(), weight.detach(), 1, 1)
    for output, leaf, grad in ((only_weight, weight, full[2]), (only_image, image, full[0])):
        torch.testing.assert_close(torch.autograd.grad(output.sum(), leaf)[0], grad)


def test_packed_deform_conv_starts_as_a_convolution(device: str) -> None:
    # Its offsets start at 0 and its mask at sigmoid(0) = 1/2.
    image = torch.randn(2, 4, 7, 6, device=device)
    v1 = ops.DeformConv2dPack(4, 6, 3, padding=1, groups=2).to(device)
    v2 = ops.ModulatedDeformConv2dPack(4, 6, 3, padding=1, groups=2, deform_groups=2).to(device)
    plain = F.conv2d(image, v1.weight, padding=1, groups=2)
    torch.testing.assert_close(v1(image), plain, rtol=1e-4, atol=1e-5)
    halved = F.conv2d(image, v2.weight * 0.5, v2.bias, padding=1, groups=2)
    torch.testing.assert_close(v2(image), halved, rtol=1e-4, atol=1e-5)


def test_modulated_deform_conv2d_pack_trains_its_offsets(device: str) -> None:
    pack = ops.ModulatedDeformConv2dPack(4, 2, 3, stride=2, padding=1, deform_groups=2)
    pack = pack.double().to(device)
    with torch.no_grad():
        pack.conv_offset.weight.normal_(std=0.3)
        pack.bias.normal_()
    image = random(device, 1, 4, 5, 6)
    y_x_and_mask = pack.conv_offset(image)
    expected = reference.deform_conv(
        *as_float64(image, y_x_and_mask[:, :36], pack.weight, y_x_and_mask[:, 36:].sigmoid()),
        *as_float64(pack.bias),
        (2, 2),
        (1, 1),
        (1, 1),
        2,
    )
    assert_equal(pack(image), expected)
    assert gradcheck(pack, (image,), nondet_tol=1e-10)
    pack(image).sum().backward()
    assert pack.conv_offset.weight.grad.abs().max() > 0


def test_deform_conv_under_autocast(device: str) -> None:
    pack = ops.ModulatedDeformConv2dPack(4, 6, 3, padding=1).to(device)
    image = torch.randn(2, 4, 7, 6, device=device)
    with torch.autocast(device, dtype=torch.bfloat16):
        output = pack(image)
    assert output.dtype == torch.bfloat16
    torch.testing.assert_close(output.float(), pack(image), rtol=2**-6, atol=2**-6)
    output.float().sum().backward()
    low = pack.weight.grad.clone()
    pack.zero_grad()
    pack(image).sum().backward()
    torch.testing.assert_close(low, pack.weight.grad, rtol=2**-5, atol=2**-5)


def test_deform_conv_refuses_shapes_that_contradict_the_groups() -> None:
    image, offset, _, weight, _ = deform_inputs("cpu", *GEOMETRIES[0])
    with pytest.raises(ValueError, match="deform_groups=2 need 36 offset channels, got 18"):
        ops.deform_conv2d(image, offset, weight, 1, 1, 1, 1, 2)
    with pytest.raises(ValueError, match="groups=2 need a weight of 2 channels, got 4"):
        ops.deform_conv2d(image, offset, weight, 1, 1, 1, 2, 1)


def test_mmdet_resnet_with_deformable_convolutions(device: str) -> None:
    from mmdet.registry import MODELS

    model = MODELS.build(
        {
            "type": "mmdet.ResNet",
            "depth": 50,
            "norm_cfg": {"type": "BN", "requires_grad": True},
            "dcn": {"type": "DCNv2", "deform_groups": 1, "fallback_on_stride": False},
            "stage_with_dcn": (False, True, True, True),
        }
    ).to(device)
    outputs = model(torch.randn(2, 3, 64, 64, device=device))
    assert [tuple(x.shape) for x in outputs] == [
        (2, 256, 16, 16),
        (2, 512, 8, 8),
        (2, 1024, 4, 4),
        (2, 2048, 2, 2),
    ]
    sum(x.square().mean() for x in outputs).backward()
    deformable = [m for m in model.modules() if isinstance(m, ops.ModulatedDeformConv2dPack)]
    assert len(deformable) == 4 + 6 + 3
    for module in deformable:
        for parameter in module.parameters():
            assert parameter.grad.isfinite().all()
            assert parameter.grad.abs().max() > 0
