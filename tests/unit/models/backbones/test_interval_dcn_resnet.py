"""Deformable ResNets against torchvision's operator, and with interval 1 against mmdet's."""

import pytest
import torch
import torch.nn.functional as F
from mmdet.models.backbones import ResNet
from torchvision.ops import deform_conv2d

from condinst.models import IntervalDCNResNet
from condinst.registry import MODELS

DCN = dict(type="DCNv2", deform_groups=1)
SMALL = dict(depth=50, base_channels=8, dcn=DCN, stage_with_dcn=(False, True, True, True))


def randomized(model, seed=0):
    """Offsets of about a pixel, and weights and averages that keep activations near 1."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in model.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 2, generator=generator)
        elif "conv_offset.weight" in name:
            tensor.normal_(0, 0.05, generator=generator)
        elif tensor.dim() == 4:
            tensor.normal_(0, tensor[0].numel() ** -0.5, generator=generator)
        elif tensor.is_floating_point():
            tensor.normal_(1 if name.endswith("weight") else 0, 0.1, generator=generator)
    model.eval()  # mmdet's train() and eval() return nothing
    return model


def reference_block(state, name, x, stride, style):
    """A bottleneck, deformable where it has offsets."""

    def norm(x, which):
        names = ("running_mean", "running_var", "weight", "bias")
        return F.batch_norm(x, *(state[f"{name}.{which}.{n}"] for n in names))

    strides = (stride, 1) if style == "caffe" else (1, stride)
    out = F.conv2d(x, state[f"{name}.conv1.weight"], stride=strides[0])
    out = norm(out, "bn1").relu()
    weight = state[f"{name}.conv2.weight"]
    if f"{name}.conv2.conv_offset.weight" in state:
        offset = f"{name}.conv2.conv_offset"
        raw = F.conv2d(out, state[f"{offset}.weight"], state[f"{offset}.bias"], strides[1], 1)
        # the first 18 channels are (y, x) of the 9 cells, the others their modulation
        out = deform_conv2d(
            out, raw[:, :18], weight, stride=strides[1], padding=1, mask=raw[:, 18:].sigmoid()
        )
    else:
        out = F.conv2d(out, weight, stride=strides[1], padding=1)
    out = F.conv2d(norm(out, "bn2").relu(), state[f"{name}.conv3.weight"])
    out = norm(out, "bn3")
    if f"{name}.downsample.0.weight" in state:
        x = F.conv2d(x, state[f"{name}.downsample.0.weight"], stride=stride)
        x = norm(x, "downsample.1")
    return (out + x).relu()


@pytest.mark.parametrize("style", ["caffe", "pytorch"])
def test_features_are_those_of_the_definition(style):
    model = randomized(IntervalDCNResNet(style=style, **SMALL))
    state = model.state_dict()
    deformable = sorted({n.split(".conv2")[0] for n in state if "conv_offset" in n})
    # stages of 3, 4, 6 and 3 blocks
    assert deformable == ["layer2.0", "layer2.3", "layer3.0", "layer3.3", "layer4.0"]

    x = torch.randn(2, 3, 65, 96, generator=torch.Generator().manual_seed(1))
    outs = model(x)
    x = F.conv2d(x, state["conv1.weight"], stride=2, padding=3)
    names = ("running_mean", "running_var", "weight", "bias")
    x = F.max_pool2d(F.batch_norm(x, *(state[f"bn1.{n}"] for n in names)).relu(), 3, 2, 1)
    for stage, blocks in enumerate((3, 4, 6, 3)):
        for block in range(blocks):
            stride = 2 if stage and not block else 1
            x = reference_block(state, f"layer{stage + 1}.{block}", x, stride, style)
        torch.testing.assert_close(outs[stage], x, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("style", ["caffe", "pytorch"])
def test_with_interval_1_it_is_mmdets(style):
    theirs = randomized(ResNet(style=style, **SMALL))
    ours = IntervalDCNResNet(style=style, dcn_interval=1, **SMALL)
    ours.eval()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    x = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    gradients = []
    for model in (theirs, ours):
        outs = model(x)
        sum(out.square().mean() for out in outs).backward()
        gradients.append({name: p.grad for name, p in model.named_parameters()})
    for a, b in zip(ours(x), theirs(x), strict=True):
        assert torch.equal(a, b)
    for name, expected in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], expected, rtol=1e-4, atol=1e-6, msg=name)
    assert gradients[1]["layer4.2.conv2.conv_offset.weight"].abs().max() > 0


def test_offsets_start_at_zero():
    """So each deformable convolution starts as half of a plain one: sigmoid(0)."""
    model = IntervalDCNResNet(**SMALL)
    model.init_weights()
    offsets = [p for name, p in model.named_parameters() if "conv_offset" in name]
    assert len(offsets) == 10
    assert not any(offset.any() for offset in offsets)
    conv = model.layer2[3].conv2
    x = torch.randn(1, 16, 9, 9, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(conv(x), F.conv2d(x, conv.weight, padding=1) / 2, atol=1e-5, rtol=0)


def test_published_depth_has_its_deformable_blocks():
    """R-101 with interval 3: ceil(4 / 3) + ceil(23 / 3) + ceil(3 / 3) = 2 + 8 + 1."""
    model = MODELS.build(
        dict(type="IntervalDCNResNet", depth=101, base_channels=4, dcn=DCN, style="caffe")
    )
    assert sum("conv_offset.weight" in name for name in model.state_dict()) == 11
    assert model.layer3[21].conv2.conv_offset.weight.shape[0] == 27


def test_stages_are_frozen_and_norms_evaluated():
    model = IntervalDCNResNet(frozen_stages=2, norm_eval=True, **SMALL)
    model.train()
    trained = {name.split(".")[0] for name, p in model.named_parameters() if p.requires_grad}
    assert trained == {"layer3", "layer4"}
    assert not model.layer3[0].bn2.training

    model = IntervalDCNResNet(frozen_stages=-1, norm_eval=False, **SMALL)
    model.train()
    assert all(p.requires_grad for p in model.parameters())
    assert model.bn1.training


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(dcn_interval=0), r"dcn_interval=0: expected 1 or more"),
        (dict(stage_with_dcn=(True,)), r"stage_with_dcn=\(True,\): expected 4 values"),
        (dict(depth=34), r"depth=34: expected 50, 101 or 152"),
        (dict(dcn=dict(DCN, fallback_on_stride=True)), r"fallback_on_stride=True: expected False"),
    ],
)
def test_settings_that_do_not_fit_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        IntervalDCNResNet(**SMALL | change)


def test_the_config_is_not_changed():
    """mmdet takes fallback_on_stride out of the config's own dict."""
    dcn = dict(DCN, fallback_on_stride=False)
    IntervalDCNResNet(**SMALL | dict(dcn=dcn))
    assert dcn == dict(DCN, fallback_on_stride=False)
