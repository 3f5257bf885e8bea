"""The mask branch's norms for batches of few images."""

import copy

import pytest
import torch
from mmdet.models.dense_heads.condinst_head import MaskFeatModule
from torch import nn

from condinst.models.heads.mask_branch import MaskBranch
from condinst.models.speed import fold_batch_norms

FROZEN = dict(norm_cfg=dict(type="BN", requires_grad=False), norm_eval=True)
GROUPS = dict(norm_cfg=dict(type="GN", num_groups=4))


def branch(**options):
    return MaskBranch(8, 16, 0, 2, 8, mask_stride=8, num_stacked_convs=2, **options)


def levels(batch=1):
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(batch, 8, side, side, generator=generator) for side in (16, 8, 4)]


@pytest.fixture(scope="module")
def published():
    """Weights and running averages of a branch with batch norms, as after training."""
    torch.manual_seed(0)
    net = branch(norm_cfg=dict(type="BN"))
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, 0, 0.3)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 2)
    return net.eval()


def test_four_levels_are_fused_as_mmdet_does():
    """The fourth level is enlarged by 8; its half-integer place is mmdet's too."""
    sizes = (8, 16, 0, 3, 8)
    norm = dict(mask_stride=8, num_stacked_convs=1, norm_cfg=dict(type="BN"))
    torch.manual_seed(0)
    theirs, ours = MaskFeatModule(*sizes, **norm), MaskBranch(*sizes, **norm)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    feats = [*levels(), torch.randn(1, 8, 2, 2)]
    torch.testing.assert_close(ours(feats), theirs(feats))


def test_frozen_norms_answer_in_training_as_the_published_ones_in_testing(published):
    frozen = branch(**FROZEN)
    frozen.load_state_dict(published.state_dict(), strict=True)
    frozen.train()
    before = copy.deepcopy(frozen.state_dict())
    found = frozen(levels())
    torch.testing.assert_close(found, published(levels()))
    found.square().sum().backward()
    norms = [m for m in frozen.modules() if isinstance(m, nn.BatchNorm2d)]
    assert len(norms) == 5
    assert all(norm.weight.grad is None and not norm.weight.requires_grad for norm in norms)
    convs = [m for m in frozen.modules() if isinstance(m, nn.Conv2d)]
    assert all(conv.weight.grad is not None for conv in convs)
    for name, value in frozen.state_dict().items():
        assert torch.equal(value, before[name]), name  # no average has moved
    # the other ones do move
    moving = branch(norm_cfg=dict(type="BN"))
    moving.load_state_dict(published.state_dict())
    moving.train()
    assert not torch.allclose(moving(levels()), published(levels()))


def test_they_stay_frozen_after_a_test_in_between(published):
    frozen = branch(**FROZEN)
    frozen.eval()
    frozen.train()
    assert frozen.training
    assert not any(m.training for m in frozen.modules() if isinstance(m, nn.BatchNorm2d))


def test_frozen_norms_fold(published):
    frozen = branch(**FROZEN)
    frozen.load_state_dict(published.state_dict())
    frozen.eval()
    folded = copy.deepcopy(frozen)
    assert fold_batch_norms(folded) == 5
    with torch.no_grad():
        torch.testing.assert_close(folded(levels()), frozen(levels()), rtol=1e-4, atol=1e-5)


def test_group_norms_do_not_see_the_rest_of_the_batch():
    net = branch(**GROUPS)
    net.init_weights()
    net.train()
    both = levels(2)
    alone = net([level[:1] for level in both])
    torch.testing.assert_close(net(both)[:1], alone, rtol=1e-4, atol=1e-5)
    alone.square().sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in net.parameters())
    # batch norms do see it
    other = branch(norm_cfg=dict(type="BN"))
    other.train()
    assert not torch.allclose(other(both)[:1], other([level[:1] for level in both]), atol=1e-3)
