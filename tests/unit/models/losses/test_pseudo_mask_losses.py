"""The losses of a teacher's masks by loops in numpy."""

import numpy as np
import pytest
import torch
from torch import nn

from condinst.models.losses import mask_losses
from condinst.models.losses.pseudo_mask_losses import agreeing_neighbors, pseudo_mask_losses
from condinst.models.structures import GroundTruth, Instances
from condinst.registry import MODELS
from condinst.targets.color_similarity import neighbor_offsets

OFFSETS = neighbor_offsets(3, 2)
SIZE = (9, 11)


def draw(feats, instances):
    """Logits that depend on the features of an instance's image and on its two parameters."""
    maps = feats[:, 0].repeat_interleave(torch.tensor(instances.counts), 0)
    return maps * instances.params[:, :1, None] + instances.params[:, 1:, None]


def smooth(mask):
    """The mean of a cell and of the mean of its 8 neighbors, 0 beyond the map."""
    height, width = mask.shape
    found = np.zeros_like(mask)
    for y in range(height):
        for x in range(width):
            near = [
                mask[y + dy, x + dx]
                for dy, dx in OFFSETS
                if 0 <= y + dy < height and 0 <= x + dx < width
            ]
            found[y, x] = (mask[y, x] + sum(near) / 8) / 2
    return found


def affinity_loss(logits, mask, box):
    """The mean of -log P(same side) over the edges in the box that the smoothed mask has."""
    scores, own = 1 / (1 + np.exp(-logits)), smooth(mask)
    total, count = 0.0, 0
    for y, x in zip(*np.nonzero(box), strict=True):
        for dy, dx in OFFSETS:
            p, q = own[y, x], own[y + dy, x + dx]
            if p * q + (1 - p) * (1 - q) > 0.5:
                s, t = scores[y, x], scores[y + dy, x + dx]
                total -= np.log(s * t + (1 - s) * (1 - t))
                count += 1
    return total / max(count, 1)


def pixel_loss(logits, mask):
    scores, hard = 1 / (1 + np.exp(-logits)), mask > 0.5
    return 1 - 2 * (scores * hard).sum() / ((scores**2).sum() + hard.sum() + 1e-5)


def inputs():
    """Two images, three objects, five instances; the second object has no mask of the teacher."""
    generator = torch.Generator().manual_seed(0)
    feats = torch.randn(2, 1, *SIZE, generator=generator, requires_grad=True)
    params = torch.randn(5, 2, generator=generator, requires_grad=True)
    instances = Instances(
        params=params,
        points=torch.zeros(5, 2),
        strides=torch.full((5,), 8.0),
        counts=[3, 2],
        gt_inds=torch.tensor([0, 1, 0, 0, 0]),
    )
    boxes = torch.zeros(3, *SIZE, dtype=torch.bool)
    boxes[0, 2:7, 2:6] = boxes[1, 2:5, 5:9] = boxes[2, 3:7, 3:9] = True  # edges stay on the map
    masks = torch.rand(3, *SIZE, generator=generator) * boxes
    masks[1] = 0
    scores = torch.tensor([0.8, 0.0, 0.3])
    truths = [
        GroundTruth(
            *(torch.zeros(len(boxes[part]), n) for n in (4, 1, 2)),
            mask_targets=boxes[part],
            pseudo_masks=masks[part],
            pseudo_scores=scores[part],
        )
        for part in (slice(2), slice(2, None))
    ]
    return feats, instances, truths


@pytest.fixture
def dice():
    return MODELS.build(dict(type="DiceLoss", eps=5e-6))


@pytest.mark.parametrize("elements", [1, 2**20])
def test_losses_are_weighted_by_the_confidence(monkeypatch, dice, elements):
    monkeypatch.setitem(mask_losses._CHUNK_ELEMENTS, "cpu", elements)
    feats, instances, truths = inputs()
    losses = pseudo_mask_losses(draw, feats, instances, truths, dice, OFFSETS)
    logits = draw(feats, instances).detach().double().numpy()
    pixel = affinity = 0.0
    for i, (truth, index) in {0: (0, 0), 2: (0, 0), 3: (1, 0), 4: (1, 0)}.items():
        mask = truths[truth].pseudo_masks[index].double().numpy()
        box = truths[truth].mask_targets[index].numpy()
        score = float(truths[truth].pseudo_scores[index])
        pixel += score * pixel_loss(logits[i], mask) / 4
        affinity += score * affinity_loss(logits[i], mask, box) / 4
    assert [loss.item() for loss in losses] == pytest.approx([pixel, affinity], rel=1e-5)
    sum(losses).backward()
    assert instances.params.grad[[0, 2, 3, 4]].all()
    assert not instances.params.grad[1].any()


def test_smoothing_removes_edges_of_noise():
    """A lone cell of 0.6 in a background of 0 agrees with it; a firm outline stays one."""
    masks = torch.zeros(2, 5, 9)
    masks[0, 2, 4] = 0.6
    masks[1, :, 4:] = 0.9
    right = neighbor_offsets(3, 1).index((0, 1))
    near = agreeing_neighbors(masks, neighbor_offsets(3, 1))[:, right]
    # smoothed: 0.3 in the cell, 0.6 / 16 beside it
    assert near[0, 2, 3]
    assert not near[1, 1:-1, 3].any()  # 0.9 * 3 / 16 and 0.9 * (1 + 5 / 8) / 2
    assert near[1, :, 1].all()
    assert near[1, 1:-1, 5].all()


def test_without_a_mask_of_the_teacher_the_losses_are_attached_zeros(dice: nn.Module):
    feats, instances, truths = inputs()
    for truth in truths:
        truth.pseudo_scores = torch.zeros_like(truth.pseudo_scores)
    losses = pseudo_mask_losses(draw, feats, instances, truths, dice, OFFSETS)
    assert [loss.item() for loss in losses] == [0, 0]
    sum(losses).backward()
    assert not feats.grad.any()
