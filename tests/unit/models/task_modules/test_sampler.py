"""The cap on masks."""

import torch

from condinst.models.task_modules.sampler import sample_positives


def test_without_a_cap_every_positive_is_kept_in_order():
    chosen, counts = sample_positives(
        torch.tensor([0, 1, 2]), [2, 1, 0], max_masks=-1, topk_masks=-1
    )
    assert chosen.tolist() == [0, 1, 2]
    assert counts == [2, 1, 0]


def test_random_cap_keeps_so_many_of_each_image():
    torch.manual_seed(0)
    chosen, counts = sample_positives(
        torch.zeros(505, dtype=torch.long), [500, 5], max_masks=50, topk_masks=-1
    )
    assert counts == [50, 5]
    assert chosen[50:].tolist() == [500, 501, 502, 503, 504]
    first = chosen[:50]
    assert len(first.unique()) == 50
    # the draw reaches both ends: a cap that took the first 50 would not
    assert first.min() < 100
    assert 400 < first.max() < 500


def topk(gt_inds, quality, *, max_masks=-1, topk_masks):
    return sample_positives(
        torch.tensor(gt_inds),
        [len(gt_inds)],
        quality=torch.tensor(quality),
        max_masks=max_masks,
        topk_masks=topk_masks,
    )[0].tolist()


def test_topk_shares_the_budget_among_objects_and_takes_their_best():
    """Budget 4 for 2 objects: two each; object 7 has only one point."""
    assert topk([3, 3, 3, 7, 3], [0.1, 0.9, 0.3, 0.2, 0.5], topk_masks=4) == [1, 4, 3]


def test_topk_keeps_one_of_each_object_where_the_budget_is_too_small():
    found = topk([0, 0, 1, 1, 2, 2], [0.1, 0.2, 0.4, 0.3, 0.5, 0.6], topk_masks=2)
    assert found == [1, 2, 5]


def test_topk_applies_where_the_random_cap_does_not():
    assert topk([0, 0, 0, 0], [0.1, 0.4, 0.2, 0.3], max_masks=10, topk_masks=2) == [1, 3]


def test_topk_of_the_second_image_reads_its_own_points():
    chosen, counts = sample_positives(
        torch.tensor([0, 0, 0, 0]),
        [1, 3],
        quality=torch.tensor([0.9, 0.1, 0.2, 0.3]),
        max_masks=-1,
        topk_masks=1,
    )
    assert chosen.tolist() == [0, 3]
    assert counts == [1, 1]
