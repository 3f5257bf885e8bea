"""Masks where they are and boxes elsewhere, in one image and one batch, for both detectors."""

import copy

import numpy as np
import pytest
import torch
from small_model import BOX, build, losses_of, sample, small_model
from small_rtmdet import small_rtmdet

from condinst.datasets import PrepareBoxTargets, PrepareMaskTargets, PrepareMixedTargets
from condinst.masks.crop_masks import CropMasks

SIZE = (96, 128)
BOXES = [BOX, [70.0, 10, 120, 60]]
SETTINGS = dict(warmup_iters=0)


def condinst(kind="CondInstMaskHead", **head):
    cfg = small_model(**head)
    cfg.mask_head.type = kind
    return cfg


def rtmdet(**head):
    return small_rtmdet(**head)


def batch(transform, flags, boxes=BOXES):
    """Two images of the same boxes and other pixels; ``flags`` says which have no mask."""
    found = []
    for number in range(2):
        data = sample(boxes, SIZE)
        generator = torch.Generator().manual_seed(number)
        # blocks of one color, of which some neighbors are alike
        colors = torch.randint(0, 6, (3, 12, 16), generator=generator) * 40
        image = colors.repeat_interleave(8, 1).repeat_interleave(8, 2).to(torch.uint8)
        data["inputs"] = image
        objects = data["data_samples"].gt_instances
        bitmaps = np.zeros((len(boxes), *SIZE), np.uint8)
        for bitmap, (x1, y1, x2, y2) in zip(bitmaps, boxes, strict=True):
            bitmap[int(y1) : int(y2), int(x1) : int((x1 + x2) / 2)] = 1
        masks = CropMasks(bitmaps, *SIZE, flags[number] if any(flags[number]) else None)
        results = dict(img=image.permute(1, 2, 0).numpy(), gt_bboxes=objects.bboxes.numpy())
        results |= dict(gt_masks=masks, ori_shape=SIZE)
        objects.masks = transform.transform(results)["gt_masks"]
        found.append(data)
    return found


def run(cfg, samples):
    """Return the losses, and the gradients of all weights of their sum."""
    torch.manual_seed(0)
    model = build(cfg)
    losses = losses_of(model, copy.deepcopy(samples))
    sum(losses.values()).backward()
    return losses, {name: p.grad for name, p in model.named_parameters()}


def assert_equal(found, expected):
    for name, tensor in expected.items():
        assert torch.equal(found[name], tensor), name


MASKS, ALONE = [[False, False]] * 2, [[True, True]] * 2
MODELS = {"condinst": condinst, "rtmdet": rtmdet}


@pytest.mark.parametrize("model", MODELS)
def test_if_all_objects_have_masks_the_losses_are_those_of_masks(model):
    """To the last bit, losses and gradients."""
    make = MODELS[model]
    expected, gradients = run(make(), batch(PrepareMaskTargets(), MASKS))
    losses, found = run(make(box_supervision=SETTINGS), batch(PrepareMixedTargets(), MASKS))
    assert losses.pop("loss_mask_project") == losses.pop("loss_mask_pairwise") == 0
    assert losses.keys() == expected.keys()
    assert_equal(losses, expected)
    assert_equal(found, gradients)


@pytest.mark.parametrize("model", MODELS)
def test_if_none_has_a_mask_the_losses_are_those_of_boxes(model):
    """To the last bit, losses and gradients; of CondInst those of BoxInst's own class."""
    if model == "condinst":
        boxes = condinst("BoxInstMaskHead", **SETTINGS)
    else:
        boxes = rtmdet(box_supervision=SETTINGS)
    expected, gradients = run(boxes, batch(PrepareBoxTargets(), ALONE))
    mixed = MODELS[model](box_supervision=SETTINGS)
    losses, found = run(mixed, batch(PrepareMixedTargets(), ALONE))
    assert losses.pop("loss_mask") == 0
    assert losses.keys() == expected.keys()
    assert expected["loss_mask_pairwise"] > 0
    assert_equal(losses, expected)
    assert_equal(found, gradients)


@pytest.mark.parametrize("model", MODELS)
def test_each_loss_is_the_mean_over_its_own_kind(model):
    """One object alone at a time gives the same: its instances are its kind.

    With one object the other is ignored as a target of masks: the instances of both are assigned
    alike, whatever they learn from.
    """
    make = MODELS[model]
    flags = [[True, False]] * 2
    losses, _ = run(make(box_supervision=SETTINGS), batch(PrepareMixedTargets(), flags))
    detector = build(make(box_supervision=SETTINGS))
    seen = {}
    losses_fn = detector.mask_head.loss

    def keep(mask_feats, instances, ground_truths):
        seen.update(feats=mask_feats, instances=instances, truths=ground_truths)
        return losses_fn(mask_feats, instances, ground_truths)

    detector.mask_head.loss = keep
    again = losses_of(detector, batch(PrepareMixedTargets(), flags))
    assert_equal(again, losses)
    instances, truths, head = seen["instances"], seen["truths"], detector.mask_head
    draw = getattr(head, "finer_logits", head)
    logits = draw(seen["feats"], instances).double()
    images = torch.arange(2).repeat_interleave(torch.tensor(instances.counts))
    inds = instances.gt_inds
    targets = torch.stack(
        [truths[i].mask_targets[j] for i, j in zip(images, inds, strict=True)]
    ).double()
    is_box = inds == 0  # the first object of each image has no mask
    assert is_box.any()
    assert not is_box.all()
    weight = head.loss_mask.loss_weight

    def dice(scores, wanted):
        a, b = scores.flatten(1), wanted.flatten(1)
        return weight * (1 - 2 * (a * b).sum(1) / ((a * a).sum(1) + (b * b).sum(1) + 1e-5))

    scores = logits.sigmoid()
    mask = dice(scores[~is_box], targets[~is_box]).mean()
    project = sum(dice(scores[is_box].amax(d), targets[is_box].amax(d)) for d in (1, 2)).mean()
    assert losses["loss_mask"].item() == pytest.approx(mask.item(), rel=1e-5)
    assert losses["loss_mask_project"].item() == pytest.approx(project.item(), rel=1e-5)


def test_the_targets_of_a_box_are_those_of_boxinst_and_of_a_mask_those_of_condinst():
    detector = build(condinst(box_supervision=SETTINGS))
    feats = torch.zeros(1, 8, 12, 16)

    def truth(transform, flags):
        data = batch(transform, [flags] * 2)[0]["data_samples"]
        return detector._ground_truths(feats, [data], 4)[0]

    mixed = truth(PrepareMixedTargets(), [True, False])
    boxes = truth(PrepareBoxTargets(), [True, True])
    masks = truth(PrepareMaskTargets(), [False, False])
    assert mixed.box_only.tolist() == [True, False]
    for name in ("mask_targets", "centers"):
        assert torch.equal(getattr(mixed, name)[0], getattr(boxes, name)[0])
        assert torch.equal(getattr(mixed, name)[1], getattr(masks, name)[1])
    assert torch.equal(mixed.pairwise_edges, boxes.pairwise_edges)


@pytest.mark.parametrize("model", MODELS)
def test_losses_reach_every_parameter_without_positives(model):
    """Other processes may have objects of either kind: all losses are there and attached."""
    data = batch(PrepareMixedTargets(), [[], []], boxes=[])
    losses, gradients = run(MODELS[model](box_supervision=SETTINGS), data)
    names = ("loss_mask", "loss_mask_project", "loss_mask_pairwise")
    assert [losses[name].item() for name in names] == [0, 0, 0]
    assert all(losses[name].requires_grad for name in names)
    assert [name for name, grad in gradients.items() if grad is None] == []


@pytest.mark.parametrize("model", MODELS)
def test_a_model_of_masks_alone_refuses_boxes(model):
    with pytest.raises(ValueError, match=r"allow_box_only.*set box_supervision=dict\(\)"):
        run(MODELS[model](), batch(PrepareMixedTargets(), [[True, False]] * 2))


def test_boxes_without_colors_are_refused():
    """The masks were not prepared in the pipeline."""
    data = sample(BOXES, SIZE)
    objects = data["data_samples"].gt_instances
    objects.masks = CropMasks(objects.masks.masks, *SIZE, [True, False])
    with pytest.raises(ValueError, match="needs PrepareMixedTargets before PackDetInputs"):
        losses_of(build(condinst(box_supervision=SETTINGS)), [data])
