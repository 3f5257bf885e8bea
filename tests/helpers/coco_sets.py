"""Small COCO datasets with detections, and what pycocotools and mmdet say of them."""

import contextlib
import copy
import io
import json

import numpy as np
import torch
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

CLASSES = ("ant", "bee", "cat", "dog")
CATEGORY_IDS = (3, 5, 8, 9)
HEIGHT, WIDTH = 180, 240


def random_set(seed=0, num_images=6, per_image=8, num_found=25):
    """A COCO file's content, and detections as COCO's list of results with boxes and masks.

    Ids are neither dense nor in order. Objects are polygons, RLE with and without compression, one
    in six a crowd; detections are objects that were moved, and noise; some scores are equal. The
    first image has no object, the second no detection, and no image a "dog".
    """
    rng = np.random.default_rng(seed)
    images = [
        dict(id=int(i) * 7 + 4, height=HEIGHT, width=WIDTH, file_name=f"{i}.jpg")
        for i in rng.permutation(num_images)
    ]
    annotations, found = [], []
    for index, image in enumerate(images):
        boxes = [_box(rng) for _ in range(per_image if index else 0)]
        for box in boxes:
            annotations.append(_annotation(rng, len(annotations) + 11, image["id"], box))
        for _ in range(num_found if index != 1 else 0):
            box, category_id = _box(rng), int(rng.choice(CATEGORY_IDS))
            if boxes and rng.random() < 0.7:
                place = rng.integers(len(boxes))
                box = boxes[place] + rng.integers(-3, 4, 4)
                category_id = annotations[place - len(boxes)]["category_id"]
            found.append(_detection(rng, image["id"], category_id, box))
    categories = [dict(id=i, name=n) for i, n in zip(CATEGORY_IDS, CLASSES, strict=True)]
    return dict(images=images, annotations=annotations, categories=categories), found


def _box(rng):
    width, height = rng.integers(8, rng.choice([32, 140]), 2)
    return np.array([rng.integers(0, 90), rng.integers(0, 40), width, height])


def _mask(box):
    x, y, width, height = np.maximum(box, 1)
    mask = np.zeros((HEIGHT, WIDTH), np.uint8, order="F")
    mask[y : y + height, x : x + width] = 1
    return mask


def _annotation(rng, annotation_id, image_id, box):
    x, y, width, height = (int(v) for v in box)
    mask = _mask(box)
    kind, crowd = rng.integers(3), int(rng.random() < 1 / 6)
    segmentation = [[x, y, x + width, y, x + width, y + height, x, y + height]]
    if kind == 1:
        rle = coco_mask.encode(mask)
        segmentation = dict(size=rle["size"], counts=rle["counts"].decode())
    if kind == 2:
        changes = np.flatnonzero(np.diff(mask.ravel("F"), prepend=0, append=0))
        ends = [*changes.tolist(), HEIGHT * WIDTH]
        segmentation = dict(size=[HEIGHT, WIDTH], counts=np.diff(ends, prepend=0).tolist())
    return dict(
        id=annotation_id,
        image_id=image_id,
        category_id=int(rng.choice(CATEGORY_IDS[:3])),
        bbox=[x, y, width, height],
        area=float(mask.sum()),
        iscrowd=crowd,
        segmentation=segmentation,
    )


def _detection(rng, image_id, category_id, box):
    x, y, width, height = (int(v) for v in np.maximum(box, 1))
    rle = coco_mask.encode(_mask(box))
    return dict(
        image_id=image_id,
        category_id=category_id,
        bbox=[x, y, width, height],
        score=float(np.float32(np.round(rng.random(), 1))),
        segmentation=dict(size=rle["size"], counts=rle["counts"].decode()),
    )


def by_pycocotools(content, found, iou_type, *, max_dets=(1, 10, 100), use_cats=1, box_areas=False):
    """The 12 numbers. ``box_areas``: of the boxes also for masks, as for results that hold both."""
    found = copy.deepcopy(found)
    for detection in found:
        if iou_type == "bbox":
            del detection["segmentation"]
        elif not box_areas:
            del detection["bbox"]
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = copy.deepcopy(content)
        truth.createIndex()
        run = COCOeval(truth, truth.loadRes(found), iou_type)
        run.params.maxDets, run.params.useCats = list(max_dets), use_cats
        run.evaluate()
        run.accumulate()
        run.summarize()
    return run.stats


def as_predictions(content, found, category_ids=CATEGORY_IDS):
    """Predictions of an image each, as a metric keeps them."""
    predictions = []
    for image in content["images"]:
        own = [d for d in found if d["image_id"] == image["id"]]
        boxes = np.array([d["bbox"] for d in own], float).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        predictions.append(
            dict(
                img_id=image["id"],
                bboxes=boxes,
                scores=np.array([d["score"] for d in own]),
                labels=np.array([category_ids.index(d["category_id"]) for d in own], int),
                masks=[dict(d["segmentation"]) for d in own],
            )
        )
    return predictions


def as_samples(content, found, category_ids=CATEGORY_IDS, bitmaps=True):
    """Data samples of an image each, as a model hands them to an evaluator."""
    samples = []
    for prediction in as_predictions(content, found, category_ids):
        masks = prediction["masks"]
        if bitmaps:
            stack = [torch.from_numpy(coco_mask.decode([mask])[..., 0]).bool() for mask in masks]
            masks = torch.stack(stack) if stack else torch.zeros(0, HEIGHT, WIDTH).bool()
        instances = dict(
            bboxes=torch.from_numpy(prediction["bboxes"]).float(),
            scores=torch.from_numpy(prediction["scores"]).float(),
            labels=torch.from_numpy(prediction["labels"]),
            masks=masks,
        )
        samples.append(
            dict(img_id=prediction["img_id"], ori_shape=(HEIGHT, WIDTH), pred_instances=instances)
        )
    return samples


def measured(metric, samples, classes=CLASSES):
    """What a metric says of ``samples``."""
    metric.dataset_meta = dict(classes=classes)
    for sample in samples:
        metric.process({}, [sample])
    with contextlib.redirect_stdout(io.StringIO()):
        return metric.evaluate(len(samples))


def write(folder, content):
    path = folder / "annotations.json"
    path.write_text(json.dumps(content))
    return str(path)
