"""Benchmark of COCO evaluation and of mask encoding, against pycocotools and mmdet.

The dataset is generated from real annotations. Images are repeated as often as needed, each copy
with other detections: the image's own objects, moved a little, and objects of other images as false
positives.
"""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmdet.structures.mask import encode_mask_results
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from benchmarks.measure import Comparison, compare, compare_peaks
from condinst.evaluation.coco_summary import read_items
from condinst.evaluation.evaluators import choose_backend, evaluate
from condinst.evaluation.mask_encoding import encode_masks
from condinst.evaluation.matches import gather_detections, read_truth

__all__ = ["run"]

NUM_FOUND = 100  # detections per image
_NUM_CANDIDATES = 150
_MAX_ROUNDS = 3  # pycocotools needs more than a minute for 5000 images
_MAX_DETS = (1, 10, 100)
_IOU_THRS = np.linspace(0.5, 0.95, 10)
_KINDS = ("bbox", "segm")


def run(context: Any) -> list[Comparison]:
    """Measure both parts. ``context`` has root, rounds and num_images; only the CPU is used."""
    content, predictions = make_set(context.root, context.num_images)
    return [
        *compare_evaluation(content, predictions, min(context.rounds, _MAX_ROUNDS)),
        compare_encoding(predictions, context.rounds),
    ]


def compare_evaluation(
    content: dict[str, Any], predictions: list[dict[str, Any]], rounds: int
) -> list[Comparison]:
    """Measure time and memory, and assert that the 24 numbers agree to 1e-6."""
    results = {kind: _as_results(content, predictions, kind) for kind in _KINDS}
    numbers = _theirs(content, results), _ours(content, predictions)
    apart = float(np.abs(np.subtract(*numbers)).max())
    assert numbers[0].shape == (24,)
    assert apart < 1e-6, f"pycocotools' and our numbers are {apart} apart"
    note = (
        f"{len(predictions)} images, {len(results['bbox'])} detections, "
        f"{len(content['annotations'])} objects, bbox and segm, {choose_backend('auto')}; "
        f"24 numbers, {apart:.0e} apart; mask AP {numbers[0][12]:.3f}"
    )
    theirs, ours = lambda: _theirs(content, results), lambda: _ours(content, predictions)
    settings: dict[str, Any] = dict(against="pycocotools", note=note)
    name = "COCO evaluation"
    return [
        compare(name, theirs, ours, rounds=rounds, warmup=0, bar=5.0, **settings),
        compare_peaks(f"{name}, memory", theirs, ours, rounds=1, **settings),
    ]


def compare_encoding(predictions: list[dict[str, Any]], rounds: int) -> Comparison:
    """Measure the encoding of an image's masks, from (N, H, W) bool to RLE."""
    decoded = [coco_mask.decode([mask])[..., 0] for mask in predictions[0]["masks"]]
    masks = torch.from_numpy(np.ascontiguousarray(np.stack(decoded), bool))
    assert encode_masks(masks) == encode_mask_results(masks.numpy())
    return compare(
        "RLE of masks",
        lambda: encode_mask_results(masks.numpy()),
        lambda: encode_masks(masks),
        rounds=rounds,
        note=f"{tuple(masks.shape)} bool on the CPU; the same bytes",
    )


def _theirs(content: dict[str, Any], results: dict[str, list[dict]]) -> np.ndarray:
    """Evaluate with pycocotools, on copies of the dicts, because it adds keys to them."""
    stats = []
    with contextlib.redirect_stdout(io.StringIO()):
        for kind in _KINDS:
            truth = COCO()
            annotations = [dict(annotation) for annotation in content["annotations"]]
            truth.dataset = dict(content, annotations=annotations)
            truth.createIndex()
            run = COCOeval(truth, truth.loadRes([dict(r) for r in results[kind]]), kind)
            run.evaluate()
            run.accumulate()
            run.summarize()
            stats.append(run.stats)
    return np.concatenate(stats)


def _ours(content: dict[str, Any], predictions: list[dict[str, Any]]) -> np.ndarray:
    """Evaluate what the metric keeps, as the first time in a run: with the truth's polygons."""
    category_ids = [category["id"] for category in content["categories"]]
    truth = read_truth(content, category_ids, "the benchmark's set")
    numbers: list[float] = []
    for kind in _KINDS:
        detections = gather_detections(predictions, truth, category_ids, kind)
        curves = evaluate(
            truth,
            detections,
            backend=choose_backend("auto"),
            iou_thrs=_IOU_THRS,
            max_dets=_MAX_DETS,
        )
        numbers += read_items(curves, _IOU_THRS, _MAX_DETS, _MAX_DETS[-1]).values()
    return np.array(numbers)


def make_set(
    root: Path, num_images: int, seed: int = 0
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return a COCO file's content, and the predictions of each image as a metric keeps them."""
    rng = np.random.default_rng(seed)
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(Path(root) / "annotations" / "instances_val2017.json"))
    label_of = {category["id"]: i for i, category in enumerate(coco.dataset["categories"])}
    sources = list(coco.imgs)[:num_images]
    objects = [_Object(coco, a) for a in coco.dataset["annotations"] if not a["iscrowd"]]
    candidates = [_candidates(coco.imgs[image_id], objects, rng) for image_id in sources]
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    predictions: list[dict[str, Any]] = []
    for index in range(num_images):
        source = index % len(sources)
        images.append(dict(coco.imgs[sources[source]], id=index + 1))
        for annotation in coco.imgToAnns[sources[source]]:
            annotations.append(dict(annotation, id=len(annotations) + 1, image_id=index + 1))
        kept = rng.permutation(len(candidates[source]))[:NUM_FOUND]
        found = [candidates[source][i] for i in kept]
        corners = np.array([corner for _, _, corner, _ in found])
        corners += rng.normal(0, 0.5, corners.shape)
        scores = np.array([score for _, score, _, _ in found]) + rng.random(len(found)) / 1000
        predictions.append(
            dict(
                img_id=index + 1,
                labels=np.array([label_of[category_id] for category_id, _, _, _ in found]),
                scores=scores.astype(np.float32),
                bboxes=corners.astype(np.float32),
                masks=[mask for _, _, _, mask in found],
            )
        )
    content = dict(coco.dataset, images=images, annotations=annotations)
    return content, predictions


class _Object:
    """An annotated object: the part of its mask inside its box, and the place of that part."""

    def __init__(self, coco: COCO, annotation: dict[str, Any]) -> None:
        self.image_id, self.category_id = annotation["image_id"], annotation["category_id"]
        mask = coco.annToMask(annotation)
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        self.place = np.array([rows[0], columns[0]]) if rows.size else np.zeros(2, int)
        end = (rows[-1] + 1, columns[-1] + 1) if rows.size else (1, 1)
        self.mask = mask[self.place[0] : end[0], self.place[1] : end[1]]

    def moved(self, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
        """Draw the mask in an image of ``size``, moved by up to 15% of its size: (H, W) uint8."""
        canvas = np.zeros(size, np.uint8, order="F")
        reach = max(1, int(0.15 * np.mean(self.mask.shape)))
        start = self.place + rng.integers(-reach, reach + 1, 2)
        cut = np.maximum(-start, 0)
        part = self.mask[cut[0] :, cut[1] :]
        start = np.minimum(start + cut, size)
        rows, columns = np.minimum(part.shape, size - start)
        canvas[start[0] : start[0] + rows, start[1] : start[1] + columns] = part[:rows, :columns]
        return canvas


def _candidates(
    image: dict[str, Any], objects: list[_Object], rng: np.random.Generator
) -> list[tuple[int, float, np.ndarray, dict[str, Any]]]:
    """Return 150 detections, four of each object first: category id, score, corners (4,), RLE."""
    own = [an_object for an_object in objects if an_object.image_id == image["id"]]
    queue = [(an_object, True) for an_object in own for _ in range(4)]
    found: list[tuple[int, float, np.ndarray, dict[str, Any]]] = []
    while len(found) < _NUM_CANDIDATES:
        an_object, true = queue.pop(0) if queue else (objects[rng.integers(len(objects))], False)
        mask = an_object.moved((image["height"], image["width"]), rng)
        if not mask.any():
            continue
        rle = coco_mask.encode(mask)
        # half of the false positives have a class of the image, so that they can meet an object
        as_own = own and not true and rng.random() < 0.5
        category_id = (own[rng.integers(len(own))] if as_own else an_object).category_id
        x, y, width, height = coco_mask.toBbox(rle)
        corners = np.array([x, y, x + width, y + height]) + rng.normal(0, 2, 4)
        corners[2:] = np.maximum(corners[2:], corners[:2] + 1)
        score = rng.beta(4, 2) if true else rng.beta(1, 5)
        found.append((category_id, float(score), corners, rle))
    return found


def _as_results(
    content: dict[str, Any], predictions: list[dict[str, Any]], kind: str
) -> list[dict[str, Any]]:
    """Convert predictions to COCO's list of results, as mmdet passes it to pycocotools."""
    category_ids = [category["id"] for category in content["categories"]]
    results = []
    for prediction in predictions:
        boxes = prediction["bboxes"].astype(float)
        boxes[:, 2:] -= boxes[:, :2]
        columns = (prediction["labels"], prediction["scores"], boxes)
        for label, score, box, mask in zip(
            *(column.tolist() for column in columns), prediction["masks"], strict=True
        ):
            result = dict(
                image_id=prediction["img_id"], category_id=category_ids[label], score=score
            )
            result.update(dict(bbox=box) if kind == "bbox" else dict(segmentation=mask))
            results.append(result)
    return results
