"""The cap on masks."""

import torch

from condinst.models.sampler import sample_positives


def test_without_a_cap_every_positive_is_kept_in_order():
    gt_inds = torch.tensor([[-1, 0, -1, 1], [2, -1, -1, -1], [-1, -1, -1, -1]])
    img_inds, point_inds = sample_positives(gt_inds, torch.zeros(3, 4), max_masks=-1, topk_masks=-1)
    assert img_inds.tolist() == [0, 0, 1]
    assert point_inds.tolist() == [1, 3, 0]


def test_random_cap_keeps_so_many_of_each_picture_and_only_positives():
    gt_inds = torch.full((2, 1000), -1)
    gt_inds[0, 100:600] = 0
    gt_inds[1, :5] = 1
    torch.manual_seed(0)
    img_inds, point_inds = sample_positives(
        gt_inds, torch.zeros(2, 1000), max_masks=50, topk_masks=-1
    )
    assert (img_inds == 0).sum() == 50
    assert point_inds[img_inds == 1].tolist() == [0, 1, 2, 3, 4]
    chosen = point_inds[img_inds == 0]
    assert len(chosen.unique()) == 50
    assert (gt_inds[0, chosen] == 0).all()
    # the draw reaches both ends: a cap that took the first 50 would not
    assert chosen.min() < 200
    assert chosen.max() > 500


def test_topk_shares_the_budget_among_objects_and_takes_their_best():
    """Budget 4 for 2 objects: two each; object 7 has only one point."""
    gt_inds = torch.tensor([[3, 3, 3, -1, 7, 3]])
    quality = torch.tensor([[0.1, 0.9, 0.3, 1.0, 0.2, 0.5]])
    _, point_inds = sample_positives(gt_inds, quality, max_masks=-1, topk_masks=4)
    assert point_inds.tolist() == [1, 5, 4]


def test_topk_keeps_one_of_each_object_where_the_budget_is_too_small():
    gt_inds = torch.tensor([[0, 0, 1, 1, 2, 2]])
    quality = torch.tensor([[0.1, 0.2, 0.4, 0.3, 0.5, 0.6]])
    _, point_inds = sample_positives(gt_inds, quality, max_masks=-1, topk_masks=2)
    assert point_inds.tolist() == [1, 2, 5]


def test_topk_applies_where_the_random_cap_does_not():
    gt_inds = torch.tensor([[0, 0, 0, 0]])
    quality = torch.tensor([[0.1, 0.4, 0.2, 0.3]])
    _, point_inds = sample_positives(gt_inds, quality, max_masks=10, topk_masks=2)
    assert point_inds.tolist() == [1, 3]
