"""Same weights in, same answers out: mmdet 3.3.0's RTMDet-Ins is the oracle."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks, PolygonMasks
from mmengine.structures import InstanceData
from oracle import coco_samples, collate, run_loss, run_predict
from rtmdet_pair import SIZES, build_empty, build_pair, calibrate, shipped_config, small_config

# (640, 640) is the size of the published models; the others are no multiples of 32.
CASES = [
    pytest.param("small", (640, 640), [3], id="small-640-1"),
    pytest.param("small", (331, 211), [5, 6], id="small-odd-2"),
    pytest.param("tiny", (640, 640), [3], id="tiny-640-1"),
    pytest.param("tiny", (331, 211), [5, 6], id="tiny-odd-2"),
    pytest.param("s", (331, 211), [5], id="s-odd-1"),
    pytest.param("tiny", (640, 640), [5, 6], id="tiny-640-2", marks=pytest.mark.slow),
    pytest.param("s", (640, 640), [3, 5], id="s-640-2", marks=pytest.mark.slow),
    pytest.param("s", (500, 333), [0, 1, 2], id="s-odd-3", marks=pytest.mark.slow),
]


@functools.lru_cache(maxsize=1)
def pair(name: str):
    return build_pair(small_config() if name == "small" else shipped_config(name))


def relative(actual: torch.Tensor, expected: torch.Tensor) -> float:
    return ((actual - expected).norm() / expected.norm().clamp(min=1e-12)).item()


def losses_of(model, batch) -> dict[str, torch.Tensor]:
    """Losses by name; mmdet has one for each level."""
    return {
        name: sum(value) if isinstance(value, list) else value
        for name, value in run_loss(model, batch).items()
    }


def compare_training(theirs, ours, batch) -> dict[str, float]:
    """Largest relative differences of losses, gradients and running averages; restores weights."""
    calibrate(theirs, ours, batch)
    losses, buffers = [], []
    for model in (theirs, ours):
        model.train()
        model.zero_grad()
        before = {key: value.clone() for key, value in model.named_buffers()}
        losses.append(losses_of(model, collate(batch)))
        sum(losses[-1].values()).backward()
        buffers.append({key: value.clone() for key, value in model.named_buffers()})
        for key, value in model.named_buffers():
            value.copy_(before[key])
    assert losses[0].keys() == losses[1].keys() == {"loss_cls", "loss_bbox", "loss_mask"}
    own = dict(ours.named_parameters())
    return dict(
        losses=max(relative(losses[1][key], losses[0][key]) for key in losses[0]),
        gradients=max(
            relative(own[key].grad, parameter.grad)
            for key, parameter in theirs.named_parameters()
            if parameter.grad is not None and parameter.grad.norm() > 1e-7
        ),
        averages=max(
            relative(buffers[1][key], value)
            for key, value in buffers[0].items()
            if key.endswith(("running_mean", "running_var"))
        ),
        loss_mask=losses[1]["loss_mask"].item(),
    )


@pytest.mark.parametrize(("name", "scale", "inds"), CASES)
def test_losses_and_gradients(datasets, record_property, name, scale, inds):
    found = compare_training(*pair(name), coco_samples(datasets, scale, inds))
    record_property("relative", str(found))
    assert found["loss_mask"] > 0
    assert found["losses"] < 1e-4
    assert found["gradients"] < 1e-3
    assert found["averages"] < 1e-5


@pytest.mark.parametrize(("name", "scale", "inds"), CASES)
def test_predictions(datasets, record_property, name, scale, inds):
    theirs, ours = pair(name)
    batch = coco_samples(datasets, scale, inds)
    calibrate(theirs, ours, batch)
    ours.eval()
    expected, actual = (run_predict(model, collate(batch)) for model in (theirs, ours))
    boxes, scores, pixels = 0.0, 0.0, 1.0
    for sample, our_sample in zip(expected, actual, strict=True):
        a, b = sample.pred_instances, our_sample.pred_instances
        assert len(a) == 100
        assert a.scores[0] - a.scores[-1] > 0.02
        assert torch.equal(a.labels, b.labels)
        assert a.masks.shape == b.masks.shape
        assert 0.01 < a.masks.float().mean() < 0.99
        boxes = max(boxes, (a.bboxes - b.bboxes).abs().max().item())
        scores = max(scores, (a.scores - b.scores).abs().max().item())
        pixels = min(pixels, (a.masks == b.masks).float().mean().item())
    record_property("boxes_pixels", boxes)
    record_property("scores", scores)
    record_property("mask_pixels_equal", pixels)
    assert boxes < 1e-2
    assert scores < 1e-4
    assert pixels >= 0.9999


def image(size, boxes, labels, masks="polygons", ignored=()):
    """A noisy image with rectangular objects, as a pipeline returns it."""
    height, width = size
    draw = np.random.default_rng(height * width)
    pixels = draw.integers(0, 255, (height, width, 3), dtype=np.uint8)
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    if masks == "polygons":
        made = PolygonMasks(
            [[np.array([a, b, c, b, c, d, a, d], float)] for a, b, c, d in boxes], height, width
        )
    else:  # what the pipeline makes of RLE
        bitmaps = np.zeros((len(boxes), height, width), np.uint8)
        for bitmap, (a, b, c, d) in zip(bitmaps, boxes.astype(int), strict=True):
            bitmap[b:d, a:c] = 1
        made = BitmapMasks(bitmaps, height, width)
    keep = np.array([i for i in range(len(boxes)) if i not in ignored], int)
    drop = np.array(list(ignored), int)
    sample = DetDataSample(
        metainfo=dict(img_shape=size, ori_shape=size, scale_factor=(1.0, 1.0), img_id=1)
    )
    labels = torch.tensor(labels, dtype=torch.long)
    for name, inds in (("gt_instances", keep), ("ignored_instances", drop)):
        found = InstanceData(
            bboxes=torch.from_numpy(boxes[inds]), labels=labels[inds], masks=made[inds]
        )
        setattr(sample, name, found)
    return dict(inputs=torch.from_numpy(pixels).permute(2, 0, 1).contiguous(), data_samples=sample)


THREE = [[10.0, 12, 80, 90], [30, 20, 150, 70], [100, 40, 130, 60]]


@pytest.mark.parametrize("masks", ["polygons", "bitmaps"])
def test_generated_images_of_two_sizes(masks):
    batch = [
        image((96, 160), THREE, [1, 2, 79], masks),
        image((128, 100), [[5.0, 5, 60, 70]], [0], masks),
    ]
    found = compare_training(*pair("small"), batch)
    assert found["loss_mask"] > 0
    assert found["losses"] < 1e-4
    assert found["gradients"] < 1e-3


@pytest.mark.parametrize(
    "batch",
    [
        pytest.param([image((96, 160), [], [])], id="no-object"),
        pytest.param(
            [image((96, 160), [], []), image((96, 160), THREE, [1, 2, 3])], id="one-of-two"
        ),
        pytest.param([image((96, 160), THREE, [1, 2, 3], ignored=[1])], id="crowd"),
        pytest.param([image((96, 160), [[1.0, 1, 2, 2]], [4])], id="no-point-inside"),
    ],
)
def test_few_objects(batch):
    found = compare_training(*pair("small"), batch)
    assert found["losses"] < 1e-4
    assert found["gradients"] < 1e-3


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(dict(num_classes=1), id="one-class"),
        pytest.param(dict(num_dyconvs=2, dyconv_channels=4, num_prototypes=5), id="small-network"),
        pytest.param(dict(with_objectness=True, share_conv=False), id="objectness"),
        pytest.param(dict(pred_kernel_size=3, mask_loss_stride=8), id="kernel-3-stride-8"),
        pytest.param(
            dict(anchor_generator=dict(type="MlvlPointGenerator", offset=0.5, strides=[8, 16, 32])),
            id="centers",
        ),
    ],
)
def test_other_heads(head):
    theirs, ours = build_pair(small_config(**head))
    classes = head.get("num_classes", 80)
    batch = [image((96, 160), THREE, [0, 1 % classes, 2 % classes])]
    found = compare_training(theirs, ours, batch)
    assert found["loss_mask"] > 0
    assert found["losses"] < 1e-4
    assert found["gradients"] < 1e-3
    expected, actual = (run_predict(m.eval(), collate(batch))[0] for m in (theirs, ours))
    a, b = expected.pred_instances, actual.pred_instances
    assert len(a) > 0
    assert torch.equal(a.labels, b.labels)
    assert (a.bboxes - b.bboxes).abs().max() < 1e-2
    assert (a.masks == b.masks).float().mean() >= 0.9999


@pytest.mark.parametrize("channels", [1, 6])
def test_images_of_other_channels(channels):
    """CSPNeXt takes three; another first convolution shows that the rest counts none."""
    cfg = small_config()
    cfg.model.data_preprocessor.update(mean=[100.0], std=[50.0])  # mmdet's takes 1 or 3 numbers
    theirs, ours = build_pair(cfg, channels=channels)
    sample = image((96, 160), THREE, [1, 2, 3])
    sample["inputs"] = sample["inputs"].repeat(2, 1, 1)[:channels]
    found = compare_training(theirs, ours, [sample])
    assert found["losses"] < 1e-4
    assert found["gradients"] < 1e-3


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scope", ["condinst", "mmdet"])
def test_shipped_configs_build_ours_and_load_mmdets_weights(size, scope):
    """By the default scope, and by one changed line."""
    theirs, ours = build_empty(size, scope)
    assert type(ours).__module__ == "condinst.models.rtmdet"
    assert type(ours.bbox_head).__module__ == "condinst.models.heads.rtmdet_head"
    shapes = {key: value.shape for key, value in theirs.state_dict().items()}
    assert {key: value.shape for key, value in ours.state_dict().items()} == shapes
    with torch.device("meta"):
        ours.load_state_dict(theirs.state_dict(), strict=True)
