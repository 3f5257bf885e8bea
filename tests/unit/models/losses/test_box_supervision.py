"""BoxInst's losses by hand and against unfolding, chunk by chunk."""

import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.logging import MessageHub

from condinst.models.boxinst import BoxInstMaskHead
from condinst.models.heads.mask_head import CondInstMaskHead
from condinst.models.losses import mask_losses as mask_loss_module
from condinst.models.losses.box_supervision import BoxSupervision
from condinst.models.losses.pairwise_loss import pairwise_loss
from condinst.models.structures import GroundTruth, Instances
from condinst.targets.color_similarity import neighbor_offsets


@pytest.mark.parametrize(("size", "dilation"), [(3, 2), (3, 1), (5, 1)])
def test_pairwise_loss_is_that_of_the_unfolded_neighborhood(size, dilation):
    """-log(p_i p_j + (1 - p_i) (1 - p_j)) in float64; beyond the map p_j does not matter."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 9, 7, generator=generator, dtype=torch.float64) * 3
    logits.requires_grad_()
    edges = torch.rand(3, size**2 - 1, 9, 7, generator=generator) > 0.5
    pad = size // 2 * dilation
    others = [e for e in range(size**2) if e != size**2 // 2]

    def unfold(maps):
        patches = F.unfold(maps[:, None], size, dilation=dilation, padding=pad)
        return patches.view(3, size**2, 9, 7)[:, others]

    scores, inside = logits.sigmoid(), unfold(torch.ones_like(logits))
    there = unfold(scores)
    same = scores[:, None] * there + (1 - scores[:, None]) * (1 - there)
    expected = -(same.log() * inside * edges).sum()
    loss = pairwise_loss(logits, edges, neighbor_offsets(size, dilation))
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(
        torch.autograd.grad(loss, logits), torch.autograd.grad(expected, logits)
    )


def test_pairwise_loss_of_extreme_logits():
    """Certain and agreed: 0. Certain and opposite: the smaller certainty, 40."""
    offsets, edges = neighbor_offsets(3, 1), torch.zeros(1, 8, 1, 2, dtype=torch.bool)
    edges[0, 4, 0, 0] = True  # from the first cell to the right
    agreed = pairwise_loss(torch.tensor([[[90.0, 40.0]]]), edges, offsets)
    opposite = pairwise_loss(torch.tensor([[[90.0, -40.0]]]), edges, offsets)
    assert agreed.item() == pytest.approx(0, abs=1e-6)
    assert opposite.item() == pytest.approx(40)


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (2, 2)])
def test_pairwise_loss_of_maps_smaller_than_the_neighborhood(size):
    logits = torch.zeros(2, *size, requires_grad=True)
    edges = torch.ones(2, 8, *size, dtype=torch.bool)
    loss = pairwise_loss(logits, edges, neighbor_offsets(3, 2))
    # pairs two cells apart within a row of 5: 3, each counted from both ends; -log(1/2) each
    expected = 2 * 6 * np.log(2) if size == (1, 5) else 0
    assert loss.item() == pytest.approx(expected, rel=1e-6)


def test_pairwise_loss_without_edges():
    logits = torch.randn(2, 5, 5, requires_grad=True)
    loss = pairwise_loss(logits, torch.zeros(2, 8, 5, 5, dtype=torch.bool), neighbor_offsets(3, 1))
    loss.backward()
    assert loss.item() == 0
    assert not logits.grad.any()


def mask_head(kind=BoxInstMaskHead, **kwargs):
    branch = dict(
        in_channels=8, feat_channels=8, start_level=0, end_level=0, out_channels=2, mask_stride=8
    )
    torch.manual_seed(0)
    return kind(mask_feature_head=branch, num_layers=1, **kwargs)


def inputs():
    """Two objects of one image, three instances; logits of 4 x 6 cells of 4 pixels."""
    generator = torch.Generator().manual_seed(0)
    feats = torch.randn(1, 2, 2, 3, generator=generator).requires_grad_()
    instances = Instances(
        params=torch.randn(3, 5, generator=generator).requires_grad_(),
        points=torch.tensor([[4.0, 4], [12, 4], [20, 12]]),
        strides=torch.full((3,), 8.0),
        counts=[3],
        gt_inds=torch.tensor([0, 0, 1]),
    )
    masks = torch.zeros(2, 4, 6, dtype=torch.bool)
    masks[0, :3, :4] = masks[1, 2:, 4:] = True
    similar = torch.rand(8, 4, 6, generator=generator) > 0.5
    gt = GroundTruth(
        torch.zeros(2, 4), torch.zeros(2), torch.zeros(2, 2), masks, pairwise_edges=similar
    )
    return feats, instances, gt


@pytest.fixture
def iteration():
    info = MessageHub.get_current_instance().runtime_info
    info["iter"] = 99
    yield info
    info.pop("iter")


@pytest.mark.parametrize("elements", [1, 50, 2**20])
def test_losses_are_means_over_instances_and_edges(monkeypatch, iteration, elements):
    """Equations 3 and 7 written down for all instances at once; the warm-up is at 100 of 400."""
    monkeypatch.setitem(mask_loss_module._CHUNK_ELEMENTS, "cpu", elements)
    feats, instances, gt = inputs()
    head = mask_head(warmup_iters=400, warmup_start=1)
    losses = head.loss(feats, instances, [gt])
    logits = head(feats, instances)
    scores, boxes = logits.sigmoid(), gt.mask_targets[[0, 0, 1]].float()

    def dice(a, b):
        return 1 - 2 * (a * b).sum(1) / ((a * a).sum(1) + (b * b).sum(1) + 1e-5)

    projection = sum(dice(scores.amax(i), boxes.amax(i)) for i in (1, 2)).sum() / 3
    edges = gt.pairwise_edges[None] & gt.mask_targets[[0, 0, 1]][:, None]
    pairwise = pairwise_loss(logits, edges, head.boxes.offsets) / edges.sum() * (100 / 400)
    assert losses.keys() == {"loss_mask_project", "loss_mask_pairwise"}
    torch.testing.assert_close(losses["loss_mask_project"], projection)
    torch.testing.assert_close(losses["loss_mask_pairwise"], pairwise)
    leaves = feats, instances.params
    for factors in [(1, 1), (1, 0), (0.5, 3)]:  # each loss has gradients of its own
        expected = torch.autograd.grad(
            factors[0] * projection + factors[1] * pairwise, leaves, retain_graph=True
        )
        total = factors[0] * losses["loss_mask_project"] + factors[1] * losses["loss_mask_pairwise"]
        torch.testing.assert_close(
            torch.autograd.grad(total, leaves, retain_graph=True), expected, rtol=1e-4, atol=1e-6
        )


def test_without_instances_the_losses_are_attached_zeros():
    feats, instances, gt = inputs()
    nothing = Instances(
        params=instances.params[:0],
        points=instances.points[:0],
        strides=instances.strides[:0],
        counts=[0],
        gt_inds=instances.gt_inds[:0],
    )
    losses = mask_head().loss(feats, nothing, [gt])
    sum(losses.values()).backward()
    assert sum(losses.values()) == 0
    assert not feats.grad.any()


def test_masks_in_place_of_colors_are_refused():
    feats, instances, gt = inputs()
    gt.pairwise_edges = None
    with pytest.raises(
        ValueError, match=re.escape("the training pipeline needs PrepareBoxTargets")
    ):
        mask_head().loss(feats, instances, [gt])


def test_another_neighborhood_is_refused():
    feats, instances, gt = inputs()
    with pytest.raises(ValueError, match=re.escape("colors of 8 neighbors, but")):
        mask_head(pairwise_size=5).loss(feats, instances, [gt])


def test_both_heads_have_the_same_losses(iteration):
    """BoxInst's head, and CondInst's with the same settings."""
    feats, instances, gt = inputs()
    settings = dict(pairwise_size=3, pairwise_dilation=2, warmup_iters=400, warmup_start=1)
    expected = mask_head(**settings).loss(feats, instances, [gt])
    losses = mask_head(CondInstMaskHead, box_supervision=settings).loss(feats, instances, [gt])
    assert {k: v.item() for k, v in losses.items()} == {k: v.item() for k, v in expected.items()}


def test_the_weight_of_the_pairwise_loss(iteration):
    """At iteration 99 the warm-up of 200 is at 99 / 200; without a warm-up it is over."""
    feats, instances, gt = inputs()
    one = mask_head(warmup_iters=0).loss(feats, instances, [gt])
    for weight, warmup, factor in ((2.0, 0, 2.0), (2.0, 200, 0.99), (0.0, 0, 0.0)):
        head = mask_head(pairwise_weight=weight, warmup_iters=warmup)
        losses = head.loss(feats, instances, [gt])
        assert losses["loss_mask_project"].item() == one["loss_mask_project"].item()
        pairwise = losses["loss_mask_pairwise"].item()
        assert pairwise == pytest.approx(factor * one["loss_mask_pairwise"].item())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(warmup_iter=3), "model.x.warmup_iter=3: expected one of pairwise_size, "),
        (dict(warmup_iters=-1), "model.x.warmup_iters=-1: expected 0 or more"),
        (dict(pairwise_weight=-0.5), "model.x.pairwise_weight=-0.5: expected 0 or more"),
        (dict(pseudo_weight=-1), "model.x.pseudo_weight=-1: expected 0 or more"),
        (dict(affinity_weight=-1), "model.x.affinity_weight=-1: expected 0 or more"),
        (dict(pairwise_size=4), "pairwise_size=4: expected an odd number"),
    ],
)
def test_wrong_settings_are_named(settings, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        BoxSupervision.of(settings, "model.x")
