"""The round of pre-annotation: the choice of images, and the clicks of a corrector."""

from __future__ import annotations

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from benchmarks.pre_annotation import Count, count_image, split_images, sum_counts


def square(x, y, side=10):
    mask = np.zeros((60, 60), np.uint8)
    mask[y : y + side, x : x + side] = 1
    return coco_mask.encode(np.asfortranarray(mask))


def test_clicks():
    true = [square(0, 0), square(20, 20), square(40, 40)]
    # equal; 9 of 10 columns (IoU 0.82); 7 columns (0.54); nowhere; a second one of the first
    found = [square(0, 0), square(21, 20), square(43, 40), square(40, 0), square(0, 0)]
    count = Count()
    count_image(count, found, true)
    assert (count.objects, count.predictions, count.right) == (3, 5, 2)
    assert count.draw_all == 3 * 4  # corners
    assert count.correct == 3 * 2 + 4  # three are deleted, one is drawn
    assert count.summary()["clicks_saved"] == round(1 - 10 / 12, 3)
    assert count.summary()["right_of_objects"] == 0.667


def test_images_without_predictions_or_objects():
    count = Count()
    count_image(count, [], [square(0, 0)])
    count_image(count, [square(0, 0)], [])
    count_image(count, [], [])
    assert (count.draw_all, count.correct, count.right) == (4, 4 + 2, 0)


def test_images_are_found_by_name():
    polygon = [[0, 0, 10, 0, 10, 10, 0, 10]]
    truth = dict(
        images=[dict(id=7, file_name="a.png", height=60, width=60)],
        annotations=[
            dict(image_id=7, segmentation=polygon, iscrowd=0),
            dict(image_id=7, segmentation=square(30, 30), iscrowd=1),
        ],
    )
    found = dict(
        images=[dict(id=1, file_name="a.png")],
        annotations=[dict(image_id=1, segmentation=square(0, 0))],
    )
    count = sum_counts(found, truth, truth["images"])
    assert (count.objects, count.right, count.correct) == (1, 1, 0)


def test_the_choice_of_images():
    truth = dict(images=[dict(id=i, file_name=f"{i:02}.png") for i in range(20)])
    drawn, others = split_images(truth, 5, seed=3)
    assert len(drawn) == 5
    assert sorted(i["id"] for i in drawn + others) == list(range(20))
    reverse = dict(images=truth["images"][::-1])
    assert split_images(reverse, 5, seed=3) == (drawn, others)
    assert split_images(truth, 5, seed=4)[0] != drawn
    with pytest.raises(ValueError, match="--images 20: expected 1 to 19"):
        split_images(truth, 20, seed=0)
