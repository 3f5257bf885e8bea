"""Learning from scratch on eight real images: ours beside mmdet's modules, same everything.

Takes a quarter of an hour on two cores, so it is opt-in: ``pytest -m slow tests/parity``.
"""

from __future__ import annotations

import copy
import json
from collections import defaultdict
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from oracle import small_config

from condinst.registry import MODELS

pytestmark = pytest.mark.long

SCALE = (320, 320)
ITERATIONS = 300
NUM_IMAGES = 8


def write_subset(root: Path, target: Path) -> None:
    """The images without crowds whose smallest object is largest: a rule, not a choice."""
    content = json.loads((root / "coco_tiny/annotations/instances_train2017.json").read_text())
    annotations = defaultdict(list)
    for annotation in content["annotations"]:
        annotations[annotation["image_id"]].append(annotation)

    def smallest_object(image: dict) -> float:
        found = annotations[image["id"]]
        if not found or any(a["iscrowd"] for a in found):
            return 0.0
        return min(a["area"] for a in found) / max(image["width"], image["height"]) ** 2

    content["images"] = sorted(content["images"], key=smallest_object)[-NUM_IMAGES:]
    kept = {image["id"] for image in content["images"]}
    content["annotations"] = [a for a in content["annotations"] if a["image_id"] in kept]
    target.write_text(json.dumps(content))


def run_config(datasets: Path, annotations: Path, scope: str, work_dir: Path) -> Config:
    cfg = small_config()
    cfg.default_scope = scope
    cfg.work_dir = str(work_dir)
    cfg.model.backbone.update(frozen_stages=-1, norm_eval=False)
    dataset = dict(
        type="CocoDataset",
        data_root=str(datasets / "coco_tiny"),
        ann_file=str(annotations),
        data_prefix=dict(img="train2017/"),
    )
    resize = dict(type="Resize", scale=SCALE, keep_ratio=True)
    load = [
        dict(type="LoadImageFromFile"),
        dict(type="LoadAnnotations", with_bbox=True, with_mask=True, poly2mask=False),
    ]
    meta_keys = ("img_id", "img_path", "ori_shape", "img_shape", "scale_factor")
    train = [*load, resize, dict(type="RandomFlip", prob=0.5), dict(type="PackDetInputs")]
    test = [load[0], resize, load[1], dict(type="PackDetInputs", meta_keys=meta_keys)]
    cfg.train_dataloader = dict(
        batch_size=4,
        num_workers=0,
        sampler=dict(type="InfiniteSampler", shuffle=True),
        dataset=dict(**dataset, pipeline=train),
    )
    cfg.val_dataloader = dict(
        batch_size=1,
        num_workers=0,
        sampler=dict(type="DefaultSampler", shuffle=False),
        dataset=dict(**dataset, test_mode=True, pipeline=test),
    )
    cfg.val_evaluator = dict(type="CocoMetric", ann_file=str(annotations), metric=["bbox", "segm"])
    cfg.test_dataloader = cfg.test_evaluator = cfg.test_cfg = None
    cfg.train_cfg = dict(
        type="IterBasedTrainLoop", max_iters=ITERATIONS, val_interval=ITERATIONS // 5
    )
    cfg.optim_wrapper = dict(
        type="OptimWrapper",
        optimizer=dict(type="AdamW", lr=1e-3, weight_decay=1e-4),
        clip_grad=dict(max_norm=10),
    )
    cfg.param_scheduler = [
        dict(type="LinearLR", start_factor=0.01, by_epoch=False, begin=0, end=30),
        dict(type="CosineAnnealingLR", by_epoch=False, begin=30, end=ITERATIONS, eta_min=1e-5),
    ]
    cfg.default_hooks.checkpoint = None
    cfg.default_hooks.logger = dict(type="LoggerHook", interval=20)
    cfg.randomness = dict(seed=0)
    cfg.experiment_name = f"{scope}_{work_dir.name}"
    return cfg


@pytest.mark.slow
def test_eight_images_are_learned_as_well_as_by_mmdet(datasets, tmp_path, record_property):
    annotations = tmp_path / "eight.json"
    write_subset(datasets, annotations)
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope("condinst"):
        start = MODELS.build(
            copy.deepcopy(run_config(datasets, annotations, "condinst", tmp_path).model)
        )
    start.init_weights()
    torch.save(start.state_dict(), tmp_path / "start.pth")
    reached = {}
    for scope in ("condinst", "mmdet"):
        cfg = run_config(datasets, annotations, scope, tmp_path / scope)
        cfg.load_from = str(tmp_path / "start.pth")
        runner = Runner.from_cfg(cfg)
        runner.train()
        module = "condinst" if scope == "condinst" else "mmdet"
        assert type(runner.model).__module__.startswith(module)
        reached[scope] = runner.message_hub.get_scalar("val/coco/segm_mAP").current()
        record_property(f"segm_mAP_{scope}", reached[scope])
    print(reached)
    assert reached["condinst"] > 0.80
    assert reached["condinst"] > reached["mmdet"] - 0.02
