"""Losses by hand."""

import math

import pytest
import torch

from condinst.models.losses import centerness_targets, flatten_levels, gather_points


def test_centerness_by_hand():
    """sqrt(min(l, r) / max(l, r) * min(t, b) / max(t, b)) with l, t, r, b = 1, 2, 4, 8."""
    found = centerness_targets(torch.tensor([[1.0, 2, 4, 8], [5.0, 5, 5, 5]]))
    assert found.tolist() == pytest.approx([math.sqrt(1 / 4 * 2 / 8), 1.0])
    assert centerness_targets(torch.zeros(0, 4)).shape == (0,)


def test_levels_are_flattened_row_by_row():
    first = torch.arange(8.0).reshape(1, 2, 2, 2)
    second = torch.tensor([[[[10.0]], [[20.0]]]])
    expected = [[0, 4], [1, 5], [2, 6], [3, 7], [10, 20]]
    assert flatten_levels([first, second])[0].tolist() == expected


def test_points_are_read_where_they_are_in_their_level():
    """Six points in all; the second image's first level begins at 12."""
    first = torch.arange(24.0).reshape(2, 3, 2, 2)
    second = 100 + torch.arange(12.0).reshape(2, 3, 1, 2)
    img_inds, point_inds = torch.tensor([0, 1, 1, 0]), torch.tensor([3, 0, 5, 4])
    expected = [[3, 7, 11], [12, 16, 20], [107, 109, 111], [100, 102, 104]]
    assert gather_points([first, second], img_inds, point_inds).tolist() == expected
    channels_last = [x.to(memory_format=torch.channels_last) for x in (first, second)]
    assert gather_points(channels_last, img_inds, point_inds).tolist() == expected


def test_gradients_of_gathered_points_go_back_to_their_places():
    levels = [torch.zeros(1, 1, 2, 2, requires_grad=True), torch.zeros(1, 1, 1, 1)]
    gather_points(levels, torch.tensor([0, 0, 0]), torch.tensor([1, 1, 4])).sum().backward()
    assert levels[0].grad.flatten().tolist() == [0, 2, 0, 0]
