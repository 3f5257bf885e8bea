"""Small scenes of square objects for the report's tests, and COCO's answers on real detections."""

import contextlib
import copy
import io
import json

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from condinst.evaluation.matches import Detections, Truth, gather_detections, read_truth
from condinst.report.matching import compare_images


def truth_of(objects, num_images=1, num_classes=2):
    """A truth of (image, class, box) or (image, class, box, crowd), boxes xywh."""
    content = {
        "images": [
            dict(id=i, height=100, width=100, file_name=f"{i}.png") for i in range(num_images)
        ],
        "categories": [dict(id=i, name="abcdef"[i]) for i in range(num_classes)],
        "annotations": [
            dict(
                id=i,
                image_id=image,
                category_id=category,
                bbox=box,
                area=box[2] * box[3],
                iscrowd=int(bool(crowd)),
            )
            for i, (image, category, box, *crowd) in enumerate(objects, start=1)
        ],
    }
    return read_truth(content, range(num_classes), "hand made")


def detections_of(rows) -> Detections:
    """Detections of (image, class, score, box), boxes xywh."""
    boxes = np.array([row[3] for row in rows], float).reshape(-1, 4)
    return Detections(
        images=np.array([row[0] for row in rows], int),
        categories=np.array([row[1] for row in rows], int),
        scores=np.array([row[2] for row in rows], float),
        boxes=boxes,
        areas=boxes[:, 2] * boxes[:, 3],
        masks=None,
    )


def images_of(truth: Truth, detections: Detections, max_dets=100):
    return compare_images(truth, detections, max_dets)


def real_set(datasets, category_ids=None):
    """Content and detections of the evaluator's set, of some categories where given."""
    folder = datasets / "evaluator"
    content = json.loads((folder / "ground_truth.json").read_text())
    found = json.loads((folder / "detections.json").read_text())
    if category_ids is not None:
        content["annotations"] = [
            a for a in content["annotations"] if a["category_id"] in category_ids
        ]
        content["categories"] = [c for c in content["categories"] if c["id"] in category_ids]
        found = [d for d in found if d["category_id"] in category_ids]
    return content, found


def records_of(content, found, iou_type):
    """The same as our records."""
    ids = sorted(c["id"] for c in content["categories"])
    truth = read_truth(content, ids, "truth.json")
    by_image = {}
    for row in found:
        by_image.setdefault(row["image_id"], []).append(row)
    predictions = []
    for image_id, rows in by_image.items():
        boxes = np.array([row["bbox"] for row in rows], float)
        boxes[:, 2:] += boxes[:, :2]
        predictions.append(
            dict(
                img_id=image_id,
                bboxes=boxes,
                scores=np.array([row["score"] for row in rows]),
                labels=np.array([ids.index(row["category_id"]) for row in rows]),
                masks=[row["segmentation"] for row in rows],
            )
        )
    return truth, gather_detections(predictions, truth, ids, iou_type)


def coco_eval(content, found, iou_type, max_dets=(1, 10, 100)) -> COCOeval:
    """pycocotools, evaluated and accumulated."""
    found = copy.deepcopy(found)
    for row in found:
        if iou_type == "bbox":
            del row["segmentation"]
        else:
            del row["bbox"]
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = copy.deepcopy(content)
        truth.createIndex()
        run = COCOeval(truth, truth.loadRes(found), iou_type)
        run.params.maxDets = list(max_dets)
        run.evaluate()
        run.accumulate()
    return run
