"""mmcv.ops.sigmoid_focal_loss on the stand-in, against the formula in float64."""

import mmcv_ext_reference as reference
import numpy as np
import pytest
import torch
import torch.nn.functional as F
import torchvision
from mmcv import ops
from mmcv_ext_reference import as_float64, assert_equal, random
from torch import Tensor
from torch.autograd import gradcheck

NUM_CLASSES = 5


def focal_inputs(device: str, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """Logits (12, 5) and labels, of which some are 5 (background) and one is -1."""
    logits = (torch.randn(12, NUM_CLASSES, dtype=torch.float64) * 4).to(device, dtype)
    labels = torch.tensor([0, 4, 5, 2, 2, 5, 1, -1, 3, 5, 0, 4], device=device)
    return logits.requires_grad_(), labels


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("gamma", "alpha"), [(2.0, 0.25), (1.5, 0.6), (0.0, 0.5)])
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_sigmoid_focal_loss(
    device: str, gamma: float, alpha: float, weighted: bool, reduction: str
) -> None:
    logits, labels = focal_inputs(device)
    weights = torch.rand(NUM_CLASSES, dtype=torch.float64, device=device) + 0.5
    weights = weights if weighted else None
    loss, grad = reference.sigmoid_focal_loss(
        *as_float64(logits), labels.tolist(), gamma, alpha, *as_float64(weights)
    )
    reduce = {"none": lambda x: x, "sum": np.sum, "mean": lambda x: np.sum(x) / len(x)}[reduction]

    actual = ops.sigmoid_focal_loss(logits, labels, gamma, alpha, weights, reduction)
    assert_equal(actual, reduce(loss))
    actual.sum().backward()
    assert_equal(logits.grad, grad / 12 if reduction == "mean" else grad)
    assert gradcheck(
        lambda x: ops.sigmoid_focal_loss(x, labels, gamma, alpha, weights, reduction), (logits,)
    )


@pytest.mark.parametrize("reduction", ["none", "sum"])
def test_sigmoid_focal_loss_like_torchvision_s(device: str, reduction: str) -> None:
    logits, labels = focal_inputs(device, torch.float32)
    one_hot = F.one_hot(labels.remainder(6), 6)[:, :5].float()
    expected = torchvision.ops.sigmoid_focal_loss(logits, one_hot, 0.25, 2.0, reduction)
    actual = ops.sigmoid_focal_loss(logits, labels, 2.0, 0.25, None, reduction)
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-6)
    grads = [torch.autograd.grad(x.sum(), logits)[0] for x in (actual, expected)]
    torch.testing.assert_close(*grads, rtol=1e-5, atol=1e-6)


def test_sigmoid_focal_loss_of_background_only(device: str) -> None:
    logits, _ = focal_inputs(device)
    labels = torch.full((12,), NUM_CLASSES, device=device)
    loss, grad = reference.sigmoid_focal_loss(*as_float64(logits), labels.tolist(), 2.0, 0.25)
    actual = ops.sigmoid_focal_loss(logits, labels, 2.0, 0.25, None, "sum")
    assert_equal(actual, loss.sum())
    actual.backward()
    assert_equal(logits.grad, grad)


def test_sigmoid_focal_loss_of_one_class(device: str) -> None:
    logits = random(device, 6, 1)
    labels = torch.tensor([0, 1, 1, 0, 1, 0], device=device)
    expected, _ = reference.sigmoid_focal_loss(*as_float64(logits), labels.tolist(), 2.0, 0.25)
    assert_equal(ops.sigmoid_focal_loss(logits, labels, 2.0, 0.25, None, "none"), expected)


def test_sigmoid_focal_loss_of_no_points(device: str) -> None:
    logits = torch.zeros(0, NUM_CLASSES, device=device, requires_grad=True)
    labels = torch.zeros(0, dtype=torch.long, device=device)
    loss = ops.sigmoid_focal_loss(logits, labels, 2.0, 0.25, None, "sum")
    assert loss.item() == 0
    loss.backward()
    assert logits.grad.shape == (0, NUM_CLASSES)


def test_sigmoid_focal_loss_of_huge_logits_stays_exact(device: str) -> None:
    # By hand: a wrong logit of size x costs x times its alpha, with slope 1 times it.
    logits = torch.tensor([[-500.0, 500], [500, -500]], device=device, requires_grad=True)
    labels = torch.tensor([0, 0], device=device)
    loss = ops.sigmoid_focal_loss(logits, labels, 2.0, 0.25, None, "none")
    assert loss.tolist() == [[125, 375], [0, 0]]
    loss.sum().backward()
    assert logits.grad.tolist() == [[-0.25, 0.75], [0, 0]]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_sigmoid_focal_loss_in_low_precision_rounds_once(device: str, dtype: torch.dtype) -> None:
    logits, labels = focal_inputs(device, dtype)
    loss, grad = reference.sigmoid_focal_loss(*as_float64(logits), labels.tolist(), 2.0, 0.25)
    actual = ops.sigmoid_focal_loss(logits, labels, 2.0, 0.25, None, "none")
    assert actual.dtype == dtype
    unit = torch.finfo(dtype).eps
    tiny = torch.finfo(dtype).smallest_normal
    np.testing.assert_allclose(*as_float64(actual), loss, rtol=unit, atol=tiny)
    actual.sum().backward()
    np.testing.assert_allclose(*as_float64(logits.grad), grad, rtol=unit, atol=tiny)


def test_sigmoid_focal_loss_names_a_label_that_is_no_class(device: str) -> None:
    logits, labels = focal_inputs(device)
    labels[3] = 6
    with pytest.raises(ValueError, match="label 6, expected at most 5"):
        ops.sigmoid_focal_loss(logits, labels, 2.0, 0.25, None, "none")
