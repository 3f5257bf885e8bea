"""mmdet's DynamicSoftLabelAssigner is the oracle."""

import pytest
import torch
from mmdet.models.task_modules.assigners import DynamicSoftLabelAssigner
from mmengine.structures import InstanceData

from condinst.models.structures import GroundTruth
from condinst.models.task_modules.soft_label_assigner import SoftLabelAssigner

CLASSES = 7


def points_and_strides(size=96):
    points, strides = [], []
    for stride in (8, 16, 32):
        place = torch.arange(0, size, stride).float()
        y, x = torch.meshgrid(place, place, indexing="ij")
        points.append(torch.stack([x, y], -1).reshape(-1, 2))
        strides.append(torch.full((len(points[-1]),), float(stride)))
    return torch.cat(points), torch.cat(strides)


def scene(seed, count):
    """Predictions, and boxes with masks that fill their left halves."""
    draw = torch.Generator().manual_seed(seed)
    points, strides = points_and_strides()
    center = 96 * torch.rand(count, 2, generator=draw)
    half = 2 + 30 * torch.rand(count, 2, generator=draw)
    boxes = torch.cat([center - half, center + half], 1).clamp(0, 96)
    masks = torch.zeros(count, 96, 96, dtype=torch.bool)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes.int().tolist(), strict=True):
        mask[y1:y2, x1 : (x1 + x2) // 2 + 1] = True
    labels = torch.randint(CLASSES, (count,), generator=draw)
    logits = 2 * torch.randn(len(points), CLASSES, generator=draw) - 2
    sides = strides[:, None] * 2 * torch.rand(len(points), 4, generator=draw)
    predicted = torch.cat([points - sides[:, :2], points + sides[:, 2:]], 1)
    return points, strides, logits, predicted, boxes, labels, masks


def centers_of(masks):
    """Mean pixel of each mask; (0, 0) for an empty one."""
    index = torch.arange(masks.shape[1]).float()
    area = masks.sum((1, 2)).clamp(min=1)
    return torch.stack(
        [(masks.sum(1) * index).sum(1) / area, (masks.sum(2) * index).sum(1) / area], 1
    )


@pytest.mark.parametrize("count", [0, 1, 12, 150])
@pytest.mark.parametrize("topk", [13, 3])
@pytest.mark.parametrize("seed", range(3))
def test_choices_and_overlaps_are_mmdets(count, topk, seed):
    points, strides, logits, predicted, boxes, labels, masks = scene(seed, count)
    in_image = torch.ones(len(points), dtype=torch.bool)
    in_image[::5] = False
    theirs = DynamicSoftLabelAssigner(topk=topk).assign(
        InstanceData(
            scores=logits[in_image],
            bboxes=predicted[in_image],
            priors=torch.cat([points, strides[:, None], strides[:, None]], 1)[in_image],
        ),
        InstanceData(bboxes=boxes, labels=labels, masks=masks),
    )
    found = SoftLabelAssigner(topk=topk)(
        logits[None],
        predicted[None],
        points,
        strides,
        in_image[None],
        [GroundTruth(boxes, labels, centers_of(masks), None)],
    )
    gt_inds = torch.zeros(len(points), dtype=torch.long)
    gt_inds[found.point_inds] = found.gt_inds + 1
    assert torch.equal(gt_inds[in_image], theirs.gt_inds)
    assert not gt_inds[~in_image].any()
    assert (count == 0) == (len(found.gt_inds) == 0)
    where = in_image.nonzero().squeeze(1)[theirs.gt_inds > 0]
    assert torch.equal(found.point_inds, where)
    torch.testing.assert_close(found.qualities, theirs.max_overlaps[theirs.gt_inds > 0])
    assert torch.equal(found.bbox_targets, boxes[found.gt_inds])
    assert found.counts == [len(where)]
    assert torch.equal(found.weights[0], in_image.float())
    expected = torch.full((len(points),), CLASSES)
    expected[where] = labels[found.gt_inds]
    assert torch.equal(found.labels[0], expected)


def test_a_batch_is_its_images():
    scenes = [scene(seed, count) for seed, count in ((0, 4), (1, 0), (2, 9))]
    points, strides = points_and_strides()
    truths = [GroundTruth(s[4], s[5], centers_of(s[6]), None) for s in scenes]
    inside = torch.ones(3, len(points), dtype=torch.bool)
    assigner = SoftLabelAssigner()
    logits, predicted = (torch.stack([s[i] for s in scenes]) for i in (2, 3))
    batch = assigner(logits, predicted, points, strides, inside, truths)
    alone = [
        assigner(logits[i, None], predicted[i, None], points, strides, inside[:1], [truths[i]])
        for i in range(3)
    ]
    assert batch.counts == [x.counts[0] for x in alone]
    assert batch.counts[1] == 0
    assert torch.equal(
        batch.img_inds, torch.arange(3).repeat_interleave(torch.tensor(batch.counts))
    )
    for name in ("point_inds", "gt_inds", "qualities", "bbox_targets", "labels"):
        assert torch.equal(getattr(batch, name), torch.cat([getattr(x, name) for x in alone]))
