"""Compare masks encoded as RLE with pycocotools."""

import numpy as np
import pytest
import torch
from pycocotools import mask as coco_mask

from condinst.evaluation.mask_encoding import _changes_of_many, encode_masks
from condinst.masks.rle import encode_changes


def expected(masks):
    return [coco_mask.encode(np.asfortranarray(mask, np.uint8)) for mask in masks.numpy()]


def many_masks():
    """Return random speckles of several densities, and edge cases such as empty and full masks."""
    generator = torch.Generator().manual_seed(0)
    speckles = [torch.rand(7, 5, generator=generator) < share for share in (0.05, 0.3, 0.7, 0.95)]
    corners = torch.zeros(4, 7, 5, dtype=torch.bool)
    corners[0, 0, 0] = corners[1, -1, 0] = corners[2, 0, -1] = corners[3, -1, -1] = True
    column = torch.zeros(7, 5, dtype=torch.bool)
    column[:, 2:4] = True
    edges = [torch.zeros(7, 5).bool(), torch.ones(7, 5).bool(), column]
    return torch.stack([*speckles, *corners, *edges])


def test_the_rle_is_pycocotools_to_the_byte():
    masks = many_masks()
    assert encode_masks(masks) == expected(masks)


def test_masks_need_not_be_contiguous():
    masks = many_masks().transpose(1, 2)[::2]
    assert not masks.is_contiguous()
    assert encode_masks(masks) == expected(masks.contiguous())


@pytest.mark.parametrize("max_pixels", [1, 80, 2**26])
def test_the_way_of_the_gpu_gives_the_same(max_pixels):
    """Its operations run on any device. 80 pixels are two masks at once."""
    masks = many_masks()
    changes = _changes_of_many(masks, max_pixels)
    assert [encode_changes(places, 7, 5) for places in changes] == expected(masks)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_masks_on_a_gpu():
    masks = many_masks()
    assert encode_masks(masks.cuda()) == expected(masks)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_other_types_count_as_not_zero(dtype):
    masks = many_masks()
    assert encode_masks(masks.to(dtype) * 3) == expected(masks)


def test_no_masks():
    assert encode_masks(torch.zeros(0, 7, 5, dtype=torch.bool)) == []


def test_a_single_mask_is_refused():
    with pytest.raises(ValueError, match=r"\(N, H, W\), got \(7, 5\)"):
        encode_masks(torch.zeros(7, 5, dtype=torch.bool))
