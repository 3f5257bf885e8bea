"""CopyPaste, Mosaic and MixUp give what mmdet's give where mmdet's work, and more."""

from __future__ import annotations

import copy

import mmdet.datasets.transforms as theirs
import numpy as np
import pytest
import torch
from mmdet.structures.mask import BitmapMasks, PolygonMasks
from transform_matrix import sample

import condinst.datasets as ours
from condinst.datasets.transforms.mixing import filled, place_polygons
from condinst.masks.crop_masks import CropMasks

SIDE = 240  # mmdet's masks are right in square images only


def square(seed: int, kind: str = "RLE") -> dict:
    """An image of noise with objects, cut to a square."""
    results = sample(kind, seed)
    rng = np.random.default_rng(seed)
    results["img"] = rng.integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    results["img_shape"] = (SIDE, SIDE)
    kept = (results["gt_bboxes"].tensor[:, 2] < SIDE).numpy()
    for key in ("gt_bboxes", "gt_bboxes_labels", "gt_ignore_flags"):
        results[key] = results[key][kept]
    results["gt_masks"] = results["gt_masks"][kept].crop(np.array([0, 0, SIDE, SIDE]))
    results["gt_bboxes"] = results["gt_masks"].get_bboxes("hbox")
    return results


def as_bitmaps(results: dict) -> dict:
    masks = CropMasks.of(results["gt_masks"])
    bitmaps = BitmapMasks(masks.to_ndarray().copy(), masks.height, masks.width)
    return copy.deepcopy(results) | dict(gt_masks=bitmaps)


def run(transform, images, mixed):
    """Pass images through a transform; with ``mixed``, the first gets the others."""
    np.random.seed(7)
    if mixed:
        return [transform(images[0] | dict(mix_results=images[1:]))]
    return [transform(image) for image in images]


def assert_same(found: dict, expected: dict, gray: int = 0) -> None:
    assert found["img"].dtype == np.uint8
    assert found["img"].shape == expected["img"].shape
    difference = np.abs(found["img"].astype(int) - expected["img"].astype(int))
    assert difference.max() <= gray
    assert found["gt_bboxes_labels"].tolist() == expected["gt_bboxes_labels"].tolist()
    assert torch.allclose(found["gt_bboxes"].tensor, expected["gt_bboxes"].tensor, atol=1e-3)
    masks, bitmaps = (r["gt_masks"].to_ndarray() for r in (found, expected))
    assert np.count_nonzero(masks != bitmaps) <= 0.002 * np.count_nonzero(bitmaps)


def test_copy_paste_gives_what_mmdet_gives():
    images = [square(1), square(2)]
    settings = dict(max_num_pasted=5, mask_occluded_thr=30)
    (expected,) = run(theirs.CopyPaste(**settings), [as_bitmaps(i) for i in images], mixed=True)
    (found,) = run(ours.CopyPaste(**settings), images, mixed=True)
    assert len(expected["gt_bboxes"]) > len(images[0]["gt_bboxes"])
    assert expected["img"].dtype == np.int64
    assert found["gt_masks"]._bitmaps is None  # nothing was drawn on the way
    assert_same(found, expected)


def test_cached_mosaic_gives_what_mmdet_gives():
    settings = dict(img_scale=(SIDE, SIDE), max_cached_images=5)
    images = [square(seed) for seed in range(1, 9)]
    expected = run(theirs.CachedMosaic(**settings), [as_bitmaps(i) for i in images], mixed=False)
    found = run(ours.CachedMosaic(**settings), images, mixed=False)
    assert [r["img"].shape[0] for r in expected] == [SIDE] * 4 + [2 * SIDE] * 4
    for one, other in zip(found, expected, strict=True):
        # mmdet's BitmapMasks.translate cuts masks before it moves them up or left
        seen = other["gt_masks"].areas > 0
        one["gt_masks"], other["gt_masks"] = one["gt_masks"][seen], other["gt_masks"][seen]
        one["gt_masks"]._bitmaps = None
        assert_same(one, other)


def test_cached_mixup_gives_what_mmdet_gives_but_for_flips():
    settings = dict(img_scale=(SIDE, SIDE), ratio_range=(1.0, 1.0), max_cached_images=5)
    images = [square(seed) for seed in range(1, 6)]
    expected = run(theirs.CachedMixUp(**settings), [as_bitmaps(i) for i in images], mixed=False)
    found = run(ours.CachedMixUp(**settings), images, mixed=False)
    for one, other in zip(found, expected, strict=True):
        assert_same(one, other, gray=1)


@pytest.mark.parametrize("name", ["CachedMosaic", "CachedMixUp"])
def test_the_cache_is_not_changed_by_later_steps(name):
    images = [square(seed) for seed in range(1, 9)]
    transform = getattr(ours, name)(img_scale=(SIDE, SIDE), max_cached_images=8)
    for image in images:
        kept = copy.deepcopy(image)
        results = transform(image)
        results["img"][:] = 0  # as YOLOXHSVRandomAug, which writes into its input
        results["gt_bboxes"].translate_([500, 500])
        results["gt_masks"].masks[:] = 0
        cached = transform.results_cache[-1]
        assert np.array_equal(cached["img"], kept["img"])
        assert torch.equal(cached["gt_bboxes"].tensor, kept["gt_bboxes"].tensor)
        assert cached["gt_masks"].areas.tolist() == kept["gt_masks"].areas.tolist()


@pytest.mark.parametrize("name", ["Mosaic", "MixUp", "CopyPaste"])
def test_without_other_images_it_says_where_it_belongs(name):
    settings = {} if name == "CopyPaste" else dict(img_scale=(SIDE, SIDE))
    with pytest.raises(ValueError, match=rf"RLE-1.png: {name} got 0 .*MultiImageMixDataset"):
        getattr(ours, name)(**settings)(square(1))


def test_polygons_stay_polygons_and_mixed_become_crops():
    for kinds, expected in (
        (("polygons",) * 4, PolygonMasks),
        (("polygons", "empty", "polygons", "empty"), PolygonMasks),
        (("polygons", "RLE", "empty", "mixed"), CropMasks),
        (("empty",) * 4, PolygonMasks),
    ):
        images = [sample(kind, i + 1) for i, kind in enumerate(kinds)]
        (found,) = run(ours.Mosaic(img_scale=(160, 90)), images, mixed=True)
        assert type(found["gt_masks"]) is expected
        assert found["img"].shape == (180, 320, 3)
        assert (found["gt_masks"].height, found["gt_masks"].width) == (180, 320)


def test_crowds_are_not_pasted_and_stay():
    images = [sample("polygons", 1), sample("polygons", 2)]
    for image in images:
        image["gt_ignore_flags"][:] = True
    (found,) = run(ours.CopyPaste(selected=False), images, mixed=True)
    assert found["gt_bboxes_labels"].tolist() == images[0]["gt_bboxes_labels"].tolist()
    images[1]["gt_ignore_flags"][2] = False
    (found,) = run(ours.CopyPaste(selected=False), images, mixed=True)
    assert found["gt_bboxes_labels"].tolist()[-1] == 22
    assert found["gt_ignore_flags"].sum() >= 5


def test_sixteen_bits_and_more_channels_keep_their_type():
    for dtype, channels in ((np.uint16, 5), (np.float32, 3), (np.uint8, 4)):
        images = [sample("mixed", seed) for seed in range(1, 5)]
        for image in images:
            image["img"] = np.full((*image["img_shape"], channels), 200, dtype)
        for transform, number in (
            (ours.Mosaic(img_scale=(160, 90)), 4),
            (ours.MixUp(img_scale=(160, 90)), 2),
            (ours.CopyPaste(), 2),
        ):
            (found,) = run(transform, [dict(i) for i in images[:number]], mixed=True)
            assert found["img"].dtype == dtype
            assert found["img"].shape[2:] == (channels,)


def test_polygons_are_flipped_moved_and_cut():
    """x becomes 90 - 2x, and y becomes y + 5, in an image of 60 x 40 pixels."""
    square, far = np.array([10, 10, 20, 10, 20, 20, 10, 20.0]), np.array([0, 0, 2, 0, 2, 2.0])
    masks = PolygonMasks([[square + [5, 0] * 4], [square, far], [far]], 30, 50)
    placed = place_polygons(masks, (-2, 1), (90, 5), (40, 60))
    assert (placed.height, placed.width) == (40, 60)
    whole, cut, outside = placed.masks
    assert [part.tolist() for part in whole] == [[60, 15, 40, 15, 40, 25, 60, 25]]
    (part,) = cut  # of 50 to 70, the image has 50 to 60; the other part lies outside
    assert sorted(part.reshape(-1, 2).tolist()) == [[50, 15], [50, 25], [60, 15], [60, 25]]
    assert [part.tolist() for part in outside] == [[0] * 6]
    assert len(place_polygons(masks[[]], (-2, 1), (90, 5), (40, 60))) == 0


def test_a_filled_image():
    assert filled((2, 1, 3), (7, 7, 7), np.uint8).tolist() == [[[7, 7, 7]]] * 2
    assert filled((2, 1, 3), (1, 2, 3), np.uint8).tolist() == [[[1, 2, 3]]] * 2
