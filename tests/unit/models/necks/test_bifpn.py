"""The neck against its definition written out node by node, and against the original's answers."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from condinst.models import BiFPN
from condinst.registry import MODELS

CHANNELS = [8, 12, 16, 20]  # C2 to C5
SMALL = dict(in_channels=CHANNELS, start_level=1, out_channels=6, num_layers=2)

# Inputs of each node in the order of computation; inputs of the layer are 0 to L - 1, the nodes
# follow. The first input's level, in brackets, is that of the node.
NODES = {
    2: [(0, [0, 1]), (1, [1, 2])],
    3: [(1, [1, 2]), (0, [0, 3]), (1, [1, 3, 4]), (2, [2, 5])],
    5: [
        (3, [3, 4]),
        (2, [2, 5]),
        (1, [1, 6]),
        (0, [0, 7]),
        (1, [1, 7, 8]),
        (2, [2, 6, 9]),
        (3, [3, 5, 10]),
        (4, [4, 11]),
    ],
}


def randomized(neck, seed=0):
    """Weights, among them fusion weights below zero, and running averages that all matter."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in neck.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 2, generator=generator)
        elif name.endswith("weights"):
            tensor.uniform_(-0.3, 1, generator=generator)
        elif tensor.is_floating_point():
            tensor.normal_(0, 0.3, generator=generator)
    return neck.eval()


def backbone_levels(size=(64, 96), batch=2, dtype=torch.float32):
    """C2 to C5 of an image: each level is half of the one before, rounded up."""
    generator = torch.Generator().manual_seed(1)
    levels, (height, width) = [], ((size[0] + 3) // 4, (size[1] + 3) // 4)
    for channels in CHANNELS:
        levels.append(torch.randn(batch, channels, height, width, generator=generator, dtype=dtype))
        height, width = (height + 1) // 2, (width + 1) // 2
    return levels


def conv_norm(state, name, x):
    weight, bias = state[f"{name}.conv.weight"], state.get(f"{name}.conv.bias")
    x = F.conv2d(x, weight, bias, padding=weight.shape[-1] // 2)
    mean, var = state[f"{name}.bn.running_mean"], state[f"{name}.bn.running_var"]
    return F.batch_norm(x, mean, var, state[f"{name}.bn.weight"], state[f"{name}.bn.bias"])


def at_size(x, size):
    if x.shape[-2] > size[0] or x.shape[-1] > size[1]:
        x = nn.MaxPool2d(3, 2, 1)(x)
    if x.shape[-2:] == size:
        return x
    rows = torch.arange(size[0]) * x.shape[-2] // size[0]
    cols = torch.arange(size[1]) * x.shape[-1] // size[1]
    return x[:, :, rows][:, :, :, cols]


def reference(neck, inputs, num_layers):
    state = neck.state_dict()
    levels = inputs[neck.start_level :]
    if "reduction.conv.weight" in state:
        levels = [*levels, F.max_pool2d(conv_norm(state, "reduction", levels[-1]), 3, 2, 1)]
    num_outs = len([n for n in state if n.startswith("layers.0.nodes") and n.endswith("weights")])
    num_outs = num_outs // 2 + 1
    while len(levels) < num_outs:
        levels.append(F.max_pool2d(levels[-1], 3, 2, 1))
    for i in range(num_layers):
        maps = [
            conv_norm(state, f"layers.{i}.laterals.{j}", level)
            if f"layers.{i}.laterals.{j}.conv.weight" in state
            else level
            for j, level in enumerate(levels)
        ]
        outs = {}
        for j, (level, numbers) in enumerate(NODES[num_outs]):
            size = levels[level].shape[-2:]
            weights = state[f"layers.{i}.nodes.{j}.weights"].clamp(min=0)
            weights = weights / (weights.sum() + 1e-4)
            stack = torch.stack([at_size(maps[n], size) for n in numbers], -1)
            fused = (stack * weights).sum(-1)
            maps.append(conv_norm(state, f"layers.{i}.nodes.{j}.conv", fused * fused.sigmoid()))
            outs[level] = maps[-1]
        levels = [outs[level] for level in range(num_outs)]
    return levels


@pytest.mark.parametrize("size", [(64, 96), (65, 97), (33, 250), (17, 20)])
def test_five_levels_follow_the_definition(size):
    neck = randomized(BiFPN(**SMALL))
    inputs = backbone_levels(size)
    outs = neck(inputs)
    assert len(outs) == 5
    for out, expected in zip(outs, reference(neck, inputs, 2), strict=True):
        torch.testing.assert_close(out, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("start_level", "num_outs"), [(2, 2), (1, 3), (2, 3)])
def test_other_numbers_of_levels(start_level, num_outs):
    neck = randomized(BiFPN(**SMALL | dict(start_level=start_level, num_outs=num_outs)))
    inputs = backbone_levels()
    for out, expected in zip(neck(inputs), reference(neck, inputs, 2), strict=True):
        torch.testing.assert_close(out, expected, rtol=1e-4, atol=1e-5)


def test_gradients_are_those_of_the_definition():
    neck = randomized(BiFPN(**SMALL)).double()
    inputs = [x.requires_grad_() for x in backbone_levels((40, 33), 1, torch.float64)]
    factors = [torch.randn_like(out) for out in neck(inputs)]
    found = torch.autograd.grad(
        sum((out * f).sum() for out, f in zip(neck(inputs), factors, strict=True)), inputs[1:]
    )
    expected = torch.autograd.grad(
        sum((out * f).sum() for out, f in zip(reference(neck, inputs, 2), factors, strict=True)),
        inputs[1:],
    )
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b)


def test_a_training_step_reaches_every_parameter():
    """The last layer's too; fusion weights at 1 pass their gradient."""
    neck = BiFPN(**SMALL).train()
    sum(out.square().sum() for out in neck(backbone_levels())).backward()
    for name, parameter in neck.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_parameters_of_the_published_size_and_their_names():
    """160 channels, 6 layers of 8 nodes, from ResNet-50's levels; counted by hand."""
    neck = BiFPN([256, 512, 1024, 2048], start_level=1)
    state = neck.state_dict()
    counted = {name.split(".")[-1] for name in state}
    assert counted == {"weight", "bias", "weights", "running_mean", "running_var"} | {
        "num_batches_tracked"
    }
    norm = 2 * 160
    reduction = 2048 * 160 + norm
    laterals = (512 + 1024 + 2048) * 160 + 3 * (160 + norm)
    nodes = 6 * (8 * (160 * 160 * 9 + norm) + 5 * 2 + 3 * 3)
    assert sum(p.numel() for p in neck.parameters()) == reduction + laterals + nodes
    assert state["layers.0.laterals.2.conv.bias"].shape == (160,)
    assert state["layers.5.nodes.4.weights"].tolist() == [1, 1, 1]
    assert "layers.1.laterals.0.conv.weight" not in state
    assert "reduction.conv.bias" not in state


def test_a_level_of_the_right_width_has_no_lateral():
    neck = BiFPN([6, 12], out_channels=6, num_outs=3, num_layers=1)
    assert sorted(neck.layers[0].laterals) == ["1"]


def test_levels_that_were_rounded_down_are_fused_too():
    """ConvNeXt and Swin halve odd sizes downwards, pooling upwards."""
    neck = BiFPN([4, 4], out_channels=4, num_outs=3, num_layers=1)
    outs = neck([torch.randn(2, 4, 11, 7), torch.randn(2, 4, 5, 3)])
    assert [tuple(out.shape[-2:]) for out in outs] == [(11, 7), (5, 3), (3, 2)]


def test_another_norm():
    neck = BiFPN([4, 4], out_channels=4, num_outs=2, norm_cfg=dict(type="GN", num_groups=2))
    assert isinstance(neck.layers[0].nodes[0].conv.gn, nn.GroupNorm)


def test_autocast_keeps_the_half_precision_type():
    neck = randomized(BiFPN(**SMALL))
    inputs = backbone_levels()
    expected = neck(inputs)
    with torch.autocast("cpu", torch.bfloat16):
        outs = neck(inputs)
    for out, full in zip(outs, expected, strict=True):
        assert out.dtype == torch.bfloat16
        assert (out.float() - full).abs().max() < 0.1 * full.abs().max()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(num_outs=2), r"neck.num_outs=2: expected 3 or more, for the 3 levels"),
        (dict(start_level=3, num_outs=1), r"neck.num_outs=1: expected 2 or more"),
        (dict(start_level=4), r"neck.start_level=4: expected 0 to 3"),
        (dict(num_layers=0), r"neck.num_layers=0: expected 1 or more"),
    ],
)
def test_settings_that_do_not_fit_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        MODELS.build(dict(type="BiFPN", **SMALL | change))


def test_a_backbone_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"in_channels=\[8, 12, 16, 20\].*levels have \[12, 16"):
        BiFPN(**SMALL)(backbone_levels()[1:])
