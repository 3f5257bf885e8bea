"""The mask loss, in chunks or not, by hand and against all instances at once."""

import pytest
import torch
from mmdet.models.losses import DiceLoss

from condinst.models.losses import mask_losses as module
from condinst.models.losses.mask_losses import mask_loss
from condinst.models.structures import GroundTruth, Instances


def instances(counts, gt_inds, params=None):
    count = len(gt_inds)
    return Instances(
        params=torch.zeros(count, 1) if params is None else params,
        points=torch.zeros(count, 2),
        strides=torch.zeros(count),
        counts=counts,
        gt_inds=torch.tensor(gt_inds, dtype=torch.long),
    )


def ground_truth(masks):
    count = len(masks)
    return GroundTruth(
        torch.zeros(count, 4), torch.zeros(count, dtype=torch.long), torch.zeros(count, 2), masks
    )


def draw_params(feats, chunk):
    """Every instance's parameters are its logits."""
    return chunk.params.view(-1, 2, 2) + 0 * feats.sum()


@pytest.mark.parametrize("elements", [1, 2**20])
def test_by_hand(monkeypatch, elements):
    """Scores 1, 1, 0, 0 with targets 1, 0, 0, 0: dice loss 1 - 2 * 1 / (2 + 1) = 1/3.

    The second instance is of the second image's object 1 and perfect: loss 0.
    """
    monkeypatch.setitem(module._CHUNK_ELEMENTS, "cpu", elements)
    logits = torch.tensor([[50.0, 50, -50, -50], [-50.0, 50, -50, 50]])
    gts = [
        ground_truth(torch.tensor([[[1, 0], [0, 0]]]).bool()),
        ground_truth(torch.tensor([[[1, 1], [1, 1]], [[0, 1], [0, 1]]]).bool()),
    ]
    found = instances([1, 1], [0, 1], params=logits)
    loss = mask_loss(draw_params, torch.zeros(2, 1, 1, 1), found, gts, DiceLoss(eps=1e-9))
    assert loss.item() == pytest.approx((1 / 3 + 0) / 2, abs=1e-6)


@pytest.mark.parametrize("per_chunk", [1, 2, 3, 7])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_loss_and_gradients_are_those_of_all_instances_at_once(monkeypatch, per_chunk, dtype):
    monkeypatch.setitem(module._CHUNK_ELEMENTS, "cpu", per_chunk * 12)
    generator = torch.Generator().manual_seed(0)

    def normal(*shape):
        return torch.randn(*shape, generator=generator).to(dtype).requires_grad_()

    feats, params = normal(3, 4, 3, 4), normal(7, 4)
    img_inds = torch.tensor([0, 0, 0, 2, 2, 2, 2])
    masks = torch.rand(5, 3, 4, generator=generator) > 0.5
    gts = [ground_truth(masks[:2]), ground_truth(masks[:0]), ground_truth(masks[2:])]

    def draw(feats, chunk):
        inds = torch.arange(3).repeat_interleave(torch.tensor(chunk.counts))
        return torch.einsum("nchw,nc->nhw", feats[inds], chunk.params)

    gt_inds = [0, 1, 0, 2, 1, 0, 2]
    exact = [
        x.detach().to(max(dtype, torch.float32, key=lambda t: t.itemsize)) for x in (feats, params)
    ]
    exact = [x.requires_grad_() for x in exact]
    logits = torch.einsum("nchw,nc->nhw", exact[0][img_inds], exact[1])
    targets = torch.stack([gts[i].mask_targets[k] for i, k in zip(img_inds, gt_inds, strict=True)])
    loss_mask = DiceLoss(eps=5e-6, reduction="mean")
    expected = loss_mask(logits, targets.to(logits.dtype))
    expected_grads = torch.autograd.grad(3 * expected, exact)

    loss = mask_loss(draw, feats, instances([3, 0, 4], gt_inds, params), gts, loss_mask)
    assert loss.dtype == logits.dtype
    torch.testing.assert_close(loss, expected)
    grads = torch.autograd.grad(3 * loss, (feats, params))
    for grad, expected_grad in zip(grads, expected_grads, strict=True):
        assert grad.dtype == dtype
        torch.testing.assert_close(grad, expected_grad.to(dtype))


def test_without_gradients_nothing_is_recorded():
    params = torch.zeros(1, 4, requires_grad=True)
    gts = [ground_truth(torch.ones(1, 2, 2).bool())]
    with torch.no_grad():
        loss = mask_loss(
            draw_params,
            torch.zeros(1, 1, 1, 1),
            instances([1], [0], params),
            gts,
            DiceLoss(eps=1e-9),
        )
    # scores of 0.5: 1 - 2 * 2 / (1 + 4)
    assert loss.item() == pytest.approx(0.2)
    assert not loss.requires_grad


def test_without_instances_it_is_zero_and_attached():
    feats = torch.ones(1, 1, 2, 2, requires_grad=True)
    params = torch.zeros(0, 4, requires_grad=True)
    loss = mask_loss(
        draw_params,
        feats,
        instances([0], [], params),
        [ground_truth(torch.zeros(0, 2, 2).bool())],
        DiceLoss(),
    )
    assert loss.item() == 0
    loss.backward()
    assert not feats.grad.any()
    assert params.grad.shape == (0, 4)


def test_objects_without_masks_are_refused():
    gt = GroundTruth(torch.zeros(1, 4), torch.zeros(1).long(), torch.zeros(1, 2), None)
    with pytest.raises(ValueError, match="LoadAnnotations"):
        mask_loss(draw_params, torch.zeros(1, 1, 1, 1), instances([1], [0]), [gt], DiceLoss())
