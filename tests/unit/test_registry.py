"""Whose classes a config gets, by the scope that it names."""

import copy
from pathlib import Path

import mmdet.models
import mmdet.registry
import pytest
from mmdet.datasets import CocoDataset
from mmdet.datasets.transforms import RandomFlip
from mmdet.models.backbones import ResNet
from mmdet.models.necks import FPN
from mmengine.config import Config
from mmengine.registry import DefaultScope, Registry

import condinst.datasets
import condinst.models
import condinst.registry
from condinst.models.condinst import CondInst

REPO = Path(__file__).resolve().parents[2]
CONFIGS = sorted(p for p in (REPO / "configs").rglob("*.py") if "_base_" not in p.parts)
CONFIG_90K = REPO / "configs" / "condinst_r50_fpn_ms-poly-90k_coco_instance.py"
SHIPPED = (
    Path(mmdet.__file__).parent
    / ".mim/configs/condinst/condinst_r50_fpn_ms-poly-90k_coco_instance.py"
)


def build(model: dict, scope: str, registry: Registry = mmdet.registry.MODELS):
    """Build as the Runner of mmengine does: scope from the config, weights not downloaded."""
    model = copy.deepcopy(model)
    model.backbone.init_cfg = None
    with DefaultScope.overwrite_default_scope(scope):
        return registry.build(model)


def is_ours(model) -> bool:
    parts = [
        (model, condinst.models.CondInst),
        (model.bbox_head, condinst.models.CondInstBboxHead),
        (model.mask_head, condinst.models.CondInstMaskHead),
    ]
    return all(type(part) is ours for part, ours in parts)


def test_each_registry_of_mmdet_has_a_child_of_ours():
    """A scope without one of them falls back with a warning, or finds nothing."""
    theirs = {
        name: value
        for name, value in vars(mmdet.registry).items()
        if isinstance(value, Registry) and value.scope == "mmdet"
    }
    assert len(theirs) >= 20
    assert set(condinst.registry.__all__) == set(theirs)
    for name, parent in theirs.items():
        child = getattr(condinst.registry, name)
        assert child.scope == "condinst"
        assert child.parent is parent
        assert parent.children["condinst"] is child
        assert child.name == parent.name


def test_what_we_do_not_define_is_mmdets_in_our_scope():
    cfg = Config.fromfile(CONFIG_90K)
    assert cfg.default_scope == "condinst"
    model = build(cfg.model, "condinst")
    assert is_ours(model)
    assert type(model.backbone) is ResNet
    assert type(model.neck) is FPN
    assert condinst.registry.TRANSFORMS.get("RandomFlip") is RandomFlip


def test_a_bare_coco_dataset_is_ours_in_our_scope():
    kind = Config.fromfile(CONFIG_90K).train_dataloader.dataset.type
    assert kind == "CocoDataset"
    assert condinst.registry.DATASETS.get(kind) is condinst.datasets.CocoDataset
    assert mmdet.registry.DATASETS.get(kind) is CocoDataset


def test_mmdet_keeps_its_own():
    shipped = Config.fromfile(SHIPPED)
    assert shipped.default_scope == "mmdet"
    model = build(shipped.model, "mmdet")
    assert type(model) is mmdet.models.CondInst
    assert type(model.bbox_head) is mmdet.models.CondInstBboxHead
    assert type(model.mask_head) is mmdet.models.CondInstMaskHead


def test_the_shipped_config_builds_ours_and_takes_mmdets_weights():
    """Unchanged but for the scope: same keys, same parameter names, same shapes."""
    shipped = Config.fromfile(SHIPPED)
    theirs = build(shipped.model, "mmdet")
    ours = build(shipped.model, "condinst")
    assert is_ours(ours)
    ours.load_state_dict(theirs.state_dict(), strict=True)


def test_a_prefix_brings_the_heads_along_in_another_scope():
    """The heads' bare names are mmdet's too; a CondInst of ours always has heads of ours."""
    cfg = Config.fromfile(SHIPPED)
    cfg.model.type = "condinst.CondInst"
    model = build(cfg.model, "mmdet")
    assert is_ours(model)
    assert type(model.backbone) is ResNet


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_builds_and_fits_together(path):
    cfg = Config.fromfile(path)
    model = build(cfg.model, cfg.default_scope)
    assert isinstance(model, CondInst)
    assert model.bbox_head.num_params == model.mask_head.num_params
    classes = cfg.train_dataloader.dataset.get("metainfo", {}).get("classes")
    classes = classes or CocoDataset.METAINFO["classes"]
    for split in ("val", "test"):
        other = cfg[f"{split}_dataloader"].dataset.get("metainfo", {}).get("classes")
        assert (other or CocoDataset.METAINFO["classes"]) == classes
    assert model.bbox_head.num_classes == len(classes)
    by_epoch = "max_epochs" in cfg.train_cfg  # a warm-up may count iterations in either case
    steps = [s for s in cfg.param_scheduler if s.get("by_epoch", True) == by_epoch]
    last = max(s.get("end", 0) for s in steps)
    assert last in (0, cfg.train_cfg.max_epochs if by_epoch else cfg.train_cfg.max_iters)
