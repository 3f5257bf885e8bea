"""Candidates against mmdet's, detections by hand."""

import math

import pytest
import torch
from mmdet.models.task_modules.coders import DistancePointBBoxCoder
from mmdet.models.utils import filter_scores_and_topk

from condinst.models.box_postprocess import postprocess_boxes, select_candidates
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


def test_the_best_are_handed_out_with_their_own_parameters():
    """Three boxes far apart; the parameters are those of each one's level and point."""
    logits = [torch.tensor([[[[0.0, 3], [-9, 1]]]]), torch.tensor([[[[2.0]]]])]
    dense = DensePredictions(
        cls_scores=logits,
        bbox_preds=[torch.ones(1, 4, *x.shape[-2:]) for x in logits],
        centernesses=[torch.full_like(x, 50) for x in logits],
        param_preds=[torch.arange(8.0).reshape(1, 2, 2, 2), torch.tensor([[[[10.0]], [[20.0]]]])],
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
    assert found.params.tolist() == [[1, 5], [10, 20]]
