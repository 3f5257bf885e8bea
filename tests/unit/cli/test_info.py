"""condinst info: parameters and FLOPs by hand and by torchvision's figures, memory by bounds."""

import json
import logging
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.logging import MMLogger
from torch import nn
from torchvision.models import ResNet18_Weights

from condinst.cli import info
from condinst.cli.common import read_config
from condinst.cli.main import main
from condinst.config.build import build_model
from condinst.info import count_flops, count_parameters

REPO = Path(__file__).resolve().parents[3]
SMALL = REPO / "tests" / "helpers" / "small_condinst.py"
RESNET18 = {
    "model.backbone.base_channels": 64,
    "model.backbone.frozen_stages": 1,
    "model.neck.in_channels": [64, 128, 256, 512],
}
CLASSIFIER = 512 * 1000  # weights of torchvision's last layer, which no detector has


@pytest.fixture(scope="module")
def resnet18():
    return build_model(read_config(str(SMALL), RESNET18))


@pytest.fixture(scope="module")
def small():
    return build_model(read_config(str(SMALL)))


def test_the_log_keeps_its_level():
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel(logging.INFO)
    try:
        info.describe(read_config(str(SMALL)), size=(64, 64), memory=False)
        assert logger.level == logging.INFO
    finally:
        logger.setLevel(level)


def test_parameters_of_resnet18(resnet18):
    published = ResNet18_Weights.IMAGENET1K_V1.meta["num_params"]
    assert published == 11_689_512
    backbone = count_parameters(resnet18)["backbone"]
    assert backbone.total == published - CLASSIFIER - 1000
    # frozen: conv1 (7 x 7, 3 -> 64) and its norm; layer1's four 3 x 3, 64 -> 64, and their norms
    frozen = 49 * 3 * 64 + 2 * 64 + 4 * (9 * 64 * 64 + 2 * 64)
    assert backbone.trainable == backbone.total - frozen


def test_flops_of_resnet18(resnet18):
    multiply_adds = ResNet18_Weights.IMAGENET1K_V1.meta["_ops"] * 1e9  # of 224 x 224, 4 digits
    backbone = count_flops(resnet18, (224, 224)).parts["backbone"]
    assert backbone / 2 + CLASSIFIER == pytest.approx(multiply_adds, rel=5e-4)


def test_flops_of_one_instance(small):
    """Two operations for each weight of the dynamic network at each of 8 x 12 locations."""
    network = 2 * (8 * 12) * (10 * 8 + 8 * 8 + 8 * 1)
    point_into_bias = 2 * 8 * 2
    controller = 2 * 9 * 32 * 169
    flops = count_flops(small, (64, 96))
    assert flops.per_instance == network + point_into_bias + controller


def _by_hand(model: nn.Module, size: tuple[int, int]) -> int:
    """Two operations for each output and each weight that it is made of, as a prediction runs."""
    total = 0

    def add(module, inputs, output) -> None:
        nonlocal total
        total += 2 * output.numel() * module.weight[0].numel()

    hooks = [
        module.register_forward_hook(add)
        for module in model.modules()
        if getattr(module, "weight", None) is not None and module.weight.dim() == 4
    ]
    with torch.no_grad():
        feats = model.extract_feat(torch.zeros(1, 3, *size))
        model.bbox_head(feats)
        model.mask_head.mask_feature_head(feats)
    for hook in hooks:
        hook.remove()
    return total


@pytest.mark.parametrize(
    "options",
    [
        {},
        {
            "model.backbone.dcn": dict(type="DCNv2", deform_groups=1, fallback_on_stride=False),
            "model.backbone.stage_with_dcn": (False, True, True, True),
        },
    ],
)
def test_flops_of_the_network(options):
    if options:  # deformable blocks need bottlenecks
        depth = {"model.backbone.depth": 50, "model.neck.in_channels": [64, 128, 256, 512]}
        options = options | depth
    model = build_model(read_config(str(SMALL), options)).eval()
    assert count_flops(model, (64, 96)).network == _by_hand(model, (64, 96))


@pytest.mark.long
def test_what_is_said():
    """Memory has bounds: AdamW keeps two numbers beside the gradient of each weight.

    In a process of its own: one that has freed memory before may find room in it.
    """
    words = ["info", str(SMALL), "--size", "64", "80", "--device", "cpu", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "condinst", *words], check=True, capture_output=True, text=True
    )
    found = json.loads(done.stdout)
    first, second = done.stderr.splitlines()
    assert (first, second.split()[0]) == ("building the model ...", "measuring")
    assert found["classes"] == ["circle", "rectangle", "triangle", "star", "ring"]
    assert found["feature_strides"] == [8, 16, 32, 64, 128]
    assert found["mask_stride"] == 4
    assert found["test_cfg"]["max_per_img"] == 20
    assert found["flops"]["size"] == [64, 96]  # padded to multiples of 32
    parameters, memory = found["parameters"], found["memory"]
    assert parameters["total"] == sum(part["total"] for part in parameters["parts"].values())
    assert memory["weights"] >= 4 * parameters["total"]
    assert memory["instances"] == 20
    assert memory["training"] >= 3 * 4 * parameters["trainable"]
    assert 0 < memory["prediction"] < memory["training"]


def test_the_report(capsys):
    assert main(["info", str(SMALL), "--no-memory"]) == 0
    out = capsys.readouterr().out
    assert "CondInst, ResNet, FPN" in out
    assert "FLOPs of an input of 96 x 96" in out
    assert "memory" not in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--size", "0", "64"], "--size 0 64: expected at least 32 pixels"),
        (["--batch-size", "0"], "--batch-size 0: expected 1 or more"),
        (["--device", "nowhere"], "--device nowhere: expected cpu, cuda or cuda:N"),
        (
            ["--cfg-options", "model.type=mmdet.CondInst"],
            "type CondInst, BoxInst, RTMDet of",
        ),
    ],
)
def test_mistakes(words, message, capsys):
    assert main(["info", str(SMALL), *words]) == 1
    assert re.search(message, capsys.readouterr().err)


def test_boxinst_trains_on_the_targets_of_its_pipeline():
    repo = REPO
    cfg = read_config(
        str(repo / "configs" / "boxinst" / "boxinst_r50_fpn_ms-90k_coco_instance.py"),
        {"model.backbone.depth": 18, "model.neck.in_channels": [64, 128, 256, 512]},
    )
    found = info.describe(cfg, size=(64, 64), device="cpu")
    assert found["model"].startswith("BoxInst")
    assert found["memory"]["training"] > 0
