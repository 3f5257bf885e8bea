"""Same weights in, same answers out: mmdet 3.3.0's CondInst is the oracle."""

from __future__ import annotations

import functools

import pytest
import torch
from mmdet.evaluation import CocoMetric
from mmdet.models.dense_heads.condinst_head import CondInstMaskHead as MMDetMaskHead
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import get_box_tensor
from oracle import (
    build_pair,
    coco_samples,
    collate,
    published_config,
    run_loss,
    run_predict,
    small_config,
)

import condinst

# (1333, 800) is the config's test scale; the others give odd sizes. The published model at its full
# scale takes minutes on two cores.
CASES = [
    pytest.param("small", (1333, 800), 1, id="small-full-1", marks=pytest.mark.long),
    pytest.param("small", (427, 320), 2, id="small-odd-2"),
    pytest.param("small", (211, 333), 1, id="small-odd-1", marks=pytest.mark.slow),
    pytest.param("small", (1333, 640), 2, id="small-640-2", marks=pytest.mark.slow),
    pytest.param("90k", (333, 211), 2, id="90k-odd-2"),
    pytest.param("90k", (1333, 800), 1, id="90k-full-1", marks=pytest.mark.slow),
    pytest.param("90k", (1333, 800), 2, id="90k-full-2", marks=pytest.mark.slow),
    pytest.param("90k", (1333, 640), 2, id="90k-640-2", marks=pytest.mark.slow),
]


@functools.lru_cache(maxsize=1)
def pair(name: str):
    cfg = {"small": small_config, "90k": published_config}[name]()
    cfg.model.mask_head.max_masks_to_train = 100  # binding for the images below
    return build_pair(cfg)


def relative(actual: torch.Tensor, expected: torch.Tensor) -> float:
    return ((actual - expected).norm() / expected.norm().clamp(min=1e-12)).item()


@pytest.mark.parametrize(("name", "scale", "num"), CASES)
def test_head_outputs(datasets, record_property, name, scale, num):
    theirs, ours = pair(name)
    batch = collate(coco_samples(datasets, scale, [3, 5][:num]))
    theirs.eval()
    ours.eval()
    worst = 0.0
    with torch.no_grad():
        inputs = theirs.data_preprocessor(batch, False)["inputs"]
        feats, our_feats = theirs.extract_feat(inputs), ours.extract_feat(inputs)
        dense = ours.bbox_head(our_feats)
        params = [ours.bbox_head.controller(level) for level in dense.param_feats]
        for expected, actual in zip(theirs.bbox_head(feats), (*dense[:3], params), strict=True):
            for level, our_level in zip(expected, actual, strict=True):
                worst = max(worst, relative(our_level, level))
        worst = max(
            worst,
            relative(
                ours.mask_head.mask_feature_head(our_feats),
                theirs.mask_head.mask_feature_head(feats),
            ),
        )
    record_property("head_outputs_relative", worst)
    assert worst < 1e-5


@pytest.mark.parametrize(("name", "scale", "num"), CASES)
def test_losses_and_gradients(datasets, record_property, name, scale, num):
    theirs, ours = pair(name)
    batch = coco_samples(datasets, scale, [3, 5][:num])
    losses = []
    for model in (theirs, ours):
        model.train()
        model.zero_grad()
        buffers = {key: value.clone() for key, value in model.named_buffers()}
        losses.append(run_loss(model, collate(batch)))
        sum(losses[-1].values()).backward()
        for key, value in model.named_buffers():  # running averages moved
            value.copy_(buffers[key])
    assert losses[0].keys() == losses[1].keys()
    worst_loss = max(relative(losses[1][key], losses[0][key]) for key in losses[0])
    gradients = dict(ours.named_parameters())
    worst_gradient = max(
        relative(gradients[key].grad, parameter.grad)
        for key, parameter in theirs.named_parameters()
        if parameter.grad is not None and parameter.grad.norm() > 1e-8
    )
    record_property("losses_relative", worst_loss)
    record_property("gradients_relative", worst_gradient)
    assert losses[0]["loss_mask"] > 0
    assert worst_loss < 1e-4
    assert worst_gradient < 1e-3
    assert {k for k, p in theirs.named_parameters() if p.grad is None} == {
        k for k, p in ours.named_parameters() if p.grad is None
    }


@pytest.mark.parametrize(("name", "scale", "num"), CASES)
def test_predictions(datasets, record_property, name, scale, num):
    theirs, ours = pair(name)
    batch = coco_samples(datasets, scale, [3, 5][:num])
    theirs.eval()
    ours.eval()
    expected = run_predict(theirs, collate(batch))
    actual = run_predict(ours, collate(batch))
    boxes, scores, pixels = 0.0, 0.0, 1.0
    for sample, our_sample in zip(expected, actual, strict=True):
        a, b = sample.pred_instances, our_sample.pred_instances
        assert len(a) == 100
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


@pytest.mark.parametrize(
    "cap", [dict(max_masks_to_train=-1), dict(max_masks_to_train=-1, topk_masks_per_img=12)]
)
def test_losses_with_other_caps(datasets, cap):
    """Without a cap, and with the best of each object."""
    cfg = small_config()
    cfg.model.mask_head.update(cap)
    batch = coco_samples(datasets, (427, 320), [3, 5, 6])
    expected, actual = (run_loss(model.train(), collate(batch)) for model in build_pair(cfg))
    assert expected["loss_mask"] > 0
    for key, value in expected.items():
        assert relative(actual[key], value) < 1e-4


@pytest.mark.parametrize(
    "head",
    [
        dict(norm_on_bbox=False, centerness_on_reg=False, center_sampling=False),
        dict(dcn_on_last_conv=True, conv_bias="auto"),
    ],
)
def test_other_box_heads(datasets, head):
    """The switches that the published config does not use."""
    cfg = small_config()
    cfg.model.bbox_head.update(head)
    theirs, ours = build_pair(cfg)
    for model in (theirs, ours):
        if not cfg.model.bbox_head.norm_on_bbox:  # distances are exponentials here
            model.bbox_head.conv_reg.bias.data.fill_(3.0)
    batch = coco_samples(datasets, (427, 320), [3, 5])
    expected, actual = (run_loss(model.train(), collate(batch)) for model in (theirs, ours))
    for key, value in expected.items():
        assert relative(actual[key], value) < 1e-4
    expected, actual = (run_predict(model.eval(), collate(batch)) for model in (theirs, ours))
    for sample, our_sample in zip(expected, actual, strict=True):
        a, b = sample.pred_instances, our_sample.pred_instances
        torch.testing.assert_close(b.bboxes, a.bboxes, atol=1e-2, rtol=0)
        assert (a.masks == b.masks).float().mean() >= 0.9999


def test_coco_ap_of_both_is_equal(datasets, tmp_path):
    """Through mmdet's metric, on real images.

    Weights that know nothing reach an AP of zero, which proves nothing: so both get the same made
    up "trained" answers on top, the annotations with jitter, via each model's own boxes and masks.
    """
    theirs, ours = pair("small")
    samples = coco_samples(datasets, (427, 320), list(range(6)), split="val")
    annotations = str(datasets / "coco_tiny/annotations/instances_val2017.json")
    results = []
    for model in (theirs, ours):
        model.eval()
        metric = CocoMetric(ann_file=annotations, metric=["bbox", "segm"])
        metric.dataset_meta = dict(classes=coco_classes())
        generator = torch.Generator().manual_seed(0)
        for start in range(0, len(samples), 2):
            found = run_predict(model, collate(samples[start : start + 2]))
            for sample in found:
                add_jittered_truth(sample, generator)
            metric.process({}, [sample.to_dict() for sample in found])
        results.append(metric.evaluate(size=len(samples)))
    assert results[0]["coco/segm_mAP"] > 0.01
    for key, value in results[0].items():
        assert results[1][key] == pytest.approx(value, abs=1e-3)


def coco_classes() -> tuple[str, ...]:
    from mmdet.datasets import CocoDataset

    return CocoDataset.METAINFO["classes"]


def add_jittered_truth(sample: DetDataSample, generator: torch.Generator) -> None:
    """Give the first predictions the class and box of an annotation, and a bit of its mask."""
    pred, truth = sample.pred_instances, sample.gt_instances
    count = min(len(pred), len(truth))
    jitter = torch.rand(count, 4, generator=generator) * 4
    scale = torch.tensor(sample.scale_factor).repeat(2)
    pred.labels[:count] = truth.labels[:count]
    pred.bboxes[:count] = get_box_tensor(truth.bboxes)[:count] / scale + jitter
    resized = truth.masks.resize(pred.masks.shape[1:]).to_tensor(torch.bool, "cpu")
    # two thirds annotation, one third the model's own mask: AP depends on both
    columns = int(pred.masks.shape[2] * 2 / 3)
    pred.masks[:count, :, :columns] = resized[:count, :, :columns]


def test_the_heads_under_test_are_not_the_oracles():
    theirs, ours = pair("small")
    assert type(theirs.mask_head) is MMDetMaskHead
    assert type(ours.mask_head).__module__.startswith(condinst.__name__)
