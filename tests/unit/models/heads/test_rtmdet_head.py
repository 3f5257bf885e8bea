"""The parameters of the networks, and the order of the coordinates."""

import pytest
import torch
import torch.nn.functional as F
from small_model import build
from small_rtmdet import small_rtmdet

from condinst.models.heads import local_tower
from condinst.models.heads.local_tower import patches_are_cheaper
from condinst.models.structures import Instances


@pytest.mark.parametrize("kernel", [1, 3])
def test_parameters_at_points_are_those_of_the_maps(kernel, monkeypatch):
    """In the corners, too, where the tower's second convolution sees the border."""
    monkeypatch.setattr(local_tower, "patches_are_cheaper", lambda *args: True)
    model = build(small_rtmdet(pred_kernel_size=kernel)).eval()
    torch.manual_seed(0)
    dense = model.bbox_head(model.extract_feat(torch.randn(2, 3, 64, 96)))
    img_inds = torch.tensor([1, 0, 1, 0, 1])
    point_inds = torch.tensor([124, 3, 95, 96, 0])  # levels of 96, 24 and 6 points
    maps = torch.cat([level.flatten(2) for level in model.bbox_head.param_maps(dense)], 2)
    expected = maps[img_inds, :, point_inds]
    actual = model.bbox_head.predict_params(dense, img_inds, point_inds)
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-5)
    monkeypatch.setattr(local_tower, "patches_are_cheaper", lambda *args: False)
    torch.testing.assert_close(
        model.bbox_head.predict_params(dense, img_inds, point_inds), expected
    )
    none = torch.zeros(0, dtype=torch.long)
    assert model.bbox_head.predict_params(dense, none, none).shape == (0, 169)


@pytest.mark.parametrize("offset", [0, 0.5])
def test_coordinates_are_measured_from_the_points_of_the_cells(offset):
    """A network of one layer that returns its first input, x: (point - location) / scale."""
    points = dict(type="MlvlPointGenerator", offset=offset, strides=[8, 16, 32])
    model = build(small_rtmdet(anchor_generator=points, num_dyconvs=1))
    params = torch.zeros(1, model.mask_head.num_params)
    params[0, 0] = 1.0
    instances = Instances(params, torch.tensor([[32.0, 16.0]]), torch.tensor([16.0]), counts=[1])
    logits = model.mask_head(torch.zeros(1, 8, 4, 6), instances)
    x = (torch.arange(6) + offset) * 8
    torch.testing.assert_close(logits[0], ((32.0 - x) / (16 * 8)).expand(4, 6))


def test_the_branch_is_one_convolution_of_all_enlarged_levels():
    branch = build(small_rtmdet()).bbox_head.mask_head.eval()
    torch.manual_seed(0)
    feats = [torch.randn(1, 32, 32 // 2**i, 48 // 2**i) for i in range(3)]
    large = [F.interpolate(f, (32, 48), mode="bilinear") for f in feats]
    expected = branch.projection(branch.stacked_convs(branch.fusion_conv(torch.cat(large, 1))))
    torch.testing.assert_close(branch(feats), expected, rtol=1e-4, atol=1e-5)


def test_weights_have_one_name_each():
    """The mask head borrows the branch; the towers for class and box are one, as in mmdet."""
    model = build(small_rtmdet())
    names = model.state_dict()
    assert not [name for name in names if name.startswith(("mask_head.", "bbox_head.masks."))]
    assert model.bbox_head.reg_convs[1] is model.bbox_head.cls_convs[1]
    first, second = (level[0] for level in model.bbox_head.cls_convs[:2])
    assert first.conv is second.conv
    assert first.bn is not second.bn


def test_the_tower_runs_where_it_costs_less():
    """Two convolutions at one point: 9 cells and 1; on the map: all cells twice."""
    assert patches_are_cheaper(100, 2, 80 * 80)
    assert patches_are_cheaper(1279, 2, 80 * 80)
    assert not patches_are_cheaper(1280, 2, 80 * 80)


def test_training_runs_the_tower_on_the_map():
    """Its batch norms average over the map."""
    model = build(small_rtmdet()).train()
    feats = [torch.randn(2, 32, 16 // 2**i, 24 // 2**i) for i in range(3)]
    dense = model.bbox_head(feats)
    for level, feat in zip(dense.param_feats, feats, strict=True):
        assert not torch.equal(level, feat)
    assert all(
        a is b for a, b in zip(model.eval().bbox_head(feats).param_feats, feats, strict=True)
    )
