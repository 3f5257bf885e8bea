"""A small config with its data on disk, for tests that break one and check it."""

import json
from pathlib import Path

import pytest
from mmengine.config import Config
from PIL import Image

from condinst.datasets.checks.checks import check_datasets

CLASSES = ("cat", "dog", "sheep")
SQUARE = [[10, 10, 30, 10, 30, 30, 10, 30]]


def annotation(number, image, category, **changes):
    made = {
        "id": number,
        "image_id": image,
        "category_id": category,
        "bbox": [10, 10, 20, 20],
        "area": 400,
        "iscrowd": 0,
        "segmentation": SQUARE,
    }
    return made | changes


def coco():
    """Four images of 60 x 40 and six annotations; the last image has no object."""
    return {
        "images": [
            {"id": i, "file_name": f"{i}.png", "height": 40, "width": 60} for i in (1, 2, 3, 4)
        ],
        "categories": [{"id": 10 * (i + 1), "name": name} for i, name in enumerate(CLASSES)],
        "annotations": [
            annotation(1, 1, 10),
            annotation(2, 1, 20, segmentation={"size": [40, 60], "counts": [100, 50, 2250]}),
            annotation(3, 2, 30),
            annotation(4, 3, 10),
            annotation(5, 3, 20, iscrowd=1),
            annotation(6, 3, 30),
        ],
    }


class Project:
    """A config with its data on disk, to be broken by a test and then checked."""

    def __init__(self, root: Path) -> None:
        self.root, self.data = root, coco()
        (root / "images").mkdir()
        for image in self.data["images"]:
            Image.new("RGB", (60, 40)).save(root / "images" / image["file_name"])
        dataset = {
            "type": "CocoDataset",
            "data_root": f"{root}/",
            "ann_file": "train.json",
            "data_prefix": {"img": "images/"},
            "metainfo": {"classes": CLASSES},
        }
        pipeline = [{"type": "LoadAnnotations", "with_bbox": True, "with_mask": True}]
        train = {**dataset, "filter_cfg": {"filter_empty_gt": True}, "pipeline": pipeline}
        val = {**dataset, "ann_file": "val.json", "test_mode": True}
        metric = {"type": "CocoMetric", "ann_file": f"{root}/val.json", "metric": ["bbox", "segm"]}
        self.cfg = Config(
            {
                "model": {"bbox_head": {"num_classes": 3}},
                "train_dataloader": {"dataset": train},
                "val_dataloader": {"dataset": val},
                "test_dataloader": {"dataset": val},
                "val_evaluator": metric,
                "test_evaluator": [metric],
            }
        )
        self.write("val.json")
        self.write("train.json")

    def write(self, name: str) -> None:
        (self.root / name).write_text(json.dumps(self.data))

    @property
    def train(self):
        return self.cfg.train_dataloader.dataset

    def check(self, **options):
        return check_datasets(self.cfg, **options)

    def fails(self, *messages: str) -> None:
        with pytest.raises(ValueError, match="cannot be used") as caught:
            self.check()
        for message in messages:
            assert message in str(caught.value)


def set_images(data, **changes):
    data["images"][1] |= changes


def set_annotation(data, **changes):
    data["annotations"][2] |= changes


def drop(data, key):
    del data[key]
