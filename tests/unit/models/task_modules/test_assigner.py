"""Targets against a reference that loops over points and objects, and by hand."""

import math

import pytest
import torch

from condinst.models.structures import GroundTruth
from condinst.models.task_modules.assigner import PointAssigner

RANGES = ((-1, 64), (64, 1e8))
STRIDES = (8, 32)


def grid(size, stride):
    """Cell centers of a square image."""
    ticks = (torch.arange(size // stride) + 0.5) * stride
    y, x = torch.meshgrid(ticks, ticks, indexing="ij")
    return torch.stack([x.flatten(), y.flatten()], dim=1)


def ground_truth(boxes, labels, centers=None):
    boxes = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    if centers is None:
        centers = (boxes[:, :2] + boxes[:, 2:]) / 2
    return GroundTruth(
        boxes, torch.tensor(labels, dtype=torch.long), torch.as_tensor(centers), None
    )


def reference(points, strides, gt, radius, num_classes):
    labels, targets, inds = [], [], []
    for level_points, stride, (low, high) in zip(points, strides, RANGES, strict=True):
        for x, y in level_points.tolist():
            best, best_area, best_sides = -1, math.inf, [0.0] * 4
            for i, (x1, y1, x2, y2) in enumerate(gt.bboxes.tolist()):
                sides = [x - x1, y - y1, x2 - x, y2 - y]
                cx, cy = gt.centers[i].tolist()
                region = [x1, y1, x2, y2]
                if radius is not None:
                    r = radius * stride
                    region = [max(x1, cx - r), max(y1, cy - r), min(x2, cx + r), min(y2, cy + r)]
                inside = region[0] < x < region[2] and region[1] < y < region[3]
                area = (x2 - x1) * (y2 - y1)
                if inside and low <= max(sides) <= high and area < best_area:
                    best, best_area, best_sides = i, area, sides
            inds.append(best)
            labels.append(num_classes if best < 0 else int(gt.labels[best]))
            targets.append(best_sides)
    return torch.tensor(labels), torch.tensor(targets), torch.tensor(inds)


@pytest.mark.parametrize("radius", [None, 1.5])
def test_equals_the_reference_on_random_objects(radius):
    generator = torch.Generator().manual_seed(3)
    points = [grid(256, stride) for stride in STRIDES]
    gts = []
    for count in (12, 0, 1):
        corners = torch.rand(count, 2, generator=generator) * 200
        sizes = torch.rand(count, 2, generator=generator) * 150 + 1
        boxes = torch.cat([corners, corners + sizes], dim=1)
        centers = corners + sizes * torch.rand(count, 2, generator=generator)
        labels = torch.randint(0, 5, (count,), generator=generator)
        gts.append(GroundTruth(boxes, labels, centers, None))
    found = PointAssigner(num_classes=5, regress_ranges=RANGES, center_radius=radius)(
        points, STRIDES, gts
    )
    assert len(found.gt_inds) > 20
    for i, (gt, count) in enumerate(zip(gts, found.counts, strict=True)):
        labels, targets, inds = reference(points, STRIDES, gt, radius, 5)
        assert torch.equal(found.labels[i], labels)
        positive = (inds >= 0).nonzero().squeeze(1)
        here = found.img_inds == i
        assert count == here.sum()
        assert torch.equal(found.point_inds[here], positive)
        assert torch.equal(found.gt_inds[here], inds[positive])
        torch.testing.assert_close(found.bbox_targets[here], targets[positive])


def test_by_hand():
    """A 40 px box around (20, 20): within 1.5 strides of 8 lie the cells at 12, 20 and 28."""
    points = [grid(64, 8), grid(64, 32)]
    assigner = PointAssigner(num_classes=2, regress_ranges=RANGES)
    found = assigner(points, STRIDES, [ground_truth([[0, 0, 40, 40]], [1])])
    assert torch.cat(points)[found.point_inds].tolist() == [
        [x, y] for y in (12, 20, 28) for x in (12, 20, 28)
    ]
    assert found.bbox_targets[0].tolist() == [12, 12, 28, 28]
    assert found.labels[0].unique().tolist() == [1, 2]


def test_the_smaller_of_two_boxes_wins():
    gt = ground_truth([[0, 0, 60, 60], [10, 10, 50, 50]], [0, 1])
    found = PointAssigner(num_classes=2, regress_ranges=RANGES, center_radius=None)(
        [grid(64, 8), grid(64, 32)], STRIDES, [gt]
    )
    at_center = (grid(64, 8) == torch.tensor([28.0, 28.0])).all(1).nonzero()[0, 0]
    assert found.gt_inds[found.point_inds == at_center].tolist() == [1]


def test_smaller_means_of_less_area():
    """100 x 10 pixels are less than 40 x 40, although their sides add up to more."""
    gt = ground_truth([[0, 8, 100, 18], [0, 0, 40, 40]], [0, 1])
    points = [torch.tensor([[20.0, 12.0]]), torch.zeros(0, 2)]
    assigner = PointAssigner(num_classes=2, regress_ranges=[(0, 1e8)] * 2, center_radius=None)
    assert assigner(points, STRIDES, [gt]).gt_inds.tolist() == [0]


@pytest.mark.parametrize(
    ("side", "levels"), [(63, [0]), (64, [0, 1]), (65, [1])], ids=["below", "equal", "above"]
)
def test_both_ends_of_a_level_s_range_belong_to_it(side, levels):
    """The point is 4 pixels from three sides of the box and ``side`` from the fourth."""
    gt = ground_truth([[0, 0, side + 4, 8]], [0])
    points = [torch.tensor([[4.0, 4.0]])] * 2
    found = PointAssigner(num_classes=1, regress_ranges=RANGES, center_radius=None)(
        points, STRIDES, [gt]
    )
    assert found.point_inds.tolist() == levels  # one point a level


@pytest.mark.parametrize("box", [[5, 5, 5, 20], [30, 30, 20, 20]])
def test_degenerate_boxes_are_never_assigned(box):
    found = PointAssigner(num_classes=2, regress_ranges=RANGES)(
        [grid(64, 8), grid(64, 32)], STRIDES, [ground_truth([box], [0])]
    )
    assert found.counts == [0]
    assert len(found.gt_inds) == 0
