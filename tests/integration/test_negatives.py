"""Training on images and crops without objects, in every way that targets are made."""

import copy
import json

import numpy as np
import pytest
import torch
from commands import REPO, SMALL
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DATASETS, DefaultScope
from mmengine.runner import Runner

from condinst.datasets.checks.checks import check_datasets
from condinst.registry import MODELS

NEGATIVES = 4  # of 8 images, the first ones


@pytest.fixture(scope="module")
def half_empty(shapes, tmp_path_factory):
    """The generated dataset, half of whose images have lost their objects."""
    content = json.loads((shapes / "annotations/instances_train.json").read_text())
    empty = {image["id"] for image in content["images"][:NEGATIVES]}
    content["annotations"] = [a for a in content["annotations"] if a["image_id"] not in empty]
    path = tmp_path_factory.mktemp("half_empty") / "ann.json"
    path.write_text(json.dumps(content))
    return shapes, path


def config(boxinst, prepared):
    cfg = Config.fromfile(SMALL)
    if boxinst:
        base = Config.fromfile(
            REPO / "configs/quickstart/quickstart_boxinst_r18_fpn_shapes.py"
        ).model
        branch = copy.deepcopy(cfg.model.mask_head.mask_feature_head)
        cfg.model.type, cfg.model.mask_head = "BoxInst", copy.deepcopy(base.mask_head)
        cfg.model.mask_head.mask_feature_head = branch
        cfg.model.mask_head.mask_out_stride = 4
        if not prepared:
            cfg.model.data_preprocessor.update(type="BoxInstDataPreprocessor", pad_mask=False)
    return cfg


def negatives_config(half_empty, boxinst, prepared, bitmaps=False, crop=True):
    shapes, ann_file = half_empty
    masks = dict(with_mask=not boxinst, poly2mask=bitmaps)
    steps = [
        dict(type="LoadImageFromFile"),
        dict(type="LoadAnnotations", with_bbox=True, **masks),
        dict(type="Resize", scale=(96, 96), keep_ratio=True),
        dict(type="RandomFlip", prob=0.5),
    ]
    if crop:
        crop_size = dict(crop_size=(24, 40), allow_negative_crop=True)
        steps.append(dict(type="RandomCrop", recompute_bbox=not boxinst, **crop_size))
    if prepared:
        steps.append(dict(type="PrepareBoxTargets" if boxinst else "PrepareMaskTargets"))
    return dict(
        type="CocoDataset",
        data_root=str(shapes),
        ann_file=str(ann_file),
        data_prefix=dict(img="train/"),
        metainfo=dict(classes=("circle", "rectangle", "triangle", "star", "ring")),
        filter_cfg=dict(filter_empty_gt=False, min_size=1),
        pipeline=[*steps, dict(type="PackDetInputs")],
    )


@pytest.mark.parametrize(
    ("boxinst", "prepared", "bitmaps"),
    [(False, True, False), (False, False, True), (True, True, False), (True, False, False)],
)
def test_losses_are_finite_and_reach_every_parameter(half_empty, boxinst, prepared, bitmaps):
    torch.manual_seed(0)
    np.random.seed(0)
    cfg = config(boxinst, prepared)
    with DefaultScope.overwrite_default_scope("condinst"):
        data = DATASETS.build(negatives_config(half_empty, boxinst, prepared, bitmaps))
        model = MODELS.build(cfg.model)
        optimizer = build_optim_wrapper(model, dict(optimizer=dict(type="AdamW", lr=1e-3)))
    assert len(data) == 8
    model.train()
    seen = set()
    for chosen in ([0, 1], [4, 5], [2, 6], [7, 3], [6, 7]):
        items = [data[i] for i in chosen]
        counts = [len(item["data_samples"].gt_instances) for item in items]
        seen.update("none" if n == 0 else "some" for n in counts)
        batch = model.data_preprocessor(pseudo_collate(items), True)
        total, losses = model.parse_losses(model.loss(batch["inputs"], batch["data_samples"]))
        assert all(torch.isfinite(value) for value in losses.values()), losses
        if not sum(counts):  # nothing to find: the scores alone are wrong
            assert losses["loss_cls"] > 0
            assert losses["loss_bbox"] == 0
            assert all(value == 0 for name, value in losses.items() if "mask" in name)
        optimizer.zero_grad()
        total.backward()
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                assert parameter.grad is not None, name
                assert torch.isfinite(parameter.grad).all(), name
        optimizer.step()
    assert seen == {"none", "some"}


def test_images_without_objects_are_seen_and_counted(half_empty):
    cfg = config(False, True)
    cfg.train_dataloader.dataset = negatives_config(half_empty, False, True, crop=False)
    with DefaultScope.overwrite_default_scope("condinst"):
        report = str(check_datasets(cfg, splits=("train",)))
        assert "4 images without an object to learn from kept" in report
        cfg.train_dataloader.dataset.filter_cfg = dict(filter_empty_gt=True)
        assert "4 images left out by filter_cfg" in str(check_datasets(cfg, splits=("train",)))


@pytest.mark.parametrize("wrap", [False, True])
def test_batches_of_one_shape_have_negatives_too(half_empty, wrap):
    """mmdet's sampler of batches, around wrappers as well, and worker processes' targets."""
    dataset = negatives_config(half_empty, False, True)
    if wrap:
        dataset = dict(type="ClassBalancedDataset", oversample_thr=0.9, dataset=dataset)
    with DefaultScope.overwrite_default_scope("condinst"):
        loader = Runner.build_dataloader(
            dict(
                batch_size=2,
                num_workers=2 if wrap else 0,
                sampler=dict(type="DefaultSampler", shuffle=False),
                batch_sampler=dict(type="AspectRatioBatchSampler"),
                dataset=dataset,
            )
        )
        counts = [len(sample.gt_instances) for batch in loader for sample in batch["data_samples"]]
    assert len(counts) >= 8
    assert counts.count(0) >= NEGATIVES
    assert max(counts) > 0
