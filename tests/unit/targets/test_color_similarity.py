"""Color edges by hand, and against unfolding the whole neighborhood."""

import io
import multiprocessing
import pickle
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from condinst.targets.color_similarity import (
    compute_pairwise_edges,
    mean_colors,
    neighbor_offsets,
    to_lab,
    valid_cells,
)
from condinst.targets.target_types import SimilarColors


def test_neighbors_are_counted_row_by_row():
    assert neighbor_offsets(3, 2) == [
        *[(-2, -2), (-2, 0), (-2, 2)],
        *[(0, -2), (0, 2)],
        *[(2, -2), (2, 0), (2, 2)],
    ]


@pytest.mark.parametrize("size", [1, 2, 4])
def test_a_neighborhood_without_a_middle_is_refused(size):
    with pytest.raises(
        ValueError, match=f"pairwise_size={size}: expected an odd number, 3 or more"
    ):
        neighbor_offsets(size, 1)


@pytest.mark.parametrize(("height", "width"), [(8, 12), (9, 11), (3, 2)])
def test_cells_have_the_mean_color_rounded_down_and_black_beyond_the_image(height, width):
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)
    padded = F.pad(
        torch.from_numpy(image).permute(2, 0, 1).double(), (0, -width % 4, 0, -height % 4)
    )
    expected = F.avg_pool2d(padded[None], 4)[0].floor().permute(1, 2, 0)
    assert mean_colors(image, 4).tolist() == expected.tolist()


def test_lab_of_known_colors():
    """White and black have no color; sRGB red is 53.24, 80.09, 67.20 (D65, published tables)."""
    colors = np.array([[[255, 255, 255], [0, 0, 0], [255, 0, 0]]], np.uint8)
    lab = to_lab(colors)
    assert lab.shape == (3, 1, 3)
    assert lab.dtype == torch.float32
    np.testing.assert_allclose(lab[:, 0, 0], [100, 0, 0], atol=0.02)
    np.testing.assert_allclose(lab[:, 0, 1], [0, 0, 0], atol=0.02)
    np.testing.assert_allclose(lab[:, 0, 2], [53.24, 80.09, 67.20], atol=0.02)


def test_valid_cells_by_hand():
    """10 of 100 rows are 2 of 20; cells of 4 pixels are sampled at 2, 6, 10, 14, 18, 22."""
    valid = valid_cells((6, 3), 4, (20, 9), ori_height=100, bottom_pixels_removed=10)
    assert valid[:, 0].tolist() == [True, True, True, True, False, False]
    assert valid[0].tolist() == [True, True, False]
    everything = valid_cells((6, 3), 4, (20, 9), ori_height=100, bottom_pixels_removed=0)
    assert everything[:, 0].tolist() == [True, True, True, True, True, False]


def test_edges_by_hand():
    """One row of lightness 0, 0, 2, 5, 100: exp(-d / 2) >= 0.3 for differences up to 2.408.

    Beyond the ends all is black, like the first two cells.
    """
    lab = torch.zeros(3, 1, 5)
    lab[0, 0] = torch.tensor([0.0, 0, 2, 5, 100])
    edges = compute_pairwise_edges(
        lab, torch.ones(1, 5, dtype=torch.bool), size=3, dilation=1, color_thresh=0.3
    )
    left, right = edges[3, 0].tolist(), edges[4, 0].tolist()
    assert left == [True, True, True, False, False]
    assert right == [True, True, False, False, False]
    assert edges[1, 0].tolist() == [True, True, True, False, False]  # above: beyond the image


def test_cells_without_a_valid_neighbor_have_no_edges():
    valid = torch.zeros(3, 5, dtype=torch.bool)
    valid[1, 1] = True
    edges = compute_pairwise_edges(
        torch.zeros(3, 3, 5), valid, size=3, dilation=1, color_thresh=0.3
    )
    near = torch.zeros(3, 5, dtype=torch.bool)
    near[:, :3] = True
    near[1, 1] = False  # the cell itself is not its own neighbor
    assert torch.equal(edges, near.expand(8, 3, 5))


@pytest.mark.parametrize(("size", "dilation"), [(3, 2), (3, 1), (5, 2)])
def test_edges_are_those_of_the_unfolded_neighborhood(size, dilation):
    """Equation 5 with torch's own unfold: the e-th patch without the middle."""
    generator = torch.Generator().manual_seed(0)
    lab = torch.randn(3, 13, 9, generator=generator)
    valid = torch.rand(13, 9, generator=generator) > 0.7
    pad = size // 2 * dilation
    patches = F.unfold(lab[None], size, dilation=dilation, padding=pad).view(3, -1, 13, 9)
    around = F.unfold(valid.float()[None, None], size, dilation=dilation, padding=pad)
    others = [e for e in range(size**2) if e != size**2 // 2]
    similarity = torch.exp(-(lab[:, None] - patches[:, others]).norm(dim=0) / 2)
    weights = around.view(-1, 13, 9)[others].amax(dim=0)
    expected = similarity * weights >= 0.3
    edges = compute_pairwise_edges(lab, valid, size=size, dilation=dilation, color_thresh=0.3)
    assert 0.05 < expected.float().mean() < 0.95
    assert torch.equal(edges, expected)


def test_the_record_follows_its_boxes():
    colors = SimilarColors(torch.zeros(8, 3, 5, dtype=torch.bool), stride=4, num_boxes=4)
    assert len(colors[1:]) == 3
    assert len(colors[np.array([True, False, True, False])]) == 2
    assert len(colors[torch.tensor([0, 3])]) == 2
    assert len(colors[torch.zeros(4, dtype=torch.bool)]) == 0
    assert colors.pad((32, 32)) is colors
    assert colors.to("cpu")[:2].edges.shape == (8, 3, 5)


def test_it_travels_from_a_worker_as_bits():
    edges = torch.rand(8, 50, 70) > 0.5
    buffer = io.BytesIO()
    ForkingPickler(buffer, pickle.HIGHEST_PROTOCOL).dump(SimilarColors(edges, 4, 3))
    assert len(buffer.getvalue()) < 8 * 50 * 70 // 8 + 1000
    copied = multiprocessing.reduction.ForkingPickler.loads(buffer.getvalue())
    assert torch.equal(copied.edges, edges)
    assert (copied.stride, copied.num_boxes) == (4, 3)
