"""A teacher's masks for known boxes: assignment and confidence by hand, and the losses of both."""

import copy

import pytest
import torch
from small_model import BOX, build, losses_of, sample, small_model
from small_rtmdet import seeded_rtmdet, small_rtmdet

from condinst.models.box_teacher import add_pseudo_masks, assign_predictions, mask_confidence
from condinst.targets.target_types import SampledMasks, SimilarColors

SIZE = (96, 128)
BOXES = [BOX, [70.0, 10, 120, 60]]


def test_each_box_gets_its_best_prediction():
    """The IoUs with the 10 x 10 boxes are in the comments."""
    known = torch.tensor([[0.0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10]])
    predicted = torch.tensor(
        [
            [0.0, 0, 10, 8],  # 0.8 of the first
            [0, 0, 10, 5],  # 0.5 of the first
            [20, 0, 30, 4],  # 0.4 of the second
            [20, 0, 30, 10],  # 1.0 of the second
            [21, 0, 30, 10],  # 0.9 of the second
        ]
    )
    scores = torch.tensor([0.2, 0.6, 0.9, 0.3, 0.1])
    for iou_thr, expected in ((0.5, [-1, 0, -1, 1, -1]), (0.6, [0, -1, -1, 1, -1])):
        assert assign_predictions(predicted, scores, known, iou_thr).tolist() == expected
    assert assign_predictions(predicted, scores, known, 0.3).tolist() == [-1, 0, 1, -1, -1]


def test_a_prediction_belongs_to_the_box_that_it_overlaps_most():
    known = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 9]])  # the prediction's: 0.8 and 8 / 9
    found = assign_predictions(torch.tensor([[0.0, 0, 10, 8]]), torch.tensor([0.5]), known, 0.5)
    assert found.tolist() == [1]


@pytest.mark.parametrize(("predicted", "known"), [(0, 2), (3, 0)])
def test_nothing_is_assigned_to_nothing(predicted, known):
    boxes = torch.rand(predicted, 4), torch.rand(known, 4)
    found = assign_predictions(boxes[0], torch.rand(predicted), boxes[1], 0.5)
    assert found.tolist() == [-1] * predicted


def test_the_confidence_is_the_root_of_score_times_mean_probability():
    masks = torch.zeros(3, 2, 3)
    masks[0] = torch.tensor([[0.9, 0.7, 0.5], [0.2, 0, 0]])  # 0.5 is no foreground
    masks[1] = 0.4
    masks[2, 1, 1] = 1
    found = mask_confidence(masks, torch.tensor([0.45, 1.0, 0.25]))
    assert found.tolist() == pytest.approx([(0.45 * 0.8) ** 0.5, 0, 0.5])


def detector(kind, **settings):
    settings = dict(warmup_iters=0, **settings)
    make = small_rtmdet if kind == "rtmdet" else small_model
    cfg = make(box_supervision=settings)
    cfg.test_cfg.score_thr = 0.0
    return seeded_rtmdet(cfg).requires_grad_() if kind == "rtmdet" else build(cfg)


def batch(box_only=None):
    """Two images without similar colors; ``box_only`` makes them mixed data."""
    found = [sample(BOXES, SIZE) for _ in range(2)]
    for data in found:
        objects = data["data_samples"].gt_instances
        colors = SimilarColors(torch.zeros(8, 24, 32, dtype=torch.bool), 4, len(BOXES))
        objects.masks = colors
        if box_only is not None:
            flags = torch.tensor(box_only)
            samples = torch.ones(2, 24, 32, dtype=torch.bool)
            centers, areas = torch.tensor([[35.0, 50], [95, 35]]), torch.tensor([100, 100])
            masks = SampledMasks(samples, centers, areas, 4, box_only=flags, colors=colors)
            objects.masks = masks
    return found


def teach(teacher, samples, iou_thr=0.0):
    """Add the teacher's masks as the hook does; by default even where boxes do not overlap."""
    inputs = teacher.data_preprocessor(dict(inputs=[s["inputs"] for s in samples]), False)
    add_pseudo_masks(teacher, inputs["inputs"], [s["data_samples"] for s in samples], iou_thr)


@pytest.mark.parametrize("kind", ["condinst", "rtmdet"])
def test_only_the_student_learns_from_the_teacher(kind):
    student = detector(kind)
    teacher = copy.deepcopy(student).eval()
    samples = batch()
    plain = losses_of(student, copy.deepcopy(samples))
    teach(teacher, samples)
    inside = torch.zeros(2, 24, 32, dtype=torch.bool)
    inside[0, 5:20, 2:15] = inside[1, 2:15, 17:30] = True  # pixels 2, 6, 10, ... of the boxes
    for data in samples:
        objects = data["data_samples"].gt_instances
        assert objects.pseudo_masks.shape == (2, 24, 32)
        assert not objects.pseudo_masks[~inside].any()
        assert not objects.pseudo_masks.requires_grad
        assert 0 < objects.pseudo_scores.max() <= 1
        assert objects.pseudo_masks[objects.pseudo_scores > 0].amax() > 0.5
    losses = losses_of(student, samples)
    new = {name: losses.pop(name) for name in ("loss_mask_pseudo", "loss_mask_affinity")}
    assert losses == plain  # the others are as they were
    assert all(loss > 0 for loss in new.values())
    sum(new.values()).backward()
    assert any(p.grad is not None and p.grad.any() for p in student.parameters())
    assert all(p.grad is None for p in teacher.parameters())


def test_the_weights_of_the_losses():
    """Twice and ten times the published 0.5 and 0.1."""
    found = []
    for settings in ({}, dict(pseudo_weight=1.0, affinity_weight=1.0)):
        model = detector("condinst", **settings)
        samples = batch()
        teach(copy.deepcopy(model).eval(), samples)
        found.append(losses_of(model, samples))
    for name, factor in (("loss_mask_pseudo", 2), ("loss_mask_affinity", 10)):
        assert found[1][name].item() == pytest.approx(factor * found[0][name].item())
    assert found[1]["loss_mask_project"] == found[0]["loss_mask_project"]


def test_an_object_with_a_mask_keeps_its_mask_loss():
    """Where all have masks, the teacher's count for nothing; where some have, for the others."""
    model = detector("condinst")
    for flags, learned in (([False, False], False), ([True, False], True)):
        samples = batch(flags)
        plain = losses_of(model, copy.deepcopy(samples))
        teach(copy.deepcopy(model).eval(), samples)
        samples[0]["data_samples"].gt_instances.pseudo_scores[0] = 0.5  # whatever was predicted
        losses = losses_of(model, samples)
        assert losses["loss_mask"] == plain["loss_mask"] > 0
        assert bool(losses["loss_mask_pseudo"] > 0) == learned


def test_a_high_bar_leaves_no_masks():
    model = detector("condinst")
    samples = batch()
    teach(copy.deepcopy(model).eval(), samples, iou_thr=1.0)
    losses = losses_of(model, samples)
    assert losses["loss_mask_pseudo"] == losses["loss_mask_affinity"] == 0


def test_a_batch_of_another_size_is_refused():
    model = detector("condinst")
    samples = batch()
    for data in samples:
        data["data_samples"].gt_instances.pseudo_masks = torch.zeros(2, 12, 16)
        data["data_samples"].gt_instances.pseudo_scores = torch.zeros(2)
    with pytest.raises(ValueError, match=r"of \(12, 16\) cells, but the batch has \(24, 32\)"):
        losses_of(model, samples)
