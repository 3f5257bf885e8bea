"""timm's models as backbones: the same features as timm's, torchvision's and mmdet's own."""

import sys

import pytest
import timm
import torch
from mmdet.models.backbones import ResNet
from torch import nn

from condinst.models import TimmBackbone
from condinst.registry import MODELS

# NAME: channels of the levels with strides 4, 8, 16 and 32, from the papers' tables
MODELS_OF_MANY_KINDS = {
    "resnet18": [64, 128, 256, 512],
    "convnext_atto": [40, 80, 160, 320],
    "mobilenetv3_large_100": [24, 40, 112, 960],
    "efficientnet_lite0": [24, 40, 112, 320],
    "swin_tiny_patch4_window7_224": [96, 192, 384, 768],
    "pvt_v2_b0": [32, 64, 160, 256],
    "regnetx_002": [24, 56, 152, 368],
}


def image(height=96, width=128, channels=3):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, channels, height, width, generator=generator)


def settled(model, seed=0):
    """Running averages as training leaves them."""
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1, generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
    model.eval()
    return model


@pytest.mark.parametrize(("name", "channels"), MODELS_OF_MANY_KINDS.items())
def test_levels_of_models_of_many_kinds(name, channels):
    backbone = MODELS.build(dict(type="TimmBackbone", model_name=name)).train()
    assert backbone.out_channels == channels
    assert backbone.strides == [4, 8, 16, 32]
    levels = backbone(image())
    shapes = [tuple(level.shape) for level in levels]
    sizes = [(24, 32), (12, 16), (6, 8), (3, 4)]
    assert shapes == [(2, c, *size) for c, size in zip(channels, sizes, strict=True)]
    sum(level.square().mean() for level in levels).backward()
    unused = [n for n, p in backbone.named_parameters() if p.grad is None]
    assert unused == []  # distributed training would wait for them


@pytest.mark.parametrize("name", ["convnext_atto", "swin_tiny_patch4_window7_224"])
def test_features_are_those_of_timms_whole_model(name, tmp_path):
    """Swin's are channels-last inside, and the whole model takes one size of images alone."""
    torch.manual_seed(0)
    whole = settled(timm.create_model(name, num_classes=7))
    torch.save(whole.state_dict(), tmp_path / "weights.pth")
    backbone = TimmBackbone(name, checkpoint_path=str(tmp_path / "weights.pth")).eval()
    backbone.init_weights()
    levels = backbone(image(224, 224))
    expected = whole.forward_intermediates(image(224, 224), intermediates_only=True)
    for level, other in zip(levels, expected, strict=True):
        torch.testing.assert_close(level, other, rtol=1e-5, atol=1e-5)


def test_resnet18_with_torchvisions_weights_is_torchvisions_and_mmdets(tmp_path):
    from torchvision.models import resnet18
    from torchvision.models.feature_extraction import create_feature_extractor

    torch.manual_seed(0)
    theirs = settled(resnet18())
    torch.save({"state_dict": theirs.state_dict()}, tmp_path / "resnet18.pth")
    ours = TimmBackbone("resnet18", checkpoint_path=str(tmp_path / "resnet18.pth")).eval()
    ours.init_weights()
    mmdets = ResNet(depth=18)
    mmdets.load_state_dict(theirs.state_dict(), strict=False)
    mmdets.eval()

    nodes = [f"layer{i}" for i in (1, 2, 3, 4)]
    x = image(97, 130)
    expected = create_feature_extractor(theirs, nodes)(x)
    for level, node, other in zip(ours(x), nodes, mmdets(x), strict=True):
        torch.testing.assert_close(level, expected[node], rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(level, other, rtol=1e-5, atol=1e-5)


def test_chosen_levels_and_settings_of_timm():
    backbone = TimmBackbone("resnet18", out_indices=(0, 3), output_stride=16)
    assert backbone.out_channels == [64, 256]
    assert [tuple(x.shape) for x in backbone(image())] == [(2, 64, 48, 64), (2, 256, 6, 8)]


def test_frozen_stages_and_norms():
    """The stem and layer1, as in mmdet's ResNet with frozen_stages=1."""
    backbone = TimmBackbone("resnet18", frozen_stages=1, norm_eval=True).train()
    trained = {n.split(".")[1] for n, p in backbone.named_parameters() if p.requires_grad}
    assert trained == {"layer2", "layer3", "layer4"}
    norms = [m for m in backbone.modules() if isinstance(m, nn.BatchNorm2d)]
    assert len(norms) == 20
    assert not any(norm.training for norm in norms)
    assert backbone.net.layer2.training

    backbone = TimmBackbone("resnet18", frozen_stages=0).train()
    frozen = {n for n, p in backbone.named_parameters() if not p.requires_grad}
    assert frozen == {"net.conv1.weight", "net.bn1.weight", "net.bn1.bias"}
    assert not backbone.net.bn1.training
    assert backbone.net.layer1[0].bn1.training

    everything = TimmBackbone("resnet18").train()
    assert all(p.requires_grad for p in everything.parameters())
    assert everything.net.bn1.training


@pytest.mark.parametrize(
    ("name", "first_trained"),
    [
        ("convnext_atto", "net.stages_1."),
        ("mobilenetv3_large_100", "net.blocks.1."),
        ("swin_tiny_patch4_window7_224", "net.layers_1."),
    ],
)
def test_the_first_level_is_frozen_in_other_models(name, first_trained):
    backbone = TimmBackbone(name, frozen_stages=0)
    frozen = [not p.requires_grad for _, p in backbone.named_parameters()]
    names = [n for n, _ in backbone.named_parameters()]
    first = next(i for i, n in enumerate(names) if n.startswith(first_trained))
    assert first > 0
    assert frozen == [True] * first + [False] * (len(names) - first)


def test_a_frozen_level_drops_no_paths():
    """It would be another one at every step; the levels behind it keep their dropping."""
    backbone = TimmBackbone("convnext_atto", frozen_stages=0, drop_path_rate=0.9).train()
    with torch.no_grad():
        for name, parameter in backbone.named_parameters():
            if name.endswith("gamma"):  # near zero at the start, which would hide the paths
                parameter.fill_(1)
        first, second = backbone(image()), backbone(image())
    assert torch.equal(first[0], second[0])
    assert not torch.equal(first[3], second[3])


def test_weights_of_a_file_are_adapted_to_other_channels(tmp_path):
    """timm sums the three channels' weights for one; those of five are kept."""
    torch.manual_seed(0)
    color, five = timm.create_model("resnet18"), timm.create_model("resnet18", in_chans=5)
    path = tmp_path / "weights.pth"
    torch.save(color.state_dict(), path)
    gray = TimmBackbone("resnet18", checkpoint_path=str(path), in_channels=1)
    gray.init_weights()
    expected = color.conv1.weight.sum(1, keepdim=True)
    torch.testing.assert_close(gray.net.conv1.weight, expected)
    assert torch.equal(gray.net.layer4[1].conv2.weight, color.layer4[1].conv2.weight)

    torch.save(five.state_dict(), path)
    own = TimmBackbone("resnet18", checkpoint_path=str(path), in_channels=5)
    own.init_weights()
    assert torch.equal(own.net.conv1.weight, five.conv1.weight)


def test_safetensors_and_the_original_authors_names(tmp_path):
    """timm renames ConvNeXt's published layout; made here by the inverse renaming."""
    from safetensors.torch import save_file

    torch.manual_seed(0)
    whole = timm.create_model("convnext_atto", num_classes=7)
    original = {}
    for name, value in whole.state_dict().items():
        for ours, theirs in (
            ("stem.", "downsample_layers.0."),
            ("head.norm.", "norm."),
            ("head.fc.", "head."),
            ("mlp.fc", "pwconv"),
            ("conv_dw", "dwconv"),
        ):
            name = name.replace(ours, theirs)
        parts = name.split(".")
        if parts[0] == "stages" and parts[2] == "downsample":
            name = f"downsample_layers.{parts[1]}.{'.'.join(parts[3:])}"
        elif parts[0] == "stages":
            name = f"stages.{parts[1]}.{'.'.join(parts[3:])}"
        original[name] = value.contiguous()
    save_file(original, tmp_path / "convnext.safetensors")
    backbone = TimmBackbone("convnext_atto", checkpoint_path=str(tmp_path / "convnext.safetensors"))
    backbone.init_weights()
    x = image(64, 64)
    expected = whole.eval().forward_intermediates(x, intermediates_only=True)[-1]
    torch.testing.assert_close(backbone.eval()(x)[-1], expected, rtol=1e-5, atol=1e-5)


def test_a_file_that_does_not_fit_is_refused_by_name(tmp_path):
    """ResNet-101 has all tensors of ResNet-50, and more."""
    path = tmp_path / "weights.pth"
    torch.save(timm.create_model("resnet101").state_dict(), path)
    bigger = TimmBackbone("resnet50", checkpoint_path=str(path))
    with pytest.raises(ValueError, match=r"weights.pth: not .* 'resnet50': .*unknown \(layer3.6"):
        bigger.init_weights()
    other = TimmBackbone("resnet18", checkpoint_path=str(path))
    with pytest.raises(ValueError, match=r"layer1.0.conv1.weight \(64, 64, 1, 1\), expected"):
        other.init_weights()
    part = timm.create_model("resnet18").state_dict()
    del part["layer3.0.conv1.weight"]
    torch.save(part, path)
    with pytest.raises(ValueError, match=r"1 missing \(layer3.0.conv1.weight\)"):
        other.init_weights()


def test_files_that_are_no_weights_are_refused_by_name(tmp_path):
    path = tmp_path / "weights.pth"
    backbone = TimmBackbone("resnet18", checkpoint_path=str(path))
    with pytest.raises(FileNotFoundError, match=r"checkpoint_path=.*weights.pth"):
        backbone.init_weights()
    torch.save(timm.create_model("resnet18").state_dict(), path)
    path.write_bytes(path.read_bytes()[:100000])
    with pytest.raises(ValueError, match=r"weights.pth: cannot be read as weights"):
        backbone.init_weights()
    torch.save({"epoch": 3}, path)
    with pytest.raises(ValueError, match=r"weights.pth: expected a dict of tensors"):
        backbone.init_weights()


def test_weights_that_cannot_be_fetched_are_one_clear_error(monkeypatch, tmp_path):
    """Built without a network; only a training that starts needs the weights."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    backbone = TimmBackbone("resnet18", pretrained=True)
    with pytest.raises(ConnectionError, match=r"pretrained=True: .* 'resnet18' could not be"):
        backbone.init_weights()


def test_weights_that_timm_has_are_loaded():
    """timm's own way of loading, with a state dict in the place of the fetched one."""
    torch.manual_seed(0)
    whole = timm.create_model("resnet18", num_classes=1000)
    overlay = dict(state_dict=whole.state_dict())
    backbone = TimmBackbone("resnet18", pretrained=True, pretrained_cfg_overlay=overlay)
    assert not torch.equal(backbone.net.conv1.weight, whole.conv1.weight)
    backbone.init_weights()
    for name, value in backbone.net.state_dict().items():
        assert torch.equal(value, whole.state_dict()[name]), name


def test_weights_from_init_cfg(tmp_path):
    """A checkpoint of a detector, whose backbone's tensors are taken."""
    torch.manual_seed(0)
    source = TimmBackbone("resnet18")
    state = {f"backbone.{name}": value for name, value in source.state_dict().items()}
    torch.save({"state_dict": state}, tmp_path / "detector.pth")
    cfg = dict(type="Pretrained", checkpoint=str(tmp_path / "detector.pth"), prefix="backbone.")
    backbone = TimmBackbone("resnet18", init_cfg=cfg)
    backbone.init_weights()
    assert torch.equal(backbone.net.conv1.weight, source.net.conv1.weight)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(model_name="resnet81"), r"'resnet81': timm .* no such model; did you mean resnet18"),
        (dict(model_name="qqq"), r"'qqq': .* see timm.list_models"),
        (
            dict(model_name="resnet18.qqq"),
            r"no such weights; expected one of resnet18, resnet18.a1",
        ),
        (dict(model_name="vit_tiny_patch16_224"), r"strides \[16, 16.*expected \[4, 8, 16, 32\]"),
        (dict(model_name="levit_128s"), r"'levit_128s' is made for images of \(224, 224\)"),
        (dict(out_indices=(1, 9)), r"out_indices=\(1, 9\): expected indices from 0 to 4"),
        (dict(out_indices=(3, 1)), r"out_indices=\(3, 1\): expected increasing"),
        (dict(out_indices=()), r"out_indices=\(\): expected increasing"),
        (dict(frozen_stages=5), r"frozen_stages=5: expected -1 to 4"),
        (dict(pretrained=True, checkpoint_path="f"), r"pretrained and backbone.checkpoint_path"),
        (
            dict(model_name="convnext_atto_rms", pretrained=True),
            r"timm has no weights for 'convnext_atto_rms'",
        ),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        TimmBackbone(**dict(model_name="resnet18") | settings).init_weights()


def test_without_timm_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ImportError, match="pip install timm"):
        TimmBackbone("resnet18")


def test_an_old_timm_is_refused(monkeypatch):
    monkeypatch.setattr(timm, "__version__", "1.0.9")
    with pytest.raises(ImportError, match=r"needs timm 1.0.31 or later, found 1.0.9"):
        TimmBackbone("resnet18")
