"""Eight real images, learned from scratch: the data and the config of the comparison with mmdet.

``tools/compare_training.py --eight-images`` trains it with mmdet's modules and with ours.
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import mmdet
from mmengine.config import Config

__all__ = ["eight_images_config", "write_subset"]

SCALE = (320, 320)
ITERATIONS = 300
NUM_IMAGES = 8

_90K = Path(mmdet.__file__).parent / ".mim/configs/condinst"


def write_subset(root: Path, target: Path) -> None:
    """Write the annotations of the images without crowds whose smallest object is largest.

    Args:
        root: folder of a dataset in COCO's layout.
        target: file to write.

    Raises:
        FileNotFoundError: the dataset has no annotations of a split "train2017".
    """
    source = root / "annotations/instances_train2017.json"
    if not source.is_file():
        raise FileNotFoundError(f"{source} is not a file: the comparison needs COCO's layout")
    content = json.loads(source.read_text(encoding="utf-8"))
    annotations = defaultdict(list)
    for annotation in content["annotations"]:
        annotations[annotation["image_id"]].append(annotation)

    def smallest_object(image: dict[str, Any]) -> float:
        found = annotations[image["id"]]
        if not found or any(a["iscrowd"] for a in found):
            return 0.0
        return min(a["area"] for a in found) / max(image["width"], image["height"]) ** 2

    content["images"] = sorted(content["images"], key=smallest_object)[-NUM_IMAGES:]
    kept = {image["id"] for image in content["images"]}
    content["annotations"] = [a for a in content["annotations"] if a["image_id"] in kept]
    target.write_text(json.dumps(content), encoding="utf-8")


def eight_images_config(root: Path, annotations: Path, iterations: int = ITERATIONS) -> Config:
    """Return the config: mmdet's CondInst with a ResNet-18 and narrow heads, from scratch.

    It is trained and validated on the same images, as mmdet's scope reads it; set
    ``default_scope`` to "condinst" for ours.

    Args:
        root: folder of the dataset.
        annotations: file of :func:`write_subset`.
        iterations: number of training iterations, with five validations.
    """
    cfg = Config.fromfile(_90K / "condinst_r50_fpn_ms-poly-90k_coco_instance.py")
    model = cfg.model
    model.backbone.update(depth=18, init_cfg=None, frozen_stages=-1, norm_eval=False)
    model.neck.update(in_channels=[64, 128, 256, 512], out_channels=64)
    model.bbox_head.update(in_channels=64, feat_channels=64, stacked_convs=2)
    model.mask_head.mask_feature_head.update(in_channels=64, feat_channels=32)
    dataset = dict(
        type="CocoDataset",
        data_root=str(root.resolve()),
        ann_file=str(annotations.resolve()),
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
    cfg.val_evaluator = dict(
        type="CocoMetric", ann_file=str(annotations.resolve()), metric=["bbox", "segm"]
    )
    cfg.test_dataloader, cfg.test_evaluator = cfg.val_dataloader, cfg.val_evaluator
    cfg.train_cfg = dict(
        type="IterBasedTrainLoop", max_iters=iterations, val_interval=iterations // 5
    )
    cfg.optim_wrapper = dict(
        type="OptimWrapper",
        optimizer=dict(type="AdamW", lr=1e-3, weight_decay=1e-4),
        clip_grad=dict(max_norm=10),
    )
    warmup = iterations // 10
    cfg.param_scheduler = [
        dict(type="LinearLR", start_factor=0.01, by_epoch=False, begin=0, end=warmup),
        dict(type="CosineAnnealingLR", by_epoch=False, begin=warmup, end=iterations, eta_min=1e-5),
    ]
    cfg.default_hooks.checkpoint = None
    cfg.default_hooks.logger = dict(type="LoggerHook", interval=20)
    return cfg
