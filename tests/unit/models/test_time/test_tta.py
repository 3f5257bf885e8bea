"""Views are brought back to the image, then suppress each other."""

import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData

from condinst.models.test_time.tta import CondInstTTA

HEIGHT, WIDTH = 40, 60


class Detector(torch.nn.Module):
    def test_step(self, data):
        raise AssertionError("not called here")


def view(boxes, scores, flip_direction=None):
    sample = DetDataSample(
        metainfo=dict(
            ori_shape=(HEIGHT, WIDTH),
            flip=flip_direction is not None,
            flip_direction=flip_direction,
        )
    )
    masks = torch.zeros(len(boxes), HEIGHT, WIDTH, dtype=torch.bool)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes, strict=True):
        mask[y1:y2, x1:x2] = True
    sample.pred_instances = InstanceData(
        bboxes=torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        scores=torch.tensor(scores),
        labels=torch.zeros(len(boxes), dtype=torch.long),
        masks=masks,
    )
    return sample


def merge(*views, max_per_img=10):
    cfg = ConfigDict(nms=dict(type="nms", iou_threshold=0.5), max_per_img=max_per_img)
    model = CondInstTTA(tta_cfg=cfg, module=Detector())
    return model.merge_preds([list(views)])[0].pred_instances


@pytest.mark.parametrize(
    ("direction", "seen"),
    [
        ("horizontal", [40, 5, 55, 15]),
        ("vertical", [5, 25, 20, 35]),
        ("diagonal", [40, 25, 55, 35]),
    ],
)
def test_a_mirrored_view_lands_where_the_object_is(direction, seen):
    """The object fills x 5 to 20 and y 5 to 15 of a 60 x 40 image."""
    found = merge(view([], []), view([seen], [0.9], direction))
    assert found.bboxes.tolist() == [[5, 5, 20, 15]]
    expected = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
    expected[5:15, 5:20] = True
    assert torch.equal(found.masks[0], expected)


def test_the_same_object_in_two_views_counts_once_and_the_better_view_wins():
    found = merge(
        view([[5, 5, 20, 15]], [0.6]),
        view([[40, 5, 55, 16], [0, 20, 10, 30]], [0.8, 0.7], "horizontal"),
    )
    assert found.scores.tolist() == pytest.approx([0.8, 0.7])
    assert found.bboxes.tolist() == [[5, 5, 20, 16], [50, 20, 60, 30]]
    assert found.masks[0, 15, 5]


def test_at_most_max_per_img_are_kept():
    found = merge(view([[0, 0, 10, 10], [20, 20, 30, 30]], [0.5, 0.6]), view([], []), max_per_img=1)
    assert found.scores.tolist() == pytest.approx([0.6])


def test_no_detections_in_any_view():
    found = merge(view([], []), view([], []))
    assert len(found) == 0
    assert found.masks.shape == (0, HEIGHT, WIDTH)
