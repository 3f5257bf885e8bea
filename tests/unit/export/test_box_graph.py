"""The graph of the box post-processing, with ``postprocess_boxes`` as the oracle."""

import numpy as np
import onnxruntime
import pytest
import torch
from mmdet.models.task_modules import DistancePointBBoxCoder, MlvlPointGenerator
from onnx import TensorProto

from condinst.export.box_graph import candidates, suppress
from condinst.export.builder import GraphBuilder
from condinst.export.settings import BoxSettings
from condinst.models.postprocess.boxes import postprocess_boxes
from condinst.models.structures import DensePredictions

SIDE, STRIDE, CLASSES = 6, 8, 3
TEST_CFG = dict(
    score_thr=0.3,
    nms_pre=30,
    min_bbox_size=0.0,
    nms=dict(type="nms", iou_threshold=0.6),
    max_per_img=40,
)


def detections_of_graph(maps):
    """Boxes, scores and labels of one image, by ONNX Runtime."""
    settings = BoxSettings(
        num_classes=CLASSES,
        strides=(STRIDE,),
        point_offset=0.0,
        score_thr=TEST_CFG["score_thr"],
        nms_pre=TEST_CFG["nms_pre"],
        min_bbox_size=TEST_CFG["min_bbox_size"],
        iou_threshold=TEST_CFG["nms"]["iou_threshold"],
        class_agnostic=False,
        max_per_img=TEST_CFG["max_per_img"],
        threshold_with_centerness=False,
        clip_after_nms=False,
        sqrt_scores=False,
    )
    g = GraphBuilder("test/")
    limits = g.constant(np.full(4, SIDE * STRIDE, np.float32))
    scores, boxes, *centers = maps
    pairs = candidates(g, [scores], [boxes], centers, limits, settings, None, 0)
    found = suppress(g, pairs, limits, settings, None)
    model = g.build(
        [(name, TensorProto.FLOAT, list(value.shape)) for name, value in maps.items()],
        [
            ("found_boxes", found.boxes, TensorProto.FLOAT, ["n", 4]),
            ("found_scores", found.scores, TensorProto.FLOAT, ["n"]),
            ("found_places", found.places, TensorProto.INT64, ["n", 4]),
        ],
        18,
    )
    session = onnxruntime.InferenceSession(model.SerializeToString())
    found_boxes, found_scores, places = session.run(
        None, {name: value.numpy() for name, value in maps.items()}
    )
    return found_boxes, found_scores, places[:, 0]


@pytest.mark.parametrize("with_centerness", [False, True])
def test_equal_scores_come_in_the_order_of_the_detector(with_centerness):
    """From logits of 17 on, scores are 1 in float32; the logits would tell them apart."""
    draw = torch.Generator().manual_seed(0)
    logits = torch.full((1, CLASSES, SIDE, SIDE), -5.0)
    best = torch.randperm(logits.numel(), generator=draw)[:40]
    logits.view(-1)[best] = 18 + 10 * torch.rand(40, generator=draw)
    distances = 2 + 6 * torch.rand(1, 4, SIDE, SIDE, generator=draw)
    maps = dict(scores=logits, boxes=distances)
    if with_centerness:
        maps["centers"] = torch.rand(1, 1, SIDE, SIDE, generator=draw)
    levels = MlvlPointGenerator([STRIDE], offset=0).grid_priors([(SIDE, SIDE)], device="cpu")
    expected = postprocess_boxes(
        DensePredictions([logits], [distances], [maps[k] for k in maps if k == "centers"], []),
        0,
        levels,
        [STRIDE],
        DistancePointBBoxCoder(),
        (SIDE * STRIDE, SIDE * STRIDE),
        TEST_CFG,
    )
    boxes, scores, labels = detections_of_graph(maps)
    assert len(expected) > 20
    if not with_centerness:
        assert (expected.scores == 1).all()
    np.testing.assert_array_equal(labels, expected.labels.numpy())
    np.testing.assert_allclose(boxes, expected.bboxes.numpy(), atol=1e-5)
    np.testing.assert_allclose(scores, expected.scores.numpy(), atol=1e-6)
