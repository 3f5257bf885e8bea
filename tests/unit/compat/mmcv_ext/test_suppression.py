"""mmcv.ops' non-maximum suppressions on the stand-in, against plain loops."""

import mmcv_ext_reference as reference
import numpy as np
import pytest
import torch
from mmcv import ops
from mmcv_ext_reference import as_float64, assert_equal, random_boxes


@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7])
def test_nms(device: str, offset: int, threshold: float) -> None:
    boxes, scores = random_boxes(80, device)
    dets, inds = ops.nms(boxes, scores, threshold, offset=offset)
    expected = reference.nms(*as_float64(boxes, scores), threshold, offset)
    assert 1 < len(expected) < 80
    assert inds.tolist() == expected
    assert inds.dtype == torch.int64
    assert torch.equal(dets, torch.cat([boxes, scores[:, None]], dim=1)[inds])


def test_nms_filters_scores_and_caps_the_number(device: str) -> None:
    boxes, scores = random_boxes(80, device)
    _, inds = ops.nms(boxes, scores, 0.5, score_threshold=0.4, max_num=5)
    high = [i for i in range(80) if scores[i] > 0.4]
    kept = reference.nms(*as_float64(boxes[high], scores[high]), 0.5)
    assert inds.tolist() == [high[i] for i in kept][:5]


def test_nms_offset_decides(device: str) -> None:
    # Overlap: 5 / 15 without the offset, 6 * 11 / (2 * 121 - 66) = 0.375 with it.
    boxes = torch.tensor([[0.0, 0, 10, 10], [5, 0, 15, 10]], device=device)
    scores = torch.tensor([0.5, 0.9], device=device)
    assert ops.nms(boxes, scores, 0.35, offset=0)[1].tolist() == [1, 0]
    assert ops.nms(boxes, scores, 0.35, offset=1)[1].tolist() == [1]


def test_nms_keeps_an_overlap_equal_to_the_threshold(device: str) -> None:
    # 6 / 10 in float32 is above 0.6 in float64, but not above 0.6 in float32.
    boxes = torch.tensor([[0.0, 0, 8, 1], [2, 0, 10, 1]], device=device)
    scores = torch.tensor([0.9, 0.5], device=device)
    assert ops.nms(boxes, scores, 0.6)[1].tolist() == [0, 1]


def test_nms_equal_scores_keep_their_order(device: str) -> None:
    boxes = torch.tensor([[0.0, 0, 9, 9], [50, 50, 60, 60], [0, 0, 10, 9]], device=device)
    assert ops.nms(boxes, torch.full((3,), 0.5, device=device), 0.5)[1].tolist() == [0, 1]


@pytest.mark.parametrize("num", [0, 1])
def test_nms_of_few_boxes(device: str, num: int) -> None:
    boxes, scores = random_boxes(num, device)
    dets, inds = ops.nms(boxes, scores, 0.5)
    assert dets.shape == (num, 5)
    assert inds.tolist() == list(range(num))
    assert inds.dtype == torch.int64


def test_nms_of_numpy_arrays_and_half_scores() -> None:
    torch.manual_seed(0)
    boxes, scores = random_boxes(40, "cpu")
    expected = reference.nms(*as_float64(boxes, scores.half()), 0.5)
    _, inds = ops.nms(boxes.numpy(), scores.half().numpy(), 0.5)
    assert isinstance(inds, np.ndarray)
    assert inds.tolist() == expected


@pytest.mark.parametrize("split_thr", [10000, 10])
def test_batched_nms(device: str, split_thr: int) -> None:
    boxes, scores = random_boxes(60, device)
    labels = torch.arange(60, device=device) % 3
    dets, inds = ops.batched_nms(
        boxes, scores, labels, {"type": "nms", "iou_threshold": 0.4, "split_thr": split_thr}
    )
    expected = []
    for label in range(3):
        own = [i for i in range(60) if labels[i] == label]
        expected += [own[i] for i in reference.nms(*as_float64(boxes[own], scores[own]), 0.4)]
    assert inds.tolist() == sorted(expected, key=lambda i: -scores[i])
    assert torch.equal(dets[:, :4], boxes[inds])


def test_batched_nms_across_classes(device: str) -> None:
    boxes, scores = random_boxes(60, device)
    labels = torch.arange(60, device=device)
    cfg = {"iou_threshold": 0.4}
    _, inds = ops.batched_nms(boxes, scores, labels, cfg, class_agnostic=True)
    assert inds.tolist() == reference.nms(*as_float64(boxes, scores), 0.4)


@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize("method", ["naive", "linear", "gaussian"])
def test_soft_nms(device: str, method: str, offset: int) -> None:
    boxes, scores = random_boxes(60, device)
    before = boxes.clone(), scores.clone()
    dets, inds = ops.soft_nms(boxes, scores, 0.3, 0.5, 0.05, method, offset)
    picked = reference.soft_nms(*as_float64(boxes, scores), 0.3, 0.5, 0.05, method, offset)
    assert inds.tolist() == [i for i, _ in picked]
    assert_equal(dets[:, 4], np.array([score for _, score in picked]), tolerance=1e-5)
    assert torch.equal(dets[:, :4], boxes[inds])
    assert dets.device == boxes.device
    assert torch.equal(boxes, before[0])
    assert torch.equal(scores, before[1])


def test_soft_nms_equal_scores_resolve_as_in_mmcv() -> None:
    # By hand from mmcv's loop: box 0 is picked and drops 1, 2 and 6 (same place). Whatever stands
    # last takes over a free slot: 6 goes to slot 1 and is dropped there, then 5; 4 to slot 2.
    x = torch.tensor([0.0, 0, 0, 20, 40, 60, 0])
    boxes = torch.stack([x, x * 0, x + 10, x * 0 + 10], dim=1)
    dets, inds = ops.soft_nms(boxes, torch.full((7,), 0.5), 0.5, method="naive")
    assert inds.tolist() == [0, 5, 4, 3]
    assert torch.equal(dets[:, :4], boxes[inds])


def test_soft_nms_example_of_mmcv_s_documentation() -> None:
    boxes = np.array([[4, 3, 5, 3], [4, 3, 5, 4]] + [[3, 1, 3, 1]] * 4, dtype=np.float32)
    scores = np.array([0.9, 0.9, 0.5, 0.5, 0.4, 0.0], dtype=np.float32)
    for method in ("naive", "linear", "gaussian"):
        dets, inds = ops.soft_nms(boxes, scores, 0.6, sigma=0.5, method=method)
        assert isinstance(dets, np.ndarray)
        assert len(inds) == len(dets) == 5
        assert dets[:, 4].tolist() == scores[:5].tolist()


@pytest.mark.parametrize("num", [0, 1])
def test_soft_nms_of_few_boxes(device: str, num: int) -> None:
    boxes, scores = random_boxes(num, device)
    dets, inds = ops.soft_nms(boxes, scores, 0.5)
    assert torch.equal(dets, torch.cat([boxes, scores[:, None]], dim=1))
    assert inds.tolist() == list(range(num))
