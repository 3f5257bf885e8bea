"""The original's whole models, there and back."""

import json
import re
from pathlib import Path

import pytest
import torch
from original_weights import original_shapes, original_weights

from condinst.checkpoints import detect_layout, to_condinst, to_original
from condinst.checkpoints.original import bifpn_nodes
from condinst.compat.base_configs import shipped_config
from condinst.config.build import build_model

CONFIGS = Path(__file__).parents[3] / "configs"
GOLDEN = {
    "condinst_r50_fpn_1x": "condinst_r50-caffe_fpn_ms-1x_coco_instance.py",
    "condinst_r50_fpn_3x_sem": "condinst_r50-caffe_fpn_sem_ms-3x_coco_instance.py",
    "condinst_r50_bifpn_1x": "condinst_r50-caffe_bifpn_ms-1x_coco_instance.py",
    "boxinst_r50_fpn_1x": "boxinst_r50-caffe_fpn_ms-1x_coco_instance.py",
}


@pytest.mark.parametrize("name", GOLDEN)
def test_the_layout_is_that_of_the_original_s_checkpoints(shared, name):
    """What the tests write as a checkpoint of the original has the recorded names and shapes."""
    file = shared / "golden" / "adelaidet" / f"{name}.json"
    recorded = {key: tuple(shape) for key, shape, *_ in json.loads(file.read_text())["weights"]}
    assert original_shapes(name) == recorded


@pytest.mark.parametrize("name", GOLDEN)
def test_there_and_back(name):
    weights, shapes = original_weights(name), original_shapes(name)
    config = shipped_config(GOLDEN[name])
    assert detect_layout(weights) == "original"
    ours = to_condinst(weights)
    build_model(config).load_state_dict(ours, strict=True)
    assert detect_layout(ours) == "condinst"
    back = to_original(ours)
    assert {name: tuple(tensor.shape) for name, tensor in back.items()} == shapes
    assert all(torch.equal(back[name], tensor) for name, tensor in weights.items())


@pytest.mark.parametrize(
    "config", sorted(c.name for c in CONFIGS.glob("*/*inst_r*-caffe*")), ids=lambda name: name[:-26]
)
def test_every_published_variant_has_names_of_the_original_s(config):
    ours = build_model(shipped_config(config)).state_dict()
    ours = {name: tensor + i for i, (name, tensor) in enumerate(ours.items())}
    again = to_condinst(to_original(ours))
    assert again.keys() == ours.keys()
    for name, tensor in ours.items():
        frozen = name.startswith("backbone.") and name.endswith("num_batches_tracked")
        assert torch.equal(again[name], torch.tensor(0) if frozen else tensor), name


def test_deformable_blocks_have_their_offsets_beside_the_convolution():
    names = to_original(
        build_model(
            CONFIGS / "boxinst" / "boxinst_r101-caffe-dcni3_bifpn_ms-3x_coco_instance.py"
        ).state_dict()
    )
    offsets = {n for n in names if "conv2_offset" in n}
    # stages of 4, 23 and 3 blocks, of which 0, 3, 6, ... are deformable
    blocks = [("res3", 0), ("res3", 3), *(("res4", i) for i in range(0, 23, 3)), ("res5", 0)]
    assert offsets == {
        f"backbone.bottom_up.backbone.{stage}.{block}.conv2_offset.{part}"
        for stage, block in blocks
        for part in ("weight", "bias")
    }
    assert names["backbone.bottom_up.backbone.res4.3.conv2_offset.weight"].shape[0] == 27


def test_names_of_a_bifpn_s_nodes():
    assert bifpn_nodes(5) == [  # as in the golden weights
        "f3_3_4", "f2_2_5", "f1_1_6", "f0_0_7", "f1_1_7_8", "f2_2_6_9", "f3_3_5_10", "f4_4_11"
    ]  # fmt: skip
    # by hand: down 2 = in1 + in2, 4 = in0 + 3; up 5 = in1 + 3 + 4, 6 = in2 + 5
    assert bifpn_nodes(3) == ["f1_1_2", "f0_0_3", "f1_1_3_4", "f2_2_5"]


@pytest.fixture
def small() -> dict[str, torch.Tensor]:
    """Enough of the original's to be recognized."""
    return {
        "backbone.fpn_lateral5.weight": torch.ones(2, 3, 1, 1),
        "proposal_generator.fcos_head.scales.0.scale": torch.tensor([1.5]),
        "mask_branch.tower.0.0.weight": torch.ones(4, 4, 3, 3),
        "mask_branch.tower.1.bias": torch.arange(8.0),
        "controller.bias": torch.arange(169.0),
    }


def test_buffers_that_are_derived_are_left_out(small):
    buffers = {
        "mask_head.sizes_of_interest": torch.tensor([64, 128, 256, 512, 1024]),
        "mask_head._iter": torch.tensor([90000.0]),
        "pixel_mean": torch.zeros(3, 1, 1),
        "pixel_std": torch.ones(3, 1, 1),
    }
    ours = to_condinst(small | buffers)
    assert ours.keys() == {
        "neck.lateral_convs.0.conv.weight",
        "bbox_head.scales.0.scale",
        "mask_head.mask_feature_head.conv_branch.0.conv.weight",
        "mask_head.mask_feature_head.conv_pred.bias",
        "bbox_head.controller.bias",
    }
    assert ours["bbox_head.scales.0.scale"].shape == ()
    assert ours["bbox_head.scales.0.scale"] == 1.5


def test_other_sizes_of_interest_are_refused(small):
    small["mask_head.sizes_of_interest"] = torch.tensor([32.0, 64, 128, 256, 512])
    with pytest.raises(ValueError, match=r"sizes_of_interest is \[32.0, .*expected \[64.0, "):
        to_condinst(small)


def test_every_unknown_tensor_is_listed(small):
    small["backbone.bottom_up.res9.0.conv1.weight"] = torch.zeros(4, 2, 1, 1)
    small["proposal_generator.fcos_head.share_tower.0.bias"] = torch.zeros(7)
    with pytest.raises(
        ValueError, match=r"^tensors that the layout 'original' does not have \(2\):"
    ) as error:
        to_condinst(small)
    assert "backbone.bottom_up.res9.0.conv1.weight (4, 2, 1, 1)" in str(error.value)
    assert "proposal_generator.fcos_head.share_tower.0.bias (7,)" in str(error.value)


def test_a_long_list_is_cut(small):
    small |= {f"controller.{i}.weight": torch.zeros(1) for i in range(100)}
    with pytest.raises(ValueError, match=r"\(100\):") as error:
        to_condinst(small)
    lines = str(error.value).splitlines()
    assert lines[-1] == "  and 60 more"
    assert len(lines) == 42


def test_misshapen_scales_are_listed(small):
    small["proposal_generator.fcos_head.scales.0.scale"] = torch.ones(4)
    with pytest.raises(ValueError, match=r"misshapen.*\n  bbox_head.scales.0.scale \(4,\)"):
        to_condinst(small)


def test_what_the_original_lacks_is_listed():
    ours = {
        "bbox_head.conv_cls.weight": torch.zeros(80, 8, 3, 3),
        "neck.downsample_convs.0.conv.weight": torch.zeros(8, 8, 3, 3),
    }
    with pytest.raises(ValueError, match=re.escape("neck.downsample_convs.0.conv.weight (8, 8,")):
        to_original(ours)


@pytest.mark.parametrize("prefix", ["", "module."])
def test_weights_of_data_parallel_training(small, prefix):
    ours = to_condinst({prefix + name: tensor for name, tensor in small.items()})
    assert torch.equal(ours["bbox_head.controller.bias"], small["controller.bias"])


def test_unknown_weights_are_refused():
    with pytest.raises(ValueError, match=r"first of 1 names: w; expected one of condinst \("):
        detect_layout({"w": torch.zeros(1)})
