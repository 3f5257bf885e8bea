"""Masks against mmdet's way of drawing all pixels at once, and pycocotools' RLEs of them."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmdet.models.utils import aligned_bilinear
from pycocotools import mask as coco_mask

from condinst.masks.crop import Crop
from condinst.models.postprocess import mask_outline
from condinst.models.postprocess import masks as mask_postprocess
from condinst.models.postprocess.masks import encode_tensor_crop, postprocess_masks

IMG_SHAPE = (157, 203)  # of 40 x 52 cells: part of the last row and column is padding


def blobs(count: int, height: int = 40, width: int = 52) -> torch.Tensor:
    """Logits of discs of every size with rough edges: at the borders, too, and an empty one."""
    generator = torch.Generator().manual_seed(0)
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    logits = []
    for i in range(count):
        cy, cx = torch.rand(2, generator=generator) * torch.tensor([height, width])
        radius = 0.5 * 1.25**i
        disc = radius - ((x - cx) ** 2 + (y - cy) ** 2).sqrt()
        logits.append(disc + torch.randn(height, width, generator=generator))
    logits.append(torch.full((height, width), -5.0))
    logits.append(torch.full((height, width), 5.0))
    return torch.stack(logits)


def all_at_once(logits, out_shape, thr=0.5):
    """As mmdet's CondInstMaskHead does."""
    scores = aligned_bilinear(logits.sigmoid()[None], 4)[:, :, : IMG_SHAPE[0], : IMG_SHAPE[1]]
    return F.interpolate(scores, out_shape, mode="bilinear", align_corners=False)[0] > thr


def draw(logits, out_shape, thr=0.5, **kwargs):
    return postprocess_masks(
        logits, stride=4, img_shape=IMG_SHAPE, out_shape=out_shape, mask_thr=thr, **kwargs
    )


# the input's own size, smaller, so small that cells are skipped, larger, one axis each way
SHAPES = [IMG_SHAPE, (101, 149), (11, 14), (700, 900), (500, 60), (1, 1)]


@pytest.mark.parametrize("out_shape", SHAPES)
@pytest.mark.parametrize("thr", [0.5, 0.2, 0.97])
def test_every_pixel_is_that_of_all_at_once(out_shape, thr):
    logits = blobs(20)
    expected = all_at_once(logits, out_shape, thr)
    actual = draw(logits, out_shape, thr)
    assert actual.dtype == torch.bool
    assert torch.equal(actual, expected)
    assert not expected[-2].any()
    assert expected[-1].all()


@pytest.mark.parametrize("out_shape", SHAPES)
def test_rles_are_those_of_pycocotools(out_shape):
    logits = blobs(20)
    expected = all_at_once(logits, out_shape).to(torch.uint8).numpy()
    for found, mask in zip(draw(logits, out_shape, mask_format="rle"), expected, strict=True):
        assert found == coco_mask.encode(np.asfortranarray(mask))


@pytest.mark.parametrize("out_shape", SHAPES)
def test_crops_hold_every_pixel(out_shape):
    logits = blobs(20)
    expected = all_at_once(logits, out_shape)
    crops = draw(logits, out_shape, mask_format="crop")
    for crop, mask in zip(crops, expected, strict=True):
        height, width = crop.mask.shape
        assert torch.equal(crop.mask, mask[crop.y :, crop.x :][:height, :width])
        assert crop.mask.sum() == mask.sum()
    assert crops[-2].mask.shape == (0, 0)
    # a disc of one cell needs no more than its surroundings
    assert crops[2].mask.numel() < 0.1 * expected[2].numel() or expected[2].numel() < 1000


@pytest.mark.parametrize("max_elements", [1, 30_000, 2**24])
def test_a_gpus_way_draws_the_same(monkeypatch, max_elements):
    """In chunks of one, two and all; the CPU stands in for the GPU."""
    logits = blobs(20)
    expected = draw(logits, (101, 149))
    monkeypatch.setattr(mask_postprocess, "_ONLY_OUTLINES", ())
    assert torch.equal(draw(logits, (101, 149), max_elements=max_elements), expected)


def test_scores_at_the_threshold_are_left_to_float32(monkeypatch):
    """Logits of 0 are scores of exactly 0.5, which the rounding of an interpolation may lift."""
    logits = torch.zeros(1, 40, 52)
    logits[:, 10:20, 10:20] = 3
    asked = []
    whole = mask_postprocess.whole_masks
    monkeypatch.setattr(
        mask_postprocess, "whole_masks", lambda *args: asked.append(1) or whole(*args)
    )
    assert torch.equal(draw(logits, (101, 149)), all_at_once(logits, (101, 149)))
    assert asked == [1]


def test_margin_covers_what_float32_rounds_away():
    """The plain way in float64, with torch's float32 weights, is never further off than assumed."""
    logits = blobs(20)
    for out_shape in [(101, 149), (700, 900)]:
        scores = aligned_bilinear(logits.sigmoid()[None], 4)[:, :, : IMG_SHAPE[0], : IMG_SHAPE[1]]
        plain = F.interpolate(scores, out_shape, mode="bilinear", align_corners=False)[0]
        rows, columns = (
            mask_outline.ResizeAxis.between(cells, 4, img, out).weights
            for cells, img, out in zip((40, 52), IMG_SHAPE, out_shape, strict=True)
        )
        exact = rows @ logits.sigmoid().double() @ columns.t()
        assert (plain.double() - exact).abs().max() < mask_outline._ROUNDING / 1.5


def test_a_large_mask_is_filled_block_by_block():
    """Blocks of 256 pixels inside, outside and across the outline of a mask of 1200 pixels."""
    y, x = torch.meshgrid(torch.arange(40), torch.arange(52), indexing="ij")
    logits = (12 - ((x - 25.0) ** 2 + (y - 20.0) ** 2).sqrt())[None] * 2
    assert torch.equal(draw(logits, (1570, 2030)), all_at_once(logits, (1570, 2030)))


def test_memory_of_rles_stays_far_below_that_of_the_masks():
    """40 masks of 6 megapixels are 240 MB as bool, and 1 GB as one float map."""
    logits = blobs(38)
    with torch.profiler.profile(profile_memory=True) as profile:
        draw(logits, (2000, 3000), mask_format="rle")
    held = peak = 0
    for event in profile.profiler.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            peak = max(peak, held)
    assert 0 < peak < 150e6


def test_runs_that_meet_at_the_image_border_are_one():
    """Two full columns are one run; a mask that ends with the image leaves no count of zero."""
    crop = Crop(torch.ones(3, 2, dtype=torch.bool), x=2, y=0)
    found = encode_tensor_crop(crop, (3, 4))
    expected = np.zeros((3, 4), np.uint8)
    expected[:, 2:] = 1
    assert found == coco_mask.encode(np.asfortranarray(expected))
    assert coco_mask.frPyObjects({"size": [3, 4], "counts": [6, 6]}, 3, 4) == found


@pytest.mark.parametrize("mask_format", ["bool", "crop", "rle"])
def test_no_detections(mask_format):
    masks = draw(torch.zeros(0, 40, 52), (74, 100), mask_format=mask_format)
    assert len(masks) == 0
    if mask_format == "bool":
        assert masks.shape == (0, 74, 100)
        assert masks.dtype == torch.bool


def test_unknown_formats_are_refused():
    with pytest.raises(ValueError, match="mask_format='png'.*bool, crop, rle"):
        draw(blobs(1), (74, 100), mask_format="png")
