"""Masks as crops do what mmdet's bitmaps do, to the pixel."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
from mmdet.structures.mask import BitmapMasks, PolygonMasks
from pycocotools import mask as coco_mask

from condinst.masks.crop import Crop
from condinst.masks.crop_masks import CropMasks, crop_of_runs
from condinst.masks.rle import read_counts
from condinst.targets.mask_samples import sample_masks

SIZES = [(40, 61), (7, 5), (2, 30), (90, 33)]


def make(size, seed=0, num=6) -> tuple[CropMasks, BitmapMasks]:
    """The same masks as both: blobs, one of all pixels, one of a corner, an empty one."""
    rng = np.random.default_rng(seed)
    bitmaps = np.zeros((num + 3, *size), np.uint8)
    for bitmap in bitmaps[:num]:
        (y1, y2), (x1, x2) = (np.sort(rng.integers(0, side + 1, 2)) for side in size)
        bitmap[y1:y2, x1:x2] = rng.random((y2 - y1, x2 - x1)) > 0.4
    bitmaps[num] = 1
    bitmaps[num + 1, -1, -1] = 1
    return CropMasks([Crop.of(b) for b in bitmaps], *size), BitmapMasks(bitmaps, *size)


def assert_same(crops: BitmapMasks, bitmaps: BitmapMasks) -> None:
    assert isinstance(crops, CropMasks)
    assert crops._bitmaps is None  # nothing was drawn on the way
    assert (crops.height, crops.width) == (bitmaps.height, bitmaps.width)
    assert len(crops) == len(bitmaps)
    assert np.array_equal(crops.areas, bitmaps.areas)
    assert torch.equal(crops.get_bboxes("hbox").tensor, bitmaps.get_bboxes("hbox").tensor)
    drawn = copy.deepcopy(crops).to_ndarray()
    assert drawn.dtype == bitmaps.to_ndarray().dtype
    assert np.array_equal(drawn, bitmaps.to_ndarray())


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("out", [(40, 61), (80, 122), (13, 17), (97, 200), (1, 1), (333, 5)])
def test_resizing(size, out):
    crops, bitmaps = make(size)
    assert_same(crops.resize(out), bitmaps.resize(out))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scale", [0.37, 1.0, 2.5, (120, 80), (53, 999)])
def test_rescaling(size, scale):
    crops, bitmaps = make(size, 1)
    assert_same(crops.rescale(scale), bitmaps.rescale(scale))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("direction", ["horizontal", "vertical", "diagonal"])
def test_flips(size, direction):
    crops, bitmaps = make(size, 2)
    assert_same(crops.flip(direction), bitmaps.flip(direction))


@pytest.mark.parametrize(
    "box", [(0, 0, 61, 40), (10, 5, 30, 25), (50, 30, 90, 90), (60, 39, 61, 40)]
)
def test_crops(box):
    crops, bitmaps = make((40, 61), 3)
    assert_same(crops.crop(np.array(box)), bitmaps.crop(np.array(box)))


def test_padding():
    crops, bitmaps = make((40, 61), 4)
    assert_same(crops.pad((50, 64)), bitmaps.pad((50, 64)))
    filled = crops.pad((50, 64), pad_val=1)
    assert np.array_equal(filled.to_ndarray(), bitmaps.pad((50, 64), pad_val=1).to_ndarray())


@pytest.mark.parametrize(
    "index", [0, -1, [1, 3], np.array([4, 0]), slice(2, 5), np.arange(9) % 2 == 0]
)
def test_indexing(index):
    crops, bitmaps = make((40, 61), 5)
    assert_same(crops[index], bitmaps[index])


def test_one_step_after_the_other():
    crops, bitmaps = make((90, 140), 6)
    for masks in (crops, bitmaps):
        assert masks.crop(np.array([20, 10, 120, 85])) is not masks
    steps = [
        lambda m: m.crop(np.array([20, 10, 120, 85])),
        lambda m: m.rescale((320, 320)),
        lambda m: m.flip("diagonal"),
        lambda m: m.pad((320, 352)),
        lambda m: m[np.array([0, 2, 3, 6])],
    ]
    for step in steps:
        crops, bitmaps = step(crops), step(bitmaps)
        assert_same(crops, bitmaps)


@pytest.mark.parametrize("stride", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("size", SIZES)
def test_what_training_reads_of_them(size, stride):
    crops, bitmaps = make(size, 7)
    one, other = sample_masks(crops, stride, 2 * stride), sample_masks(bitmaps, stride, 2 * stride)
    for a, b in ((one, other), (one.coarse, other.coarse)):
        assert torch.equal(a.samples, b.samples)
        assert torch.equal(a.centers, b.centers)
        assert torch.equal(a.areas, b.areas)
    assert crops._bitmaps is None


def test_what_is_changed_in_the_bitmaps_stays():
    """mmdet's CopyPaste sets ``masks``, others write into it."""
    crops, _ = make((40, 61), 8)
    crops.masks[0] = 0
    crops.masks[0, 3:5, 7:9] = 1
    assert crops.areas[0] == 4
    assert crops[0].get_bboxes("hbox").tensor.tolist() == [[7, 3, 9, 5]]
    crops.masks = np.ones((2, 40, 61), np.uint8)
    assert len(crops) == 2
    assert crops.flip().areas.tolist() == [40 * 61] * 2


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("rotate", ((40, 61), 30)),
        ("rotate", ((40, 61), -170.3, (11, 7), 1.3)),
        ("shear", ((40, 61), 0.3)),
        ("shear", ((40, 61), -0.4, "vertical")),
        ("translate", ((40, 61), 7)),
        ("translate", ((50, 70), -9, "vertical")),
        ("expand", (70, 99, 20, 30)),
    ],
)
def test_turning_shearing_and_moving(name, arguments):
    crops, bitmaps = make((40, 61), 9)
    turned, expected = (getattr(masks, name)(*arguments) for masks in (crops, bitmaps))
    assert isinstance(turned, CropMasks)
    assert turned._bitmaps is None
    assert (turned.height, turned.width) == (expected.height, expected.width)
    differing = turned.to_ndarray().astype(bool) != expected.to_ndarray().astype(bool)
    assert differing.sum() <= (0 if name in ("translate", "expand") else 20)  # of 21,960 pixels


def test_more_masks_than_opencv_takes_channels():
    """OpenCV 5 takes 128; mmdet passes all masks at once."""
    bitmaps = np.repeat(make((40, 61), 13)[1].to_ndarray(), 30, axis=0)
    few = BitmapMasks(bitmaps[:9], 40, 61).rotate((40, 61), 20).to_ndarray()
    for masks in (BitmapMasks(bitmaps, 40, 61), CropMasks(bitmaps, 40, 61)):
        assert len(masks) == 270
        turned = masks.rotate((40, 61), 20).to_ndarray()
        assert (turned[-9:] != turned[:9]).sum() <= 20
        assert (turned[:9] != few[:9]).sum() <= 20


def test_what_has_no_way_of_its_own_goes_by_bitmaps():
    crops, bitmaps = make((40, 61), 9)
    boxes, which = np.array([[2, 3, 40, 30.0]], np.float32), np.array([1])
    cut, expected = (m.crop_and_resize(boxes, (28, 28), which) for m in (crops, bitmaps))
    assert np.array_equal(cut.to_ndarray(), expected.to_ndarray())
    assert list(make((7, 5))[0])[0].shape == (7, 5)


def test_it_is_constructed_and_joined_like_bitmaps():
    crops, bitmaps = make((40, 61), 12)
    drawn = bitmaps.to_ndarray()
    for masks in (drawn, list(drawn), crops.crops):
        assert_same(CropMasks(masks, 40, 61), bitmaps)
    assert_same(type(crops)(bitmaps.masks, height=40, width=61), bitmaps)
    assert_same(CropMasks.cat([crops, bitmaps]), BitmapMasks.cat([bitmaps, bitmaps]))
    assert len(CropMasks.random(5, 20, 30)) == 5
    with pytest.raises(AssertionError, match=r"mask of shape \(40, 61\), expected \(61, 40\)"):
        CropMasks(drawn, 61, 40)
    with pytest.raises(ValueError, match="expected masks to join, got none"):
        CropMasks.cat([])


def test_polygons_as_crops():
    polygons = PolygonMasks(
        [[np.array([3, 4, 30, 4, 30, 20, 3, 20.0])], [np.array([50, 30, 80, 31, 55, 60.0])]], 40, 61
    )
    drawn = BitmapMasks(polygons.to_ndarray().astype(np.uint8), 40, 61)
    assert_same(CropMasks.of(polygons), drawn)
    joined = CropMasks.cat([polygons, CropMasks.of(polygons)])
    assert_same(joined, BitmapMasks.cat([drawn, drawn]))


def test_traveling_between_processes_and_none_at_all():
    crops, bitmaps = make((40, 61), 10)
    assert_same(pickle.loads(pickle.dumps(crops)), bitmaps)
    nothing = CropMasks([], 40, 61)
    assert_same(nothing.rescale(2.0).flip().crop(np.array([0, 0, 9, 9])), BitmapMasks([], 9, 9))
    assert len(sample_masks(nothing, 2)) == 0


@pytest.mark.parametrize("size", SIZES)
def test_from_run_lengths(size):
    bitmaps = make(size, 11)[1].to_ndarray()
    for bitmap in bitmaps:
        rle = coco_mask.encode(np.asfortranarray(bitmap))
        crop = crop_of_runs(read_counts(rle["counts"]), size[0])
        expected = Crop.of(bitmap)
        assert (crop.x, crop.y) == (expected.x, expected.y)
        assert np.array_equal(crop.mask, expected.mask)


def test_run_lengths_of_zero():
    """Uncompressed RLE may hold them; here pixels 2 to 4 and 5 of an image of height 4."""
    crop = crop_of_runs(np.array([2, 2, 0, 0, 0, 1, 7]), 4)
    assert (crop.x, crop.y) == (0, 0)
    assert crop.mask.astype(int).tolist() == [[0, 1], [0, 0], [1, 0], [1, 0]]
