"""Make the work folder of a run, with predictions made from the ground truth."""

import json

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from condinst.datasets.shapes.generator import make_shapes

CONFIG = """
default_scope = "condinst"
data_root = {root!r}
model = dict(type="CondInst", backbone=dict(type="ResNet", depth=18))
train_cfg = dict(type="IterBasedTrainLoop", max_iters=60, val_interval=20)
val_dataloader = dict(
    batch_size=1,
    dataset=dict(
        type="CocoDataset",
        data_root=data_root,
        ann_file="annotations/instances_val.json",
        data_prefix=dict(img="val/"),
        metainfo=dict(classes=("circle", "rectangle", "triangle", "star", "ring")),
        pipeline=[],
    ),
)
val_evaluator = dict(
    type="CocoMetric",
    ann_file=data_root + "annotations/instances_val.json",
    metric=["bbox", "segm"],
    proposal_nums=(1, 10, 50),
)
"""


@pytest.fixture(scope="session")
def shapes(tmp_path_factory):
    """Return ten validation images."""
    folder = tmp_path_factory.mktemp("report_data") / "shapes"
    make_shapes(folder, num_train=1, num_val=10, size=96)
    return folder


@pytest.fixture
def content(shapes):
    return json.loads((shapes / "annotations" / "instances_val.json").read_text())


@pytest.fixture
def perfect(content):
    """Return exact detections of all objects, with scores from 0.5 to 0.95."""
    sizes = {image["id"]: (image["height"], image["width"]) for image in content["images"]}
    rows = []
    for number, annotation in enumerate(content["annotations"]):
        segmentation, size = annotation["segmentation"], sizes[annotation["image_id"]]
        rle = segmentation
        if isinstance(segmentation, list):
            rle = coco_mask.merge(coco_mask.frPyObjects(segmentation, *size))
        elif isinstance(segmentation["counts"], list):
            rle = coco_mask.frPyObjects(segmentation, *size)
        counts = rle["counts"]
        counts = counts if isinstance(counts, str) else counts.decode()
        rows.append(
            dict(
                image_id=annotation["image_id"],
                category_id=annotation["category_id"],
                bbox=annotation["bbox"],
                score=0.5 + 0.45 * number / len(content["annotations"]),
                segmentation=dict(size=list(size), counts=counts),
            )
        )
    return rows


@pytest.fixture
def noise(content):
    """Return one small wrong detection on each image, with a score of 0.2."""
    rows = []
    for image in content["images"]:
        mask = np.zeros((image["height"], image["width"]), np.uint8, order="F")
        mask[:3, :2] = 1
        rle = coco_mask.encode(mask)
        rows.append(
            dict(
                image_id=image["id"],
                category_id=content["categories"][0]["id"],
                bbox=[0, 0, 2, 3],
                score=0.2,
                segmentation=dict(size=list(rle["size"]), counts=rle["counts"].decode()),
            )
        )
    return rows


@pytest.fixture
def work_dir(tmp_path, shapes):
    """Write a run of 40 of 60 iterations with two validations and no predictions."""
    folder = tmp_path / "run"
    start = folder / "20260101_000000" / "vis_data"
    start.mkdir(parents=True)
    (start / "config.py").write_text(CONFIG.format(root=f"{shapes.as_posix()}/"))
    records = [
        {"lr": 0.1, "loss": 2.0 - i / 40, "loss_mask": float("nan"), "iter": i, "step": i}
        for i in (10, 20, 30, 40)
    ]
    for step, value in ((20, 0.4), (40, 0.3)):
        metrics = {"coco/segm_mAP": value, "coco/bbox_mAP": value + 0.1, "coco/segm_mAP_l": -1.0}
        records.insert(2 if step == 20 else 5, {**metrics, "step": step})
    (start / "scalars.json").write_text("".join(json.dumps(r) + "\n" for r in records))
    (folder / "last_checkpoint").write_text("/elsewhere/iter_40.pth")
    (folder / "iter_40.pth").write_text("")
    return folder
