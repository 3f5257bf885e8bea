"""Two views of an image by RTMDet-Ins, beside a merge that is written out here."""

import copy

import numpy as np
import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmengine.dataset import Compose, pseudo_collate
from mmengine.registry import DefaultScope
from PIL import Image
from small_detector import image
from small_rtmdet import seeded_rtmdet, small_rtmdet

from condinst.cli.views import augment
from condinst.registry import MODELS

SIZE = (96, 70)  # width and height: both sides are padded to 128
PIPELINE = [
    dict(type="LoadImageFromFile"),
    dict(type="Resize", scale=(110, 110), keep_ratio=True, backend="pillow"),
    dict(type="Pad", size=(128, 128), pad_val=dict(img=(114, 114, 114))),
    dict(
        type="PackDetInputs",
        meta_keys=("img_id", "img_path", "ori_shape", "img_shape", "scale_factor"),
    ),
]


@pytest.fixture
def scope():
    with DefaultScope.overwrite_default_scope("condinst"):
        yield


def data_of(pipeline, path):
    return pseudo_collate([Compose(copy.deepcopy(pipeline))(dict(img_path=str(path), img_id=1))])


def iou(a, b):
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    common = np.prod(np.clip(sides, 0, None))
    return common / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - common)


def test_a_padded_image_and_its_mirror_image_are_merged(scope, tmp_path):
    pixels = image(SIZE[1], SIZE[0], 3).astype(np.uint8).transpose(1, 2, 0)
    paths = tmp_path / "a.png", tmp_path / "b.png"
    for path, each in zip(paths, (pixels, pixels[:, ::-1]), strict=True):
        Image.fromarray(np.ascontiguousarray(each)).save(path)
    model = seeded_rtmdet()
    model.test_cfg["max_per_img"] = model.bbox_head.test_cfg["max_per_img"] = 12
    cfg = Config(
        dict(
            model=small_rtmdet(),
            test_dataloader=dict(dataset=dict(type="CocoDataset", pipeline=PIPELINE)),
        )
    )
    cfg.model.test_cfg.max_per_img = 12
    augment(cfg)
    cfg.model.tta_cfg.max_per_img = 30
    wrapped = MODELS.build(ConfigDict(cfg.model))
    wrapped.module.load_state_dict(model.state_dict())
    wrapped.eval()
    with torch.no_grad():
        found = wrapped.test_step(data_of(cfg.test_dataloader.dataset.pipeline, paths[0]))
        plain, mirrored = (
            model.test_step(data_of(PIPELINE, path))[0].pred_instances for path in paths
        )
    found = found[0].pred_instances
    candidates = []
    for instances, flip in ((plain, False), (mirrored, True)):
        assert len(instances) == 12
        for i in range(12):
            box, mask = instances.bboxes[i].numpy().copy(), instances.masks[i].numpy()
            if flip:
                box[[0, 2]] = SIZE[0] - box[[2, 0]]
                mask = mask[:, ::-1]
            candidates.append((float(instances.scores[i]), int(instances.labels[i]), box, mask))
    kept = []
    for each in sorted(candidates, key=lambda c: -c[0]):
        if all(each[1] != k[1] or iou(each[2], k[2]) <= 0.6 for k in kept):
            kept.append(each)
    assert len(found) == len(kept) <= 24
    sources = {k[0] for k in kept}
    assert all(sources & {c[0] for c in part} for part in (candidates[:12], candidates[12:]))
    np.testing.assert_allclose(found.scores, [k[0] for k in kept], atol=1e-5)
    assert found.labels.tolist() == [k[1] for k in kept]
    np.testing.assert_allclose(found.bboxes, np.stack([k[2] for k in kept]), atol=1e-3)
    assert (found.masks.numpy() == np.stack([k[3] for k in kept])).mean() > 0.9999
