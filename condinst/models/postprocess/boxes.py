"""Post-processing of the dense predictions of one image to detections without masks.

Shapes: L levels, C classes, P_l points of a level, N detections.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmcv.ops import batched_nms, nms
from mmengine.structures import InstanceData
from torch import Tensor

from condinst.models.structures import DensePredictions


def select_candidates(
    cls_logits: Tensor,
    score_thr: float,
    max_candidates: int,
    point_scores: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Select the best pairs of point and class of one level.

    Equal scores rank by point, then by class.

    Args:
        cls_logits: (C, P_l).
        score_thr: a pair is kept if its score exceeds this.
        max_candidates: most pairs kept; -1 for all.
        point_scores: (P_l,) in [0, 1], factors of the class scores; None for 1.

    Returns:
        Scores, class indices and point indices, each (n,), by falling score.
    """
    # Logits are compared before the sigmoid, because there are a hundred times more pairs than
    # candidates. The margin of 1e-2 covers the sigmoid's rounding; scores decide exactly below.
    logit_thr = torch.logit(torch.tensor(max(score_thr, 0.0), dtype=torch.float64)).item()
    point_inds, labels = (cls_logits.t() > logit_thr - 1e-2).nonzero(as_tuple=True)
    scores = cls_logits[labels, point_inds].float().sigmoid()  # (n,)
    if point_scores is not None:  # factors of at most 1: no other pair can exceed the threshold
        scores = scores * point_scores[point_inds]
    above = scores > score_thr
    scores, labels, point_inds = scores[above], labels[above], point_inds[above]
    if 0 < max_candidates < len(scores):
        # Sort only the pairs that can be among the best. Pairs that equal the last of them take
        # part, so that equal scores come in the same order as when all are sorted.
        last = scores.topk(max_candidates, sorted=False).values.amin()
        best = scores >= last
        scores, labels, point_inds = scores[best], labels[best], point_inds[best]
    scores, order = scores.sort(descending=True, stable=True)
    if max_candidates >= 0:
        scores, order = scores[:max_candidates], order[:max_candidates]
    return scores, labels[order], point_inds[order]


def suppress(
    boxes: Tensor, scores: Tensor, labels: Tensor, nms_cfg: dict, max_per_img: int
) -> tuple[Tensor, Tensor]:
    """Keep the first ``max_per_img`` survivors of non-maximum suppression within each class.

    Whether a box survives depends only on boxes with higher scores, so the best few hundred
    candidates usually suffice. The result equals that of ``mmcv.ops.batched_nms``.

    Args:
        boxes: (n, 4) xyxy.
        scores: (n,).
        labels: (n,).
        nms_cfg: as for ``batched_nms``; kinds that change scores need all candidates.
        max_per_img: most boxes kept.

    Returns:
        Indices (m,) by falling score, and their (m,) scores, which soft NMS lowers.
    """
    plain = nms_cfg.keys() == {"type", "iou_threshold"} and nms_cfg["type"] == "nms"
    # from 10,000 boxes on, batched_nms suppresses class by class
    if not plain or not 0 < max_per_img < len(scores) < 10_000:
        boxes_and_scores, keep = batched_nms(boxes, scores, labels, nms_cfg)
        keep = keep[:max_per_img]
        return keep, boxes_and_scores[: len(keep), -1]
    # as in batched_nms: an offset per class keeps classes apart, with the rounding that it causes
    apart = boxes + (labels.to(boxes) * (boxes.max() + 1))[:, None]  # (n, 4)
    order = scores.argsort(descending=True, stable=True)
    count = 4 * max_per_img
    while True:
        best = order[:count]
        _, keep = nms(apart[best], scores[best], nms_cfg["iou_threshold"])
        if len(keep) >= max_per_img or count >= len(order):
            keep = best[keep[:max_per_img]]
            return keep, scores[keep]
        count *= 4


def postprocess_boxes(
    dense: DensePredictions,
    image: int,
    points: Sequence[Tensor],
    strides: Sequence[int],
    bbox_coder,
    img_shape: tuple[int, int],
    test_cfg: dict,
) -> InstanceData:
    """Threshold, decode and suppress the predictions of one image.

    Args:
        dense: predictions in evaluation mode (boxes in input-image pixels).
        image: index of the image in the batch.
        points: per level, (P_l, 2) xy.
        strides: stride of each level, pixels.
        bbox_coder: decodes points and distances to boxes.
        img_shape: height and width of the image without padding; boxes are clipped to it.
        test_cfg: ``score_thr``, ``nms_pre`` (per level), ``min_bbox_size`` (pixels), ``nms``,
            ``max_per_img``; and three conventions of the original implementation, False by default:
            with ``threshold_with_centerness``, ``score_thr`` and ``nms_pre`` apply to class score
            times centerness instead of the class score; with ``clip_after_nms``, boxes are clipped
            after non-maximum suppression instead of before, and empty ones are then dropped; with
            ``sqrt_scores``, the returned scores are square roots.

    Returns:
        Detections by falling score: ``bboxes`` (N, 4) xyxy in input-image pixels, ``scores`` (N,)
        (class score, times centerness where the head predicts it), ``labels`` (N,), ``points``
        (N, 2) xy, ``point_inds`` (N,) among the points of all levels, ``strides`` (N,).
    """
    with_centerness = test_cfg.get("threshold_with_centerness", False)
    clip_after = test_cfg.get("clip_after_nms", False)
    levels: list[InstanceData] = []
    start = 0
    for level, (cls_scores, bbox_preds) in enumerate(zip(*dense[:2], strict=True)):
        quality = None
        if dense.centernesses:
            quality = dense.centernesses[level][image].flatten().float().sigmoid()  # (P_l,)
        scores, labels, inds = select_candidates(
            cls_scores[image].flatten(1),
            test_cfg.get("score_thr", 0),
            test_cfg.get("nms_pre", -1),
            quality if with_centerness else None,
        )
        level_points = points[level][inds]  # (n, 2)
        distances = bbox_preds[image].flatten(1)[:, inds].t()  # (n, 4)
        max_shape = None if clip_after else img_shape
        levels.append(
            InstanceData(
                bboxes=bbox_coder.decode(level_points, distances, max_shape=max_shape),
                scores=scores if with_centerness or quality is None else scores * quality[inds],
                labels=labels,
                points=level_points,
                strides=level_points.new_full((len(inds),), strides[level]),
                point_inds=inds + start,
            )
        )
        start += len(points[level])
    results = InstanceData.cat(levels)

    results = _drop_small(results, test_cfg.get("min_bbox_size", -1))
    if len(results) > 0:
        keep, scores = suppress(
            results.bboxes,
            results.scores,
            results.labels,
            test_cfg["nms"],
            test_cfg["max_per_img"],
        )
        results = results[keep]
        results.scores = scores
    if clip_after:
        height, width = img_shape
        limits = results.bboxes.new_tensor([width, height, width, height])
        results.bboxes = torch.minimum(results.bboxes.clamp(min=0), limits)
        results = _drop_small(results, 0)
    if test_cfg.get("sqrt_scores", False):
        results.scores = results.scores.sqrt()
    return results


def _drop_small(results: InstanceData, min_size: float) -> InstanceData:
    """Keep boxes wider and higher than ``min_size`` pixels; keep all if it is negative."""
    if min_size < 0:
        return results
    sizes = results.bboxes[:, 2:] - results.bboxes[:, :2]  # (N, 2): width and height
    return results[(sizes > min_size).all(dim=1)]
