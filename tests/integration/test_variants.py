"""The variants' configs at reduced scale: trained and tested by the tools, also without masks."""

from __future__ import annotations

import json
import shutil

import pytest
from commands import TEST, TRAIN, log_folders, read_metrics, read_scalars, run

from condinst.compat.base_configs import shipped_config

pytestmark = pytest.mark.long

# What keeps the config's kind and makes it small: images of 96 pixels, an iteration of 0.2 s.
CONFIG = """
_base_ = {base!r}
classes = ("circle", "rectangle", "triangle", "star", "ring")
norm_cfg = dict(type="GN", num_groups=8, requires_grad=True)
channels = 32
model = dict(
    backbone=dict({backbone}, base_channels=8, frozen_stages=-1, norm_eval=False, init_cfg=None,
                  norm_cfg=norm_cfg),
    neck=dict(in_channels={in_channels}, out_channels=channels),
    bbox_head=dict(num_classes=5, in_channels=channels, feat_channels=channels, stacked_convs=1,
                   norm_cfg=norm_cfg),
    mask_head=dict(mask_feature_head=dict(in_channels=channels, feat_channels=channels,
                                          num_stacked_convs=1, norm_cfg=norm_cfg)),
    test_cfg=dict(nms_pre=100, max_per_img=20),
)
if _base_.model.neck.type == "BiFPN":
    model["neck"].update(num_layers=2, norm_cfg=dict(type="SyncBN", requires_grad=True))
if "semantic_head" in _base_.model:
    model["semantic_head"] = dict(in_channels=channels, feat_channels=16)
train_pipeline = _base_.train_pipeline
train_pipeline[2] = dict(type="Resize", scale=(96, 96), keep_ratio=True)
test_pipeline = _base_.test_pipeline
test_pipeline[1]["scale"] = (96, 96)
dataset = dict(ann_file={ann_file!r}, data_prefix=dict(img="train/"),
               metainfo=dict(classes=classes))
workers = dict(num_workers=0, persistent_workers=False, pin_memory=False)
train_dataloader = dict(batch_size=4, dataset=dict(pipeline=train_pipeline, **dataset), **workers)
dataset["ann_file"] = "annotations/instances_train.json"
val_dataloader = dict(dataset=dict(pipeline=test_pipeline, **dataset), **workers)
test_dataloader = val_dataloader
val_evaluator = dict(ann_file=_base_.data_root + "annotations/instances_train.json")
test_evaluator = val_evaluator
train_cfg = dict(max_iters=40, val_interval=40)
optim_wrapper = dict(optimizer=dict(_delete_=True, type="AdamW", lr=0.003, weight_decay=0.01))
param_scheduler = [dict(type="LinearLR", start_factor=0.1, by_epoch=False, begin=0, end=5)]
default_hooks = dict(logger=dict(interval=5), checkpoint=dict(interval=40))
"""
R18, R50 = ("depth=18", [8, 16, 32, 64]), ("depth=50", [32, 64, 128, 256])
VARIANTS = {
    "condinst_r50-caffe_bifpn_sem_ms-3x": (*R18, "loss_semantic"),
    "condinst_r50-caffe-dcni3_fpn_ms-3x": (*R50, "loss_mask"),
    "condinst_r50-caffe_fpn_iou_ms-1x": (*R18, "loss_quality"),
    "condinst_r50-caffe_fpn_mask-stride-2_ms-1x": (*R18, "loss_mask"),
    "boxinst_r50-caffe_fpn_ms-1x": (*R18, "loss_mask_project"),
}


def write_config(folder, name, ann_file="annotations/instances_train.json"):
    backbone, in_channels, _ = VARIANTS[name]
    base = shipped_config(f"{name}_coco_instance").as_posix()
    path = folder / f"{name}.py"
    path.write_text(
        CONFIG.format(base=base, backbone=backbone, in_channels=in_channels, ann_file=ann_file)
    )
    return path


def check_learning(work_dir, loss):
    scalars = read_scalars(log_folders(work_dir)[0])
    steps = sorted(scalars)
    first, middle, last = (scalars[step] for step in (steps[0], steps[len(steps) // 2], steps[-1]))
    assert last["loss"] < 0.8 * first["loss"]
    # that of the quality rises first: the better the boxes, the less is known of their IoU
    assert last[loss] < middle[loss]
    return last


@pytest.mark.parametrize("name", VARIANTS)
def test_trains_and_tests(shapes, tmp_path, name):
    config, work_dir = write_config(tmp_path, name), tmp_path / "work"
    run(TRAIN, config, "--seed", 0, "--work-dir", work_dir, data=shapes)
    check_learning(work_dir, VARIANTS[name][2])
    run(TEST, config, work_dir / "iter_40.pth", "--work-dir", tmp_path / "test", data=shapes)
    assert {"coco/bbox_mAP", "coco/segm_mAP"} <= read_metrics(tmp_path / "test").keys()


def test_boxinst_trains_on_boxes_alone(shapes, tmp_path):
    """An annotation file without a single mask."""
    data = tmp_path / "boxes"
    shutil.copytree(shapes, data)
    source = json.loads((data / "annotations/instances_train.json").read_text())
    for annotation in source["annotations"]:
        del annotation["segmentation"]
    (data / "annotations/boxes.json").write_text(json.dumps(source))
    config = write_config(tmp_path, "boxinst_r50-caffe_fpn_ms-1x", "annotations/boxes.json")
    work_dir = tmp_path / "work"
    run(TRAIN, config, "--seed", 0, "--work-dir", work_dir, data=data)
    assert check_learning(work_dir, "loss_mask_project")["loss_mask_pairwise"] > 0
