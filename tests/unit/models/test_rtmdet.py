"""RTMDet-Ins on batches that break others; tests/parity/test_mmdet_rtmdet.py has its answers."""

import copy
import math

import numpy as np
import pytest
import torch
from mmdet.structures.mask import PolygonMasks
from mmengine.registry import DefaultScope
from pycocotools import mask as coco_mask
from rtmdet_pair import spread_weights
from small_model import BOX, build, losses_of, sample
from small_rtmdet import small_rtmdet

from condinst.models.postprocess.logit_masks import whole_logit_masks
from condinst.registry import MODELS, TRANSFORMS


def predicted(model, size, **meta):
    batch = sample([], size)
    batch["data_samples"].set_metainfo(meta)
    return model.eval().test_step({k: [v] for k, v in batch.items()})[0].pred_instances


def trained(**head):
    """A model whose scores, boxes and masks differ from point to point."""
    model = build(small_rtmdet(**head)).train()
    spread_weights(model, seed=1)
    norms = [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0
    with torch.no_grad():  # running averages of such images
        inputs = torch.stack([sample([], (96, 128))["inputs"]] * 2)
        model._forward((inputs - 127.0) / 60.0)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    for last in model.bbox_head.rtm_cls:
        last.weight.data.mul_(0.5)
        last.bias.data.fill_(-2.0)
    return model


@pytest.mark.parametrize(
    "boxes", [[], [[30.0, 30, 31, 31]]], ids=["no objects", "one object without a point"]
)
def test_losses_reach_every_parameter_without_positives(boxes):
    """Distributed training waits for the gradient of every parameter."""
    model = build(small_rtmdet())
    losses = losses_of(model, [sample(boxes, (96, 128)), sample([], (96, 100))])
    assert losses["loss_mask"] == 0
    assert losses["loss_bbox"] == 0
    sum(losses.values()).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []
    assert all(p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("size", [(96, 128), (33, 65), (101, 77)])
def test_any_image_size_trains_and_predicts(size):
    """mmdet's neck needs multiples of 32; the model pads by itself."""
    model = trained()
    losses = losses_of(model, [sample([[5.0, 5, 30, 30]], size)])
    assert losses["loss_mask"] > 0
    found = predicted(model, size)
    assert len(found) == 20
    assert found.masks.shape == (20, *size)
    assert 0 < found.masks.float().mean() < 1


def test_images_of_two_sizes_and_mask_targets_of_the_pipeline():
    """Sampled masks and bitmaps give the same losses, and images of a batch may differ."""
    model = build(small_rtmdet())
    before = copy.deepcopy(model.state_dict())
    expected = losses_of(model, [sample([BOX], (96, 128)), sample([BOX], (90, 100))])
    model.load_state_dict(before)
    step = TRANSFORMS.build(dict(type="condinst.PrepareMaskTargets"))
    batch = [sample([BOX], (96, 128)), sample([BOX], (90, 100))]
    for each in batch:
        objects = each["data_samples"].gt_instances
        masks = step(dict(gt_masks=objects.masks))["gt_masks"]
        objects.pop("masks")
        objects.masks = masks
    actual = losses_of(model, batch)
    assert expected["loss_mask"] > 0
    for name, value in expected.items():
        torch.testing.assert_close(actual[name], value)


def test_polygons_and_bitmaps_of_the_same_shape_give_the_same_losses():
    x1, y1, x2, y2 = BOX
    polygon = PolygonMasks([[np.array([x1, y1, x2, y1, x2, y2, x1, y2])]], 96, 128)
    model = build(small_rtmdet())
    before = copy.deepcopy(model.state_dict())
    expected = losses_of(model, [sample([BOX], (96, 128)), sample([BOX], (96, 128))])
    model.load_state_dict(before)
    mixed = losses_of(model, [sample([BOX], (96, 128), masks=polygon), sample([BOX], (96, 128))])
    assert expected["loss_mask"] > 0
    for name, value in expected.items():
        torch.testing.assert_close(mixed[name], value)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_mixed_precision_on_a_cpu(dtype):
    """With the same assignment, which follows the predictions, the losses are nearly the same."""
    model = build(small_rtmdet())
    before = copy.deepcopy(model.state_dict())
    batch = [sample([BOX], (96, 128)), sample([], (90, 100))]
    assign, found = model.bbox_head.assign, []
    model.bbox_head.assign = lambda *args: found.append(assign(*args)) or found[0]
    expected = losses_of(model, batch)
    model.load_state_dict(before)
    with torch.autocast("cpu", dtype):
        losses = losses_of(model, batch)
    for name, value in losses.items():
        assert value.dtype == torch.float32
        assert value.item() == pytest.approx(expected[name].item(), rel=0.1)
    sum(losses.values()).backward()
    assert all(p.grad.isfinite().all() for p in model.parameters())
    model.test_cfg["autocast_dtype"] = str(dtype).removeprefix("torch.")
    assert predicted(model, (96, 128)).scores.dtype == torch.float32


@pytest.mark.parametrize(("size", "original"), [((96, 128), (96, 128)), ((96, 128), (61, 200))])
def test_formats_of_masks(size, original):
    """RLE and crops are the boolean masks; a stretched image gets masks of its own shape."""
    model = trained()
    meta = dict(ori_shape=original, scale_factor=(size[1] / original[1], size[0] / original[0]))
    masks = predicted(model, size, **meta).masks
    assert masks.shape == (20, *original)
    assert 0 < masks.float().mean() < 1
    model.test_cfg["mask_format"] = "rle"
    rles = predicted(model, size, **meta).masks
    assert np.array_equal(coco_mask.decode(rles), masks.permute(1, 2, 0).numpy())
    model.test_cfg["mask_format"] = "crop"
    for crop, mask in zip(predicted(model, size, **meta).masks, masks, strict=True):
        height, width = crop.mask.shape
        assert crop.mask.sum() == mask.sum()
        assert torch.equal(crop.mask, mask[crop.y : crop.y + height, crop.x : crop.x + width])


def test_masks_of_a_stretched_image_lie_where_those_of_the_input_lie():
    """By a reference: the input's masks, enlarged from the same logits to the original's size."""
    model = trained()
    drawn = []
    forward = model.mask_head.forward
    model.mask_head.forward = lambda *args: drawn.append(forward(*args)) or drawn[-1]
    masks = predicted(model, (96, 128), ori_shape=(48, 256), scale_factor=(0.5, 2.0)).masks
    expected = whole_logit_masks(drawn[0], 8, (48, 256), (48, 256), 0.5)
    assert 0 < expected.float().mean() < 1
    assert (masks == expected).float().mean() > 0.9999


def test_memory_of_the_mask_loss_is_bounded(monkeypatch):
    """Logits exist for a chunk of instances, however many objects there are."""
    from condinst.models.losses import mask_losses

    model = build(small_rtmdet())
    drawn = []
    finer = model.mask_head.finer_logits
    monkeypatch.setattr(
        model.mask_head, "finer_logits", lambda *args: drawn.append(finer(*args)) or drawn[-1]
    )
    monkeypatch.setitem(mask_losses._CHUNK_ELEMENTS, "cpu", 4 * 24 * 32)
    boxes = [[4.0 + 20 * i, 4 + 20 * j, 22 + 20 * i, 22 + 20 * j] for i in range(5) for j in (0, 1)]
    before = copy.deepcopy(model.state_dict())
    chunked = losses_of(model, [sample(boxes, (96, 128))])
    assert max(len(x) for x in drawn) == 4
    assert len(drawn) > 2
    monkeypatch.setitem(mask_losses._CHUNK_ELEMENTS, "cpu", 2**20)
    model.load_state_dict(before)
    whole = losses_of(model, [sample(boxes, (96, 128))])
    torch.testing.assert_close(chunked, whole)


def test_a_state_of_another_scope_builds_our_parts():
    cfg = small_rtmdet()
    cfg.type = "condinst.RTMDet"
    cfg.train_cfg = dict(assigner=dict(type="DynamicSoftLabelAssigner", topk=5))
    with DefaultScope.overwrite_default_scope("mmdet"):
        model = MODELS.build(cfg)
    assert type(model.bbox_head).__module__ == "condinst.models.heads.rtmdet_head"
    assert model.bbox_head.assigner.topk == 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(type="mmdet.RTMDetSepBNHead"), "bbox_head.type='mmdet.RTMDetSepBNHead': expected"),
        (dict(mask_loss_stride=3), "bbox_head.mask_loss_stride=3 must divide 8"),
        (dict(num_dyconvs=0), "expected 1 or more of each"),
        (dict(loss_cls=dict(type="QualityFocalLoss", use_sigmoid=False)), "use_sigmoid=True"),
    ],
)
def test_wrong_configs(change, message):
    with pytest.raises(ValueError, match=message):
        build(small_rtmdet(**change))


def test_another_assigner_is_refused():
    cfg = small_rtmdet()
    cfg.train_cfg = dict(assigner=dict(type="SimOTAAssigner"))
    with pytest.raises(ValueError, match="assigner.type='SimOTAAssigner': expected Dynamic"):
        build(cfg)


def test_first_scores_are_small_and_first_boxes_are_a_stride():
    """The class loss of a fresh model must not drown the rest."""
    model = build(small_rtmdet())
    model.init_weights()
    dense = model.eval().bbox_head(model.extract_feat(torch.zeros(1, 3, 64, 64)))
    for scores, boxes, stride in zip(dense.cls_scores, dense.bbox_preds, (8, 16, 32), strict=True):
        assert scores.mean().item() == pytest.approx(-math.log(99), abs=0.1)
        assert boxes.mean().item() == pytest.approx(stride, rel=0.1)
