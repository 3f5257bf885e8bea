"""Backbone weights: a network of torchvision's is the oracle for every layout."""

import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet.models.backbones import ResNet
from torch import nn
from torchvision.models import resnet50

from condinst.checkpoints import convert_file, detect_layout, to_condinst

EPS = 1e-5
# torchvision's names in MSRA's: the branches of a block, and its shortcut
BRANCHES = {"1": "2a", "2": "2b", "3": "2c"}


@pytest.fixture(scope="module")
def network() -> nn.Module:
    """torchvision's ResNet-50 with random weights and statistics."""
    torch.manual_seed(0)
    network = resnet50(weights=None)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.0)
            nn.init.normal_(module.bias, 0, 0.2)
    return network.eval()


def features(network: nn.Module, image: torch.Tensor) -> list[torch.Tensor]:
    with torch.no_grad():
        x = network.maxpool(network.relu(network.bn1(network.conv1(image))))
        outs = []
        for stage in (network.layer1, network.layer2, network.layer3, network.layer4):
            x = stage(x)
            outs.append(x)
    return outs


def check_features(network: nn.Module, file: Path) -> None:
    """mmdet's ResNet loads the file as a config says it, and answers as torchvision's."""
    backbone = ResNet(50, init_cfg=dict(type="Pretrained", checkpoint=str(file)))
    backbone.init_weights()
    backbone.eval()
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        found = backbone(image)
    for ours, theirs in zip(found, features(network, image), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=2e-5 * theirs.abs().max().item())


def msra_name(name: str) -> str:
    """``layer1.0.conv2`` -> ``res2_0_branch2b``; norms likewise, with _bn."""
    if name in ("conv1", "bn1"):
        return {"conv1": "conv1", "bn1": "res_conv1_bn"}[name]
    layer, block, *part = name.split(".")
    branch = "1" if part[0] == "downsample" else BRANCHES[part[0][-1]]
    norm = part[-1] == "1" if part[0] == "downsample" else part[0].startswith("bn")
    return f"res{int(layer[-1]) + 1}_{block}_branch{branch}{'_bn' if norm else ''}"


def caffe2_blobs(network: nn.Module) -> dict[str, np.ndarray]:
    """A network by MSRA's names, each norm folded by hand to a scale and a bias."""
    blobs = {"fc1000_w": network.fc.weight, "fc1000_b": network.fc.bias}
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            blobs[f"{msra_name(name)}_w"] = module.weight
            blobs[f"{msra_name(name)}_w_momentum"] = torch.zeros_like(module.weight)
        elif isinstance(module, nn.BatchNorm2d):
            scale = module.weight / (module.running_var + EPS).sqrt()
            blobs[f"{msra_name(name)}_b"] = module.bias - module.running_mean * scale
            # the reader's norm divides by the root of 1 + EPS
            blobs[f"{msra_name(name)}_s"] = scale * (1 + EPS) ** 0.5
    return {name: tensor.detach().numpy() for name, tensor in blobs.items()}


class Python2Pickler(pickle._Pickler):
    """Writes as Python 2 did: text and bytes are the same kind of string."""

    dispatch = pickle._Pickler.dispatch.copy()

    def save_string(self, value) -> None:
        data = value.encode("latin1") if isinstance(value, str) else value
        self.write(pickle.BINSTRING + struct.pack("<i", len(data)) + data)
        self.memoize(value)

    dispatch[str] = dispatch[bytes] = save_string


def dump_as_python2(content: object, file: Path) -> None:
    with file.open("wb") as stream:
        Python2Pickler(stream, protocol=2).dump(content)
    data = file.read_bytes().replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    file.write_bytes(data)
    assert b"_codecs" not in data


@pytest.mark.parametrize("container", [False, True])
def test_msra_s_pickle_of_caffe2(network, tmp_path, container):
    blobs = caffe2_blobs(network)
    assert "res4_5_branch2c_bn_s" in blobs
    dump_as_python2({"blobs": blobs} if container else blobs, tmp_path / "R-50.pkl")
    done = convert_file(tmp_path / "R-50.pkl", tmp_path / "r50.pth")
    assert done.layout == "caffe2-backbone"
    assert {"fc1000_w", "fc1000_b", "conv1_w_momentum"} <= {*done.dropped}
    check_features(network, tmp_path / "r50.pth")


def test_a_bias_of_the_first_convolution_goes_into_its_norm():
    blobs = {
        "conv1_w": torch.ones(2, 3, 7, 7),
        "conv1_b": torch.tensor([1.0, 2.0]),
        "res_conv1_bn_s": torch.tensor([3.0, 4.0]),
        "res_conv1_bn_b": torch.tensor([5.0, 6.0]),
        "res2_0_branch1_w": torch.ones(1, 1, 1, 1),
    }
    ours = to_condinst(blobs)
    assert ours["bn1.bias"].tolist() == [8.0, 14.0]  # 3 (x + 1) + 5, 4 (x + 2) + 6
    assert ours["bn1.weight"].tolist() == [3.0, 4.0]
    assert ours["bn1.running_mean"].tolist() == [0.0, 0.0]
    assert ours["bn1.running_var"].tolist() == [1.0, 1.0]


def detectron2_name(name: str) -> str:
    """torchvision's name in detectron2's, as its converter of torchvision models replaces words."""
    if not name.startswith("layer"):
        name = f"stem.{name}"
    for i in (4, 3, 2, 1):
        name = name.replace(f"layer{i}", f"res{i + 1}").replace(f"bn{i}", f"conv{i}.norm")
    return name.replace("downsample.0", "shortcut").replace("downsample.1", "shortcut.norm")


@pytest.mark.parametrize("prefix", ["", "backbone.bottom_up."])
def test_detectron2_s_pickle_of_torchvision_s(network, tmp_path, prefix):
    model = {
        prefix + detectron2_name(name): tensor.numpy()
        for name, tensor in network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    content = {"model": model, "__author__": "torchvision", "matching_heuristics": True}
    (tmp_path / "R-50.pkl").write_bytes(pickle.dumps(content))
    done = convert_file(tmp_path / "R-50.pkl", tmp_path / "r50.pth")
    assert done.layout == "detectron2-backbone"
    assert {*done.dropped} == {f"{prefix}stem.fc.weight", f"{prefix}stem.fc.bias"}
    assert done.not_kept == ("__author__", "matching_heuristics")
    check_features(network, tmp_path / "r50.pth")


def test_torchvision_s(network, tmp_path):
    torch.save(network.state_dict(), tmp_path / "resnet50.pth")
    done = convert_file(tmp_path / "resnet50.pth", tmp_path / "r50.pth")
    assert done.layout == "torchvision-backbone"
    assert done.dropped == ("fc.weight", "fc.bias")
    check_features(network, tmp_path / "r50.pth")


@pytest.mark.parametrize(
    ("known", "unknown"),
    [
        ("res2_0_branch1_w", "res2_0_branch3_w"),
        ("stem.conv1.weight", "res2.0.conv4.weight"),
        ("layer1.0.conv1.weight", "layer1.0.se.weight"),
    ],
)
def test_unknown_tensors_of_a_backbone_are_listed(known, unknown):
    weights = {"conv1.weight": torch.zeros(1)} if known.startswith("layer") else {}
    weights |= {known: torch.zeros(1), unknown: torch.zeros(2, 3)}
    assert detect_layout(weights).endswith("-backbone")
    with pytest.raises(ValueError, match=rf"^tensors .* \(1\):\n  {unknown} \(2, 3\) has no"):
        to_condinst(weights)
