"""The detector on batches that break others: no objects, tiny objects, odd sizes, wrong configs."""

import copy

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmdet.structures.mask import PolygonMasks
from pycocotools import mask as coco_mask
from small_model import BOX, build, losses_of, sample, small_model

from condinst.models.losses.detection_losses import mean_count


@pytest.mark.parametrize(
    "boxes", [[], [[30.0, 30, 31, 31]]], ids=["no objects", "one object of one pixel"]
)
def test_losses_reach_every_parameter_without_positives(boxes):
    """Distributed training waits for the gradient of every parameter."""
    model = build(small_model())
    losses = losses_of(model, [sample(boxes, (96, 128)), sample([], (96, 100))])
    assert losses["loss_mask"] == 0
    assert losses["loss_bbox"] == 0
    sum(losses.values()).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []
    assert all(p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("size", [(96, 128), (33, 65), (101, 77)])
@pytest.mark.parametrize("divisor", [1, 32])
def test_any_image_size_trains_and_predicts(size, divisor):
    cfg = small_model()
    cfg.data_preprocessor.pad_size_divisor = divisor
    model = build(cfg)
    losses = losses_of(model, [sample([[5.0, 5, 30, 30]], size)])
    assert losses["loss_mask"] > 0
    model.eval()
    model.bbox_head.conv_cls.bias.data.fill_(0)
    batch = sample([], size)
    found = model.test_step({k: [v] for k, v in batch.items()})[0].pred_instances
    assert len(found) == 20
    assert found.masks.shape == (20, *size)
    assert found.masks.dtype == torch.bool


@pytest.mark.parametrize("stride", [2, 4, 8])
def test_masks_at_every_output_stride(stride):
    """A perfect answer scores a loss of zero whatever the stride: targets and logits align."""
    model = build(small_model(mask_out_stride=stride))
    losses = losses_of(model, [sample([BOX], (96, 128))])
    assert 0 < losses["loss_mask"] <= 1
    feats = torch.zeros(1, 8, 12, 16)
    from condinst.models.structures import Instances

    instances = Instances(torch.zeros(2, 169), torch.zeros(2, 2), torch.ones(2), counts=[2])
    logits = model.mask_head(feats, instances)
    assert logits.shape == (2, 96 // stride, 128 // stride)


def test_polygons_and_bitmaps_of_the_same_shape_give_the_same_losses():
    """A batch may hold both: images with RLE come as bitmaps."""
    x1, y1, x2, y2 = BOX
    polygon = PolygonMasks([[np.array([x1, y1, x2, y1, x2, y2, x1, y2])]], 96, 128)
    model = build(small_model()).eval()  # BN's running averages would differ between the two calls
    model.training = True
    expected = losses_of(model, [sample([BOX], (96, 128)), sample([BOX], (96, 128))])
    mixed = losses_of(model, [sample([BOX], (96, 128), masks=polygon), sample([BOX], (96, 128))])
    assert expected["loss_mask"] > 0
    for name, value in expected.items():
        torch.testing.assert_close(mixed[name], value)


def test_the_cap_bounds_the_masks_that_are_drawn(monkeypatch):
    """Not only those that enter the loss: memory follows the cap."""
    model = build(small_model(max_masks_to_train=5))
    drawn = []
    forward = model.mask_head.forward
    monkeypatch.setattr(
        model.mask_head,
        "forward",
        lambda feats, instances: drawn.append(len(instances)) or forward(feats, instances),
    )
    samples = [sample([BOX, [70.0, 5, 120, 90]], (96, 128)), sample([BOX], (96, 128))]
    losses_of(model, samples)
    assert sum(drawn) == 10


@pytest.mark.parametrize(("layers", "hidden", "features"), [(2, 4, 6), (4, 8, 16), (1, 8, 8)])
def test_any_dynamic_network_trains(layers, hidden, features):
    """Upstream reshapes with the feature channels instead of the hidden channels."""
    cfg = small_model(num_layers=layers, feat_channels=hidden)
    cfg.mask_head.mask_feature_head.out_channels = features
    sizes = [features + 2] + [hidden] * (layers - 1) + [1]
    cfg.bbox_head.num_params = sum((a + 1) * b for a, b in zip(sizes[:-1], sizes[1:], strict=True))
    model = build(cfg)
    sum(losses_of(model, [sample([BOX], (96, 128))]).values()).backward()
    assert model.bbox_head.controller.weight.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(bbox_head=dict(num_params=170)), "num_params=170.*169"),
        (dict(bbox_head=dict(strides=[8, 16])), "regress_ranges has 5.*strides has 2"),
        (dict(mask_head=dict(mask_out_stride=3)), "mask_out_stride=3.*mask_stride=8"),
        (dict(bbox_head=dict(loss_cls=dict(type="CrossEntropyLoss"))), "use_sigmoid"),
        (dict(mask_head=dict(mask_feature_head=dict(end_level=-1))), "end_level=-1"),
    ],
)
def test_configs_that_do_not_fit_are_refused_by_key(change, message):
    cfg = small_model()
    for head, settings in change.items():
        for key, value in settings.items():
            if key == "mask_feature_head":
                cfg[head][key].update(value)
            else:
                cfg[head][key] = value
    with pytest.raises(ValueError, match=message):
        build(cfg)


def test_predictions_without_rescale_stay_at_the_input_size():
    model = build(small_model()).eval()
    model.bbox_head.conv_cls.bias.data.fill_(0)
    batch = {k: [v] for k, v in sample([], (96, 128)).items()}
    batch["data_samples"][0].set_metainfo(dict(ori_shape=(48, 64), scale_factor=(2.0, 2.0)))
    data = model.data_preprocessor(batch, False)
    with torch.no_grad():
        scaled = model.predict(data["inputs"], copy.deepcopy(data["data_samples"]))
        unscaled = model.predict(data["inputs"], data["data_samples"], rescale=False)
    a, b = scaled[0].pred_instances, unscaled[0].pred_instances
    assert a.masks.shape[1:] == (48, 64)
    assert b.masks.shape[1:] == (96, 128)
    torch.testing.assert_close(a.bboxes * 2, b.bboxes)


def test_a_pipeline_without_a_resize_predicts():
    model = build(small_model()).eval()
    model.bbox_head.conv_cls.bias.data.fill_(0)
    batch = {k: [v] for k, v in sample([], (96, 128)).items()}
    expected = model.test_step(copy.deepcopy(batch))[0].pred_instances
    bare = DetDataSample(metainfo=dict(img_shape=(96, 128), ori_shape=(96, 128)))
    found = model.test_step(dict(inputs=batch["inputs"], data_samples=[bare]))[0].pred_instances
    torch.testing.assert_close(found.bboxes, expected.bboxes)


def test_masks_are_handed_out_in_the_format_asked_for():
    model = build(small_model()).eval()
    model.bbox_head.conv_cls.bias.data.fill_(0)
    samples = [sample([], (96, 128)), sample([], (101, 77))]
    batch = {key: [s[key] for s in samples] for key in ("inputs", "data_samples")}
    found = {}
    for mask_format in ("bool", "rle", "crop"):
        model.test_cfg["mask_format"] = mask_format
        found[mask_format] = [x.pred_instances for x in model.test_step(copy.deepcopy(batch))]
    for masks, rles, crops in zip(*found.values(), strict=True):
        assert len(masks) == len(rles.masks) == len(crops.masks) == 20
        assert len(rles[:3].masks) == 3
        for mask, rle, crop in zip(masks.masks, rles.masks, crops.masks, strict=True):
            assert torch.equal(torch.from_numpy(coco_mask.decode(rle)).bool(), mask)
            assert crop.mask.sum() == mask.sum()


def test_a_batch_predicts_what_its_images_do_by_themselves():
    model = build(small_model()).eval()
    model.bbox_head.conv_cls.bias.data.fill_(0)
    samples = [sample([], (96, 128)), sample([], (64, 128))]
    batch = {key: [s[key] for s in samples] for key in ("inputs", "data_samples")}
    alone = copy.deepcopy(samples[0])
    together = model.test_step(batch)[0].pred_instances
    expected = model.test_step({k: [v] for k, v in alone.items()})[0].pred_instances
    torch.testing.assert_close(together.bboxes, expected.bboxes, atol=1e-3, rtol=0)
    assert (together.masks == expected.masks).float().mean() > 0.9999


def test_tensor_mode_gives_raw_outputs():
    model = build(small_model())
    outputs = model(torch.zeros(1, 3, 64, 64), mode="tensor")
    assert len(outputs) == 4 * 5 + 1
    assert outputs[-1].shape == (1, 8, 8, 8)


def test_half_precision_trains_and_predicts_like_full_precision():
    """bfloat16 keeps 8 bits: losses agree to a few percent, and are computed in float32."""
    model = build(small_model())
    samples = [sample([BOX, [70.0, 5, 120, 90]], (96, 128))]
    expected = losses_of(model, copy.deepcopy(samples))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        losses = losses_of(model, copy.deepcopy(samples))
    sum(losses.values()).backward()
    for name, value in expected.items():
        assert losses[name].item() == pytest.approx(value.item(), rel=0.05)
    assert all(p.grad.isfinite().all() for p in model.parameters())
    model.eval()
    model.bbox_head.conv_cls.bias.data.fill_(0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = model.test_step({k: [v] for k, v in samples[0].items()})[0].pred_instances
    assert len(found) == 20
    assert found.scores.dtype == torch.float32


def test_counts_above_those_of_float16_are_exact():
    assert mean_count(70001, torch.zeros(1, dtype=torch.float16)).item() == 70001
    assert mean_count(0, torch.zeros(1)).item() == 1


def test_the_mask_branch_starts_with_kaiming_uniform_weights():
    """Bounds sqrt(3 / fan_in), fan_in = channels * 9 (a = 1); mmdet leaves Normal(0.01)."""
    model = build(small_model())
    model.init_weights()
    branch = model.mask_head.mask_feature_head
    for conv, fan_in in ((branch.conv_branch[0].conv, 16 * 9), (branch.conv_pred, 16)):
        bound = (3 / fan_in) ** 0.5
        assert 0.95 * bound < conv.weight.abs().max() <= bound


def test_masks_need_no_padding_by_the_preprocessor():
    padded = small_model()
    unpadded = small_model()
    unpadded.data_preprocessor.pad_mask = False
    samples = [sample([BOX], (90, 120)), sample([BOX], (96, 100))]
    expected = losses_of(build(padded), copy.deepcopy(samples))
    actual = losses_of(build(unpadded), samples)
    assert expected["loss_mask"] > 0
    for name, value in expected.items():
        torch.testing.assert_close(actual[name], value)


def test_calls_leave_nothing_behind():
    """Predictions have the four fields of mmdet's results, and no module keeps a tensor."""
    model = build(small_model())
    before = {name: set(vars(module)) for name, module in model.named_modules()}
    losses_of(model, [sample([BOX], (96, 128))])
    model.eval()
    model.bbox_head.conv_cls.bias.data.fill_(0)
    batch = {key: [value] for key, value in sample([], (96, 128)).items()}
    found = model.test_step(batch)[0].pred_instances
    assert set(found.keys()) == {"bboxes", "scores", "labels", "masks"}
    assert {name: set(vars(module)) for name, module in model.named_modules()} == before
