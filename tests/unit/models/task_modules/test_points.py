"""Points of several levels, by hand and against whole maps."""

import pytest
import torch
import torch.nn.functional as F

from condinst.models.task_modules.points import flatten_levels, gather_patches, gather_points


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


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_a_convolution_of_patches_is_that_of_the_maps(memory_format):
    """At every point of three levels, one of a single cell, in any order; gradients too."""
    generator = torch.Generator().manual_seed(0)

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    sizes = [(5, 7), (2, 3), (1, 1)]
    levels = [
        normal(2, 4, *size).to(memory_format=memory_format).requires_grad_() for size in sizes
    ]
    weight = normal(6, 4, 3, 3).requires_grad_()
    num_points = sum(h * w for h, w in sizes)
    order = torch.randperm(2 * num_points, generator=generator)
    img_inds, point_inds = order // num_points, order % num_points
    factors = normal(2 * num_points, 6)

    whole = flatten_levels([F.conv2d(level, weight, padding=1) for level in levels])
    expected = whole[img_inds, point_inds]
    actual = F.conv2d(gather_patches(levels, img_inds, point_inds), weight).flatten(1)
    torch.testing.assert_close(actual, expected)
    for grad, expected_grad in zip(
        torch.autograd.grad((actual * factors).sum(), [*levels, weight]),
        torch.autograd.grad((expected * factors).sum(), [*levels, weight]),
        strict=True,
    ):
        torch.testing.assert_close(grad, expected_grad)


def test_no_points_have_no_patches_but_stay_in_the_graph():
    level = torch.zeros(1, 4, 2, 3, requires_grad=True)
    nothing = torch.zeros(0, dtype=torch.long)
    patches = gather_patches([level], nothing, nothing)
    assert patches.shape == (0, 4, 3, 3)
    patches.sum().backward()
    assert level.grad is not None
