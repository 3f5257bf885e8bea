"""Names of mmdet before 3.0; mmdet's own loading is the oracle where it knows them."""

import re
from pathlib import Path

import mmdet
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS as ROOT
from mmengine.registry import DefaultScope

from condinst.checkpoints import detect_layout, to_condinst, to_original

MMDET_CONFIGS = Path(mmdet.__file__).parent / ".mim" / "configs"
BRANCH = "mask_head.mask_feature_head"


def build(config: str):
    cfg = Config.fromfile(MMDET_CONFIGS / config)
    cfg.model.backbone.init_cfg = None
    with DefaultScope.overwrite_default_scope("mmdet"):
        return ROOT.build(cfg.model)


@pytest.fixture(scope="module")
def fcos() -> dict[str, torch.Tensor]:
    """mmdet's FCOS, every tensor with a value of its own."""
    weights = build("fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py").state_dict()
    return {name: torch.full_like(t, i) for i, (name, t) in enumerate(weights.items())}


def test_early_names_of_fcos_go_where_mmdet_s_loading_puts_them(fcos):
    old = {re.sub(r"bbox_head\.conv_", "bbox_head.fcos_", name): t for name, t in fcos.items()}
    assert "bbox_head.fcos_centerness.bias" in old
    assert detect_layout(old) == "mmdet2"
    ours = to_condinst(old)
    model = build("fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py")
    model.load_state_dict(dict(old), strict=True)  # without version numbers it renames
    assert ours.keys() == fcos.keys()
    assert all(torch.equal(ours[name], t) for name, t in model.state_dict().items())


def test_offsets_of_deformable_convolutions(fcos):
    plain = "backbone.layer2.0.conv2"
    offset = torch.rand(27, 128, 3, 3)
    ours = to_condinst(fcos | {f"{plain}_offset.weight": offset})
    assert torch.equal(ours[f"{plain}.conv_offset.weight"], offset)


@pytest.mark.parametrize("config", ["condinst/condinst_r50_fpn_ms-poly-90k_coco_instance.py"])
def test_ports_to_mmdet_2(config):
    """The names that their classes give (condinst_head.py, detectors/condinst.py)."""
    weights = build(config).state_dict()
    port = {}
    for name, tensor in weights.items():
        for new, old in (
            (rf"{BRANCH}\.convs_all_levels\.(\d)\.conv\d", r"mask_branch.refines.\1"),
            (rf"{BRANCH}\.conv_branch\.", "mask_branch.mask_branch."),
            (rf"{BRANCH}\.conv_pred", "mask_branch.mask_branch.4"),
            (r"bbox_head\.controller", "mask_head.param_conv"),
        ):
            name = re.sub(new, old, name)
        port[name] = tensor
    port["mask_head.sizes_of_interest"] = torch.tensor([64, 128, 256, 512, 1024])
    port["mask_head._iter"] = torch.zeros(1)
    assert "mask_branch.refines.2.bn.running_var" in port
    assert detect_layout(port) == "mmdet2"
    ours = to_condinst(port)
    assert ours.keys() == weights.keys()
    assert all(torch.equal(ours[name], tensor) for name, tensor in weights.items())
    assert to_original(port).keys() == to_original(weights).keys()


def test_the_semantic_head_of_ports():
    port = {
        "bbox_head.conv_cls.bias": torch.zeros(80),
        "mask_head.param_conv.bias": torch.zeros(169),
        "segm_head.segm_branch.1.bn.weight": torch.ones(128),
        "segm_head.segm_conv.bias": torch.arange(80.0),
    }
    ours = to_condinst(port)
    assert torch.equal(ours["semantic_head.convs.1.bn.weight"], torch.ones(128))
    assert torch.equal(ours["semantic_head.conv_logits.bias"], torch.arange(80.0))


def test_today_s_names_stay(fcos):
    assert detect_layout(fcos) == "condinst"
    assert to_condinst(fcos).keys() == fcos.keys()


def test_unknown_tensors_of_a_head_are_listed(fcos):
    strange = {"bbox_head.retina_cls.weight": torch.zeros(720, 256, 3, 3)}
    with pytest.raises(ValueError, match=r"'condinst'.*\n  bbox_head.retina_cls.weight \(720,"):
        to_condinst(fcos | strange)
    with pytest.raises(ValueError, match=r"'mmdet2'.*\n  bbox_head.retina_cls.weight \(720,"):
        to_condinst(fcos | strange | {"mask_head.param_conv.bias": torch.zeros(169)})
