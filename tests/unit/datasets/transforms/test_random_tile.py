"""Tiles to train on: where they lie, and what becomes of the objects that they cut."""

from __future__ import annotations

import numpy as np
import pytest
from mmdet.datasets.transforms import RandomCrop
from mmdet.structures.bbox import HorizontalBoxes
from mmdet.structures.mask import BitmapMasks, PolygonMasks

from condinst.datasets.transforms.random_tile import RandomTile
from condinst.masks.crop import Crop
from condinst.masks.crop_masks import CropMasks
from condinst.registry import TRANSFORMS

SIZE = (300, 400)


def rectangle_polygon(x1, y1, x2, y2):
    return np.array([x1, y1, x2, y1, x2, y2, x1, y2], float)


def sample(boxes, kind="crop", ignored=()):
    """Rectangles on an image whose red is the column and whose green is the row."""
    image = np.zeros((*SIZE, 3), np.uint16)
    image[..., 0], image[..., 1] = np.arange(SIZE[1]), np.arange(SIZE[0])[:, None]
    bitmaps = np.zeros((len(boxes), *SIZE), np.uint8)
    for bitmap, (x1, y1, x2, y2) in zip(bitmaps, boxes, strict=True):
        bitmap[y1:y2, x1:x2] = 1
    masks = {
        "crop": CropMasks([Crop.of(bitmap) for bitmap in bitmaps], *SIZE),
        "bitmap": BitmapMasks(bitmaps, *SIZE),
        "polygon": PolygonMasks([[rectangle_polygon(*box)] for box in boxes], *SIZE),
        "none": None,
    }[kind]
    return dict(
        img=image,
        img_shape=SIZE,
        gt_bboxes=HorizontalBoxes(np.array(boxes, np.float32).reshape(-1, 4)),
        gt_bboxes_labels=np.arange(len(boxes)),
        gt_ignore_flags=np.array([i in ignored for i in range(len(boxes))], bool),
        **({} if masks is None else dict(gt_masks=masks)),
    )


def place(results) -> tuple[int, int]:
    """x and y of the tile, as its pixels say."""
    return int(results["img"][0, 0, 0]), int(results["img"][0, 0, 1])


def tile_at(place: tuple[int, int], tile, **kwargs) -> RandomTile:
    """One whose tiles all begin at the same (y, x)."""
    transform = RandomTile(tile, **kwargs)
    transform._place = lambda *_: (place, transform.tile)
    return transform


@pytest.mark.parametrize("kind", ["crop", "bitmap", "polygon"])
def test_pixels_boxes_and_masks_move_together(kind):
    boxes = [[10, 20, 60, 50], [100, 120, 260, 170], [390, 290, 400, 300], [150, 0, 170, 300]]
    for seed in range(30):
        np.random.seed(seed)
        found = RandomTile((90, 120), min_visible=0.0)(sample(boxes, kind))
        x, y = place(found)
        assert found["img"].shape == (90, 120, 3)
        assert found["img_shape"] == (90, 120)
        assert (found["homography_matrix"] @ [x, y, 1]).tolist() == [0, 0, 1]
        masks = found["gt_masks"].to_ndarray()
        assert masks.shape == (len(found["gt_bboxes"]), 90, 120)
        present = []
        for label, (x1, y1, x2, y2) in enumerate(boxes):
            expected = [max(x1 - x, 0), max(y1 - y, 0), min(x2 - x, 120), min(y2 - y, 90)]
            if expected[0] < expected[2] and expected[1] < expected[3]:
                present.append(label)
                at = found["gt_bboxes_labels"].tolist().index(label)
                assert found["gt_bboxes"].tensor[at].tolist() == expected
                a, b, c, d = expected
                assert masks[at, b:d, a:c].all()
                assert masks[at].sum() == (d - b) * (c - a)
        assert found["gt_bboxes_labels"].tolist() == present


@pytest.mark.parametrize("kind", ["crop", "polygon", "none"])
def test_slivers_are_not_learned(kind):
    at = (100, 100)
    boxes = [
        [80, 110, 110, 130],  # 10 of 30 columns
        [91, 140, 121, 150],  # 21 of 30
        [120, 120, 140, 140],  # whole
        [0, 100, 100, 200],  # ends where the tile begins
        [195, 195, 235, 235],  # 25 of 1600 pixels
    ]
    found = tile_at(at, 100, min_visible=0.5)(sample(boxes, kind, ignored=[2]))
    assert found["gt_bboxes_labels"].tolist() == [0, 1, 2, 4]
    assert found["gt_ignore_flags"].tolist() == [True, False, True, True]
    found = tile_at(at, 100, min_visible=0.3)(sample(boxes, kind))
    assert found["gt_ignore_flags"].tolist() == [False, False, False, True]


def test_the_box_of_a_cut_object_is_that_of_what_is_visible():
    """An L whose lower arm alone reaches into the tile: RandomCrop's box keeps the full height."""
    at = (0, 100)
    results = sample([[50, 40, 150, 200]])
    bitmap = np.zeros(SIZE, np.uint8)
    bitmap[40:200, 50:70] = 1
    bitmap[180:200, 50:150] = 1
    results["gt_masks"] = CropMasks([Crop.of(bitmap)], *SIZE)
    found = tile_at(at, (300, 100), min_visible=0.1)(results)
    assert found["gt_bboxes"].tensor.tolist() == [[0, 180, 50, 200]]
    visible = 20 * 50 / (20 * 160 + 20 * 80)
    assert not found["gt_ignore_flags"][0]
    again = sample([[50, 40, 150, 200]]) | dict(gt_masks=CropMasks([Crop.of(bitmap)], *SIZE))
    found = tile_at(at, (300, 100), min_visible=visible + 0.01)(again)
    assert found["gt_ignore_flags"][0]


def test_an_outline_that_no_pixel_follows_is_not_learned():
    """The box reaches into the tile by its corner, where the triangle has no pixel."""
    at = (0, 0)
    results = sample([[90, 90, 190, 190]], "polygon")
    results["gt_masks"] = PolygonMasks([[np.array([190, 90, 190, 190, 90, 190.0])]], *SIZE)
    found = tile_at(at, 100, min_visible=0.0)(results)
    assert found["gt_ignore_flags"].tolist() == [True]


def test_tiles_hold_the_object_that_they_are_placed_around():
    box = [200, 150, 230, 170]
    seen = set()
    for seed in range(200):
        np.random.seed(seed)
        found = RandomTile(64, object_share=1.0)(sample([box]))
        assert found["gt_bboxes"].tensor[0].tolist() == [
            box[0] - place(found)[0],
            box[1] - place(found)[1],
            box[2] - place(found)[0],
            box[3] - place(found)[1],
        ]
        assert not found["gt_ignore_flags"][0]
        seen.add(place(found))
    # anywhere around it: x from 166 to 200, y from 106 to 150
    assert min(x for x, _ in seen) < 170 < 196 < max(x for x, _ in seen)
    assert min(y for _, y in seen) < 110 < 146 < max(y for _, y in seen)


def test_where_objects_are_few_random_crops_are_background():
    results = [sample([[200, 150, 210, 160]]) for _ in range(200)]
    np.random.seed(0)
    crop = RandomCrop((64, 64), allow_negative_crop=True)
    theirs = sum(len(crop(r)["gt_bboxes"]) for r in results)
    np.random.seed(0)
    results = [sample([[200, 150, 210, 160]]) for _ in range(200)]
    ours = sum(len(RandomTile(64)(r)["gt_bboxes"]) for r in results)
    assert theirs < 30
    assert 170 <= ours <= 200


def test_an_object_larger_than_the_tile_fills_it():
    for seed in range(20):
        np.random.seed(seed)
        found = RandomTile(64, min_visible=0.0, object_share=1.0)(sample([[100, 100, 300, 300]]))
        assert found["gt_bboxes"].tensor.tolist() == [[0, 0, 64, 64]]


def test_images_smaller_than_the_tile_and_images_without_objects():
    found = RandomTile(1000)(sample([[10, 20, 60, 50]], "polygon"))
    assert found["img"].shape == (*SIZE, 3)
    assert found["gt_bboxes"].tensor.tolist() == [[10, 20, 60, 50]]
    found = RandomTile((50, 1000))(sample([]))
    assert found["img"].shape == (50, 400, 3)
    assert len(found["gt_bboxes"]) == len(found["gt_masks"]) == len(found["gt_ignore_flags"]) == 0
    crowd = sample([[10, 20, 60, 50]], ignored=[0])
    assert RandomTile(64)(crowd)["img"].shape == (64, 64, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(tile=0), "RandomTile: tile=0: expected"),
        (dict(tile=(1, 2, 3)), r"RandomTile: tile=\(1, 2, 3\)"),
        (dict(tile=9, min_visible=1.5), "RandomTile: min_visible=1.5: expected 0 to 1"),
        (dict(tile=9, object_share=-1), "RandomTile: object_share=-1"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        TRANSFORMS.build(dict(type="RandomTile", **arguments))
