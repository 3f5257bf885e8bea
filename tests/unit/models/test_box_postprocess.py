"""Candidates against mmdet's, detections by hand."""

import math

import pytest
import torch
from mmcv.ops import batched_nms
from mmdet.models.task_modules.coders import DistancePointBBoxCoder
from mmdet.models.utils import filter_scores_and_topk

from condinst.models.box_postprocess import postprocess_boxes, select_candidates, suppress
from condinst.structures import DensePredictions


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
