"""The dynamic network against a plain per-instance, per-layer reference in float64."""

import pytest
import torch
from mmdet.models.utils import aligned_bilinear

from condinst.models.dynamic_conv import dynamic_network as module
from condinst.models.dynamic_conv.dynamic_network import (
    dynamic_conv,
    layer_channels,
    num_dynamic_params,
    split_params,
)
from condinst.models.upsample import aligned_upsample


def reference(features, params, points, scales, channels, stride):
    """Build every instance's input, then run its layers one weight at a time."""
    num_features, height, width = features.shape
    logits = []
    for vector, point, scale in zip(params, points, scales, strict=True):
        x = torch.empty(2 + num_features, height, width, dtype=features.dtype)
        for row in range(height):
            for col in range(width):
                x[0, row, col] = (point[0] - (col + 0.5) * stride) / scale
                x[1, row, col] = (point[1] - (row + 0.5) * stride) / scale
        x[2:] = features
        sizes = [a * b for a, b in zip(channels[:-1], channels[1:], strict=True)]
        weights = vector[: sum(sizes)].split(sizes)
        biases = vector[sum(sizes) :].split(channels[1:])
        for i, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
            matrix = weight.reshape(channels[i + 1], channels[i])
            x = torch.einsum("oi,ihw->ohw", matrix, x) + bias[:, None, None]
            if i < len(weights) - 1:
                x = x.clamp(min=0)
        logits.append(x[0])
    return torch.stack(logits)


def draw(features, params, points, scales, channels, stride):
    """All instances on one image."""
    return dynamic_conv(features[None], params, points, scales, [len(params)], channels, stride)


def inputs(num_instances, num_features, hidden, layers, dtype=torch.float64, size=(5, 7)):
    generator = torch.Generator().manual_seed(1)

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)

    num_params = num_dynamic_params(num_features, hidden, layers)
    points = normal(num_instances, 2) * 20 + 30
    scales = torch.tensor([64.0, 128.0, 512.0], dtype=dtype).repeat(num_instances)[:num_instances]
    return normal(num_features, *size), normal(num_instances, num_params), points, scales


@pytest.mark.parametrize(
    ("num_features", "hidden", "layers"), [(8, 8, 3), (16, 4, 3), (3, 5, 2), (2, 3, 5), (4, 7, 1)]
)
def test_equals_the_reference_for_any_shape_of_network(num_features, hidden, layers):
    features, params, points, scales = inputs(4, num_features, hidden, layers)
    channels = layer_channels(num_features, hidden, layers)
    expected = reference(features, params, points, scales, channels, 8)
    actual = draw(features, params, points, scales, channels, 8)
    torch.testing.assert_close(actual, expected, rtol=1e-10, atol=1e-10)


def test_each_instance_reads_the_features_of_its_image():
    features, params, points, scales = inputs(5, 8, 8, 3)
    batch = torch.stack([features, features * 2, features - 1])
    channels = layer_channels(8, 8, 3)
    expected = [
        reference(batch[i], params[part], points[part], scales[part], channels, 8)
        for i, part in ((0, slice(0, 2)), (2, slice(2, 5)))
    ]
    actual = dynamic_conv(batch, params, points, scales, [2, 0, 3], channels, 8)
    torch.testing.assert_close(actual, torch.cat(expected), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("elements", [1, 64 * 5 * 4, 2**19])
def test_tiles_change_nothing(monkeypatch, elements):
    """A map of 20 x 30 in tiles of 64, 80 and all of its locations; gradients too."""
    monkeypatch.setitem(module._TILE_ELEMENTS, "cpu", elements)
    features, params, points, scales = inputs(4, 3, 4, 3, size=(20, 30))
    channels = layer_channels(3, 4, 3)
    leaves = [x.requires_grad_() for x in (features, params)]
    expected = reference(*leaves, points, scales, channels, 8)
    actual = draw(*leaves, points, scales, channels, 8)
    torch.testing.assert_close(actual, expected)
    weights = torch.randn(4, 20, 30, generator=torch.Generator().manual_seed(2)).double()
    for grad, expected_grad in zip(
        torch.autograd.grad((actual * weights).sum(), leaves),
        torch.autograd.grad((expected * weights).sum(), leaves),
        strict=True,
    ):
        torch.testing.assert_close(grad, expected_grad)


@pytest.mark.parametrize("defect", [None, "wrong", "broken"])
def test_fused_kernels_are_used_where_they_agree_with_the_plain_path(monkeypatch, defect):
    """On a machine without a GPU, another function stands for the kernels."""

    def fused(features, params, points, scales, inds, channels, stride):
        calls.append(len(params))
        if defect == "broken":
            raise RuntimeError("PTX of a newer version")
        counts = torch.bincount(inds, minlength=len(features)).tolist()
        logits = module._tiled_dynamic_conv(
            features, params, points, scales, counts, channels, stride
        )
        return logits * 1.1 if defect == "wrong" else logits

    calls = []
    monkeypatch.setattr(module, "fused_dynamic_conv", fused)
    monkeypatch.setattr(module, "is_applicable", lambda *args: True)
    module._fused_is_right.cache_clear()
    features, params, points, scales = inputs(4, 8, 8, 3, dtype=torch.float32)
    arguments = (torch.stack([features] * 3), params, points, scales, [1, 0, 3], [10, 8, 8, 1], 8)
    expected = module._tiled_dynamic_conv(*arguments)
    try:
        if defect is None:
            for _ in range(2):
                torch.testing.assert_close(dynamic_conv(*arguments), expected)
            assert calls == [3, 4, 4]  # asked once, then used
        else:
            reason = "differ by" if defect == "wrong" else "RuntimeError: PTX"
            with pytest.warns(UserWarning, match=f"not used on cpu.*{reason}"):
                torch.testing.assert_close(dynamic_conv(*arguments), expected)
            torch.testing.assert_close(dynamic_conv(*arguments), expected)
            assert calls == [3]
    finally:
        module._fused_is_right.cache_clear()


def test_gradients_are_those_of_the_function():
    features, params, points, scales = inputs(2, 3, 4, 3, size=(3, 4))
    channels = layer_channels(3, 4, 3)
    features.requires_grad_()
    params.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda f, p: draw(f, p, points, scales, channels, 8), (features, params)
    )


def test_float32_far_from_the_origin_stays_close_to_float64():
    """Relative coordinates are differences of large numbers, taken after the products."""
    features, params, points, scales = inputs(6, 8, 8, 3, size=(10, 160))
    points = points + torch.tensor([1200.0, 700.0])
    channels = layer_channels(8, 8, 3)
    expected = draw(features, params, points, scales, channels, 8)
    actual = draw(features.float(), params.float(), points.float(), scales.float(), channels, 8)
    torch.testing.assert_close(actual.double(), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_inputs_are_computed_in_float32_under_autocast(dtype):
    features, params, points, scales = inputs(3, 8, 8, 3, dtype=torch.float32)
    features, params = features.to(dtype), params.to(dtype)
    channels = layer_channels(8, 8, 3)
    expected = reference(
        features.double(), params.double(), points.double(), scales.double(), channels, 8
    )
    with torch.autocast("cpu", dtype=torch.bfloat16):
        actual = draw(features, params, points, scales, channels, 8)
    assert actual.dtype == torch.float32
    torch.testing.assert_close(actual.double(), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("layers", [1, 3])
def test_no_instances_give_no_masks_but_stay_in_the_graph(layers):
    features, params, points, scales = inputs(0, 8, 8, layers, dtype=torch.float32)
    features.requires_grad_()
    params.requires_grad_()
    logits = draw(features, params, points, scales, layer_channels(8, 8, layers), 8)
    assert logits.shape == (0, 5, 7)
    logits.sum().backward()
    assert features.grad is not None
    assert not features.grad.any()


def test_parameter_counts_are_the_papers():
    """169 = (2 + 8) * 8 + 8, 8 * 8 + 8, 8 + 1; BoxInst's 16 channels make 593."""
    assert num_dynamic_params(8, 8, 3) == 169
    assert num_dynamic_params(16, 16, 3) == 593


def test_layout_is_weights_of_all_layers_then_biases():
    weights, biases = split_params(torch.arange(1.0, 10.0)[None], [2, 2, 1])
    assert weights[0].tolist() == [[[1, 2], [3, 4]]]
    assert weights[1].tolist() == [[[5, 6]]]
    assert biases[0].flatten().tolist() == [7, 8]
    assert biases[1].flatten().tolist() == [9]


def test_wrong_number_of_parameters_names_both_numbers():
    with pytest.raises(ValueError, match="needs 169 .* got 170"):
        split_params(torch.zeros(1, 170), layer_channels(8, 8, 3))


@pytest.mark.parametrize("bad", [(0, 8, 3), (8, 0, 3), (8, 8, 0)])
def test_empty_networks_are_refused(bad):
    with pytest.raises(ValueError, match="expected 1 or more of each"):
        layer_channels(*bad)


@pytest.mark.parametrize("factor", [1, 2, 4, 8])
@pytest.mark.parametrize("size", [(1, 1), (3, 5), (13, 8)])
def test_upsampling_equals_mmdets(factor, size):
    maps = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(aligned_upsample(maps, factor), aligned_bilinear(maps, factor))


def test_upsampling_by_hand():
    """Column i reads (i - 1) / 2, kept inside the map."""
    row = aligned_upsample(torch.tensor([[[[0.0, 10.0, 40.0]]]]), 2)[0, 0, 0]
    assert row.tolist() == [0, 0, 5, 10, 25, 40]
