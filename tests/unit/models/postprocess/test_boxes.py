"""Candidates against mmdet's, detections by hand."""

import math

import pytest
import torch
from mmcv.ops import batched_nms
from mmdet.models.task_modules.coders import DistancePointBBoxCoder
from mmdet.models.utils import filter_scores_and_topk

from condinst.models.postprocess.boxes import postprocess_boxes, select_candidates, suppress
from condinst.models.structures import DensePredictions


@pytest.mark.parametrize("score_thr", [0.0, 0.05, 0.5, 1.0])
@pytest.mark.parametrize("max_candidates", [10, 10**6])
def test_candidates_are_those_of_mmdet(score_thr, max_candidates):
    logits = torch.randn(7, 300, generator=torch.Generator().manual_seed(0)) * 3 - 2
    scores, labels, inds, _ = filter_scores_and_topk(
        logits.t().sigmoid(), score_thr, max_candidates
    )
    found_scores, found_labels, found_inds = select_candidates(logits, score_thr, max_candidates)
    torch.testing.assert_close(found_scores, scores)
    assert torch.equal(found_labels, labels)
    assert torch.equal(found_inds, inds)


def test_a_score_equal_to_the_threshold_does_not_pass():
    scores, labels, inds = select_candidates(torch.tensor([[0.0, 1e-3, -1e-3]]), 0.5, -1)
    assert inds.tolist() == [1]
    assert labels.tolist() == [0]
    assert scores.item() > 0.5


@pytest.mark.parametrize("levels", [20, 10**6])
@pytest.mark.parametrize("max_candidates", [1, 100, 400])
def test_equal_scores_keep_their_order(levels, max_candidates):
    """Scores in 20 steps: the cut falls among equals, which rank by point, then class."""
    logits = torch.randn(5, 400, generator=torch.Generator().manual_seed(0))
    logits = (logits * levels).round() / levels
    flat = logits.t().flatten().sigmoid()
    expected, order = flat.sort(descending=True, stable=True)
    count = min(int((expected > 0.3).sum()), max_candidates)
    scores, labels, inds = select_candidates(logits, 0.3, max_candidates)
    torch.testing.assert_close(scores, expected[:count])
    assert torch.equal(inds * 5 + labels, order[:count])


@pytest.mark.parametrize("crowded", [False, True])
@pytest.mark.parametrize("max_per_img", [1, 20, 100, 3000])
@pytest.mark.parametrize(
    "nms_cfg",
    [
        dict(type="nms", iou_threshold=0.6),
        dict(type="nms", iou_threshold=0.5, class_agnostic=True),
        dict(type="soft_nms", iou_threshold=0.3, min_score=0.05),
    ],
)
def test_survivors_are_those_of_batched_nms(crowded, max_per_img, nms_cfg):
    """Crowded: nearly all boxes in one place, so that the first look finds too few."""
    generator = torch.Generator().manual_seed(0)
    count = 2000
    corners = torch.rand(count, 2, generator=generator) * (20 if crowded else 900)
    sides = torch.rand(count, 2, generator=generator) * 100 + 50
    boxes = torch.cat([corners, corners + sides], dim=1)
    scores = (torch.rand(count, generator=generator) * 100).round() / 100  # with equals
    labels = torch.randint(0, 3, (count,), generator=generator)
    expected, expected_keep = batched_nms(boxes, scores, labels, nms_cfg)
    keep, kept_scores = suppress(boxes, scores, labels, nms_cfg, max_per_img)
    assert keep.tolist() == expected_keep[:max_per_img].tolist()
    assert torch.equal(kept_scores, expected[:max_per_img, -1])


def test_the_best_are_handed_out_with_the_points_that_predicted_them():
    """Three boxes far apart, on two levels."""
    logits = [torch.tensor([[[[0.0, 3], [-9, 1]]]]), torch.tensor([[[[2.0]]]])]
    dense = DensePredictions(
        cls_scores=logits,
        bbox_preds=[torch.ones(1, 4, *x.shape[-2:]) for x in logits],
        centernesses=[torch.full_like(x, 50) for x in logits],
        param_feats=[],
    )
    points = [torch.tensor([[4.0, 4], [12, 4], [4, 12], [12, 12]]), torch.tensor([[40.0, 40]])]
    found = postprocess_boxes(
        dense,
        0,
        points,
        (8, 16),
        DistancePointBBoxCoder(),
        (64, 64),
        dict(score_thr=0.6, nms=dict(type="nms", iou_threshold=0.5), max_per_img=2),
    )
    assert found.scores.tolist() == pytest.approx([1 / (1 + math.exp(-3)), 1 / (1 + math.exp(-2))])
    assert found.points.tolist() == [[12, 4], [40, 40]]
    assert found.strides.tolist() == [8, 16]
    assert found.point_inds.tolist() == [1, 4]


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def one_level(logits, centernesses, distances):
    """One level of stride 8 with points at x = 4, 12, ... of one row."""
    dense = DensePredictions(
        cls_scores=[torch.tensor(logits).view(1, 1, 1, -1)],
        bbox_preds=[torch.tensor(distances).t().reshape(1, 4, 1, -1)],
        centernesses=[torch.tensor(centernesses).view(1, 1, 1, -1)],
        param_feats=[],
    )
    points = torch.stack([torch.arange(len(logits)) * 8.0 + 4, torch.full((len(logits),), 4.0)], 1)
    return dense, [points]


def detect(dense, points, **test_cfg):
    nms_cfg = dict(type="nms", iou_threshold=0.5)
    cfg = dict(score_thr=0.6, nms=nms_cfg, max_per_img=10, **test_cfg)
    return postprocess_boxes(dense, 0, points, (8,), DistancePointBBoxCoder(), (16, 24), cfg)


@pytest.mark.parametrize("with_centerness", [False, True])
def test_threshold_and_best_candidates_with_or_without_centerness(with_centerness):
    """Class scores .95, .88, .73 with centernesses .27, .95, .95: products .26, .84, .70.

    The first passes the threshold only if that acts on the class score; of the best two by class
    score it is one, and the third is one of the best two by product.
    """
    dense, points = one_level([3.0, 2.0, 1.0], [-1.0, 3.0, 3.0], [[1.0] * 4] * 3)
    found = detect(dense, points, nms_pre=2, threshold_with_centerness=with_centerness)
    products = [sigmoid(3) * sigmoid(-1), sigmoid(2) * sigmoid(3), sigmoid(1) * sigmoid(3)]
    if with_centerness:
        assert found.point_inds.tolist() == [1, 2]
        assert found.scores.tolist() == pytest.approx(products[1:])
    else:
        assert found.point_inds.tolist() == [1, 0]
        assert found.scores.tolist() == pytest.approx([products[1], products[0]])


@pytest.mark.parametrize("clip_after_nms", [False, True])
def test_boxes_are_clipped_before_or_after_suppression(clip_after_nms):
    """Boxes (4..30, 0..8) and (4..100, 0..8) of an image 24 pixels wide.

    They overlap by 26 / 96, but are one and the same once clipped: the second survives only if
    they are clipped later.
    """
    dense, points = one_level([3.0, 2.0], [9.0, 9.0], [[0.0, 4, 26, 4], [8.0, 4, 88, 4]])
    found = detect(dense, points, clip_after_nms=clip_after_nms)
    assert found.bboxes.tolist() == [[4, 0, 24, 8]] * (2 if clip_after_nms else 1)


def test_what_is_empty_after_clipping_is_dropped():
    """A point of the padding at x = 28 predicts a box from 26 to 30; the image ends at 24."""
    dense, points = one_level([1.0, -9, -9, 3.0], [9.0] * 4, [[2.0, 2, 2, 2]] * 4)
    found = detect(dense, points, clip_after_nms=True)
    assert found.bboxes.tolist() == [[2, 2, 6, 6]]
    assert found.point_inds.tolist() == [0]


def test_scores_are_square_roots_where_asked_for():
    dense, points = one_level([3.0], [2.0], [[2.0, 2, 2, 2]])
    plain, root = (detect(dense, points, sqrt_scores=x).scores.item() for x in (False, True))
    assert plain == pytest.approx(sigmoid(3) * sigmoid(2))
    assert root == pytest.approx(math.sqrt(sigmoid(3) * sigmoid(2)))
