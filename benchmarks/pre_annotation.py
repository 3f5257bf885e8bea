"""One round of pre-annotation: draw a few images, predict the others, and count what is right.

    python -m benchmarks.pre_annotation FOLDER --images 50 --weights weights/mobilenetv2_100.pth

FOLDER has annotations/instances_train.json and train/. The model learns from --images of them, as
if they alone had been drawn. It predicts all others with `condinst predict`, and the true masks
play the corrector: a prediction is right if its IoU with an object is 0.8 or more, and every other
one is deleted, and every other object drawn by hand. Clicks are counted: drawing takes one for each
point of a polygon within a pixel of the outline, deleting two.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from condinst.masks.crop import Crop
from condinst.masks.polygon_rle import polygons_to_rle
from condinst.masks.polygons import trace
from condinst.utils.files import write_whole

__all__ = ["Count", "count_image", "main", "split_images"]

_CONFIG = "nuclei_condinst_mobilenetv2_fpn"
_RIGHT = 0.8  # IoU
_DELETE = 2  # clicks: on the object and on the button


def main(argv: Sequence[str] | None = None) -> None:
    """Train, predict and count; write result.json."""
    args = _parse(argv)
    truth = json.loads((args.folder / "annotations" / "instances_train.json").read_text())
    drawn, others = split_images(truth, args.images, args.seed)
    if args.others:
        others = others[: args.others]
    ann_file = args.out / "drawn.json"
    write_whole(ann_file, json.dumps(_part(truth, drawn)))
    checkpoint = _train(args, ann_file)
    found = _predict(args, checkpoint, others)
    count = sum_counts(found, truth, others)
    result = count.summary() | dict(drawn=len(drawn), predicted=len(others))
    write_whole(args.out / "result.json", json.dumps(result, indent=1))
    print("\n".join(f"{name:20} {value}" for name, value in result.items()))


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="the dataset")
    parser.add_argument("--images", type=int, default=50, help="images that are drawn (default 50)")
    parser.add_argument("--others", type=int, help="images that are predicted (default all others)")
    parser.add_argument("--out", type=Path, default=Path("work_dirs/pre_annotation"))
    parser.add_argument("--weights", type=Path, help="start weights (examples/imagenet_weights.py)")
    parser.add_argument("--config", default=_CONFIG, help=f"(default {_CONFIG})")
    parser.add_argument("--time", help="time of the training, such as 20m; else the config's")
    parser.add_argument("--score-thr", type=float, default=0.3, help="(default 0.3)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cfg-options", nargs="+", default=[], metavar="KEY=VALUE")
    return parser.parse_args(argv)


def split_images(
    truth: dict[str, Any], num_drawn: int, seed: int
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Choose the images that are drawn; return them and the others, by file name.

    Raises:
        ValueError: there are not more images than are drawn.
    """
    images = sorted(truth["images"], key=lambda image: image["file_name"])
    if not 0 < num_drawn < len(images):
        raise ValueError(f"--images {num_drawn}: expected 1 to {len(images) - 1}")
    chosen = set(random.Random(seed).sample(range(len(images)), num_drawn))
    parts: tuple[list, list] = ([], [])
    for number, image in enumerate(images):
        parts[number not in chosen].append(image)
    return parts


def _part(truth: dict[str, Any], images: list[dict[str, Any]]) -> dict[str, Any]:
    ids = {image["id"] for image in images}
    annotations = [a for a in truth["annotations"] if a["image_id"] in ids]
    return truth | dict(images=images, annotations=annotations)


def _train(args: argparse.Namespace, ann_file: Path) -> Path:
    work_dir = args.out / "train"
    last = work_dir / "last_checkpoint"
    if not (args.out / "trained").is_file():
        options = [
            f"data_root={args.folder}/",
            f"train_dataloader.dataset.ann_file={ann_file.resolve()}",
            "default_hooks.checkpoint.save_best=None",
            *("val_cfg=None", "val_dataloader=None", "val_evaluator=None"),
        ]
        if args.weights is not None:
            options.append(f"model.backbone.checkpoint_path={args.weights.resolve()}")
        words = [args.config, "--work-dir", work_dir, "--seed", args.seed]
        words += ["--amp", "bfloat16", "--channels-last"]
        words += ["--time", args.time] if args.time else []
        _condinst("train", *words, "--cfg-options", *options, *args.cfg_options)
        write_whole(args.out / "trained", "")
    return work_dir / last.read_text().strip()


def _predict(
    args: argparse.Namespace, checkpoint: Path, images: list[dict[str, Any]]
) -> dict[str, Any]:
    out = args.out / "predictions"
    files = args.out / "images"
    files.mkdir(exist_ok=True)
    for image in images:
        link = files / Path(image["file_name"]).name
        if not link.exists():
            link.symlink_to((args.folder / "train" / image["file_name"]).resolve())
    words = ["--out", out, "--format", "coco", "--no-images", "--score-thr", args.score_thr]
    _condinst("predict", checkpoint, files, *words)
    return json.loads((out / "annotations.json").read_text())


def _condinst(*words: Any) -> None:
    subprocess.run([sys.executable, "-m", "condinst", *map(str, words)], check=True)


class Count:
    """What a corrector does with the predictions of some images.

    Attributes:
        objects, predictions, right: numbers of objects, of predictions, and of right ones.
        draw_all, correct: clicks for drawing all objects, and for correcting the predictions.
    """

    def __init__(self) -> None:
        self.objects = self.predictions = self.right = self.draw_all = self.correct = 0

    def summary(self) -> dict[str, Any]:
        """Return the numbers and the fractions that the guide shows."""
        return dict(
            objects=self.objects,
            predictions=self.predictions,
            right=self.right,
            right_of_objects=round(self.right / max(1, self.objects), 3),
            right_of_predictions=round(self.right / max(1, self.predictions), 3),
            clicks_to_draw=self.draw_all,
            clicks_to_correct=self.correct,
            clicks_saved=round(1 - self.correct / max(1, self.draw_all), 3),
        )


def sum_counts(found: dict[str, Any], truth: dict[str, Any], images: list[dict[str, Any]]) -> Count:
    """Count all images; those of ``found`` are known by the names of their files."""
    names = {image["id"]: image["file_name"] for image in found["images"]}
    predicted, true = defaultdict(list), defaultdict(list)
    for row in found["annotations"]:
        predicted[names[row["image_id"]]].append(row["segmentation"])
    for row in truth["annotations"]:
        if not row.get("iscrowd"):
            true[row["image_id"]].append(row["segmentation"])
    count = Count()
    for image in images:
        size = image["height"], image["width"]
        masks = [_rle(part, *size) for part in true[image["id"]]]
        count_image(count, predicted[Path(image["file_name"]).name], masks)
    return count


def _rle(segmentation: Any, height: int, width: int) -> dict[str, Any]:
    if isinstance(segmentation, list):
        return polygons_to_rle(segmentation, height, width)
    if isinstance(segmentation["counts"], list):
        return coco_mask.frPyObjects(segmentation, height, width)
    return segmentation


def count_image(count: Count, predicted: list[dict], true: list[dict]) -> None:
    """Add one image: the masks of the predictions and of the objects, as RLE."""
    draw = [_points(coco_mask.decode(rle)) for rle in true]
    right: list[int] = []
    if predicted and true:
        ious = np.asarray(coco_mask.iou(predicted, true, [0] * len(true)))
        while ious.max() >= _RIGHT:  # the best pair first
            row, column = np.unravel_index(int(ious.argmax()), ious.shape)
            ious[row], ious[:, column] = 0, 0
            right.append(int(column))
    count.objects += len(true)
    count.predictions += len(predicted)
    count.right += len(right)
    count.draw_all += sum(draw)
    count.correct += _DELETE * (len(predicted) - len(right))
    count.correct += sum(draw) - sum(draw[column] for column in right)


def _points(mask: np.ndarray) -> int:
    crop = Crop.of(mask)
    return sum(len(part) for part in trace(crop.mask, tolerance=1.0))


if __name__ == "__main__":
    main()
