"""Candidates and masks against plain references."""

import pytest
import torch
import torch.nn.functional as F
from mmdet.models.utils import aligned_bilinear, filter_scores_and_topk

from condinst.models.box_postprocess import select_candidates
from condinst.models.mask_postprocess import postprocess_masks


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


@pytest.mark.parametrize("out_shape", [(37, 50), (74, 100), (150, 91)])
@pytest.mark.parametrize("max_elements", [1, 30_000, 2**24])
def test_masks_are_those_of_one_pass_over_all(out_shape, max_elements):
    logits = torch.randn(5, 10, 13, generator=torch.Generator().manual_seed(0)) * 4
    scores = aligned_bilinear(logits[None].sigmoid(), 4)[:, :, :37, :50]
    expected = F.interpolate(scores, out_shape, mode="bilinear", align_corners=False)[0] > 0.5
    actual = postprocess_masks(
        logits,
        stride=4,
        img_shape=(37, 50),
        out_shape=out_shape,
        mask_thr=0.5,
        max_elements=max_elements,
    )
    assert torch.equal(actual, expected)
    assert 0.2 < actual.float().mean() < 0.8


def test_no_detections_give_masks_of_the_right_size():
    masks = postprocess_masks(
        torch.zeros(0, 10, 13), stride=4, img_shape=(37, 50), out_shape=(74, 100), mask_thr=0.5
    )
    assert masks.shape == (0, 74, 100)
    assert masks.dtype == torch.bool
