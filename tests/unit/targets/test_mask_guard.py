"""Masks outside their boxes are an error; what training meets every day is none."""

from __future__ import annotations

import copy
import logging

import numpy as np
import pytest
import torch
import transform_matrix as matrix
from mmdet.structures.mask import BitmapMasks
from mmengine.dataset import Compose

from condinst.datasets import PrepareMaskTargets
from condinst.targets.mask_guard import boxes_of_masks, misplaced

PREPARE = PrepareMaskTargets(stride=2)


def shifted(results: dict, x: int, y: int) -> dict:
    """Move image and boxes, as mmdet's RandomShift does, not the masks."""
    results["gt_bboxes"].translate_([x, y])
    results["img"] = np.roll(results["img"], (y, x), (0, 1))
    return results


def as_bitmaps(results: dict) -> dict:
    masks = results["gt_masks"]
    drawn = masks.to_ndarray().astype(np.uint8)
    return results | dict(gt_masks=BitmapMasks(drawn, masks.height, masks.width))


@pytest.mark.parametrize("kind", ["polygons", "RLE", "mixed", "one object", "bitmaps"])
def test_masks_that_stay_behind(kind):
    def load(_):
        results = matrix.sample("RLE" if kind == "bitmaps" else kind, 1)
        return as_bitmaps(results) if kind == "bitmaps" else results

    def RandomThing(results):  # noqa: N802
        return shifted(results, 20, 0)

    with pytest.raises(
        ValueError,
        match=r"-1.png: after the pipeline .*PrepareMaskTargets, "
        r"the masks of \d of \d objects lie outside their boxes",
    ):
        Compose([load, RandomThing, PREPARE])({})
    assert len(Compose([load, PREPARE])({})["gt_masks"]) >= 1


def test_lost_masks():
    results = matrix.sample("polygons", 1)
    results["gt_masks"] = results["gt_masks"][np.array([0, 1])]
    with pytest.raises(ValueError, match="there are 2 masks for 6 boxes"):
        PREPARE(results)


def test_annotations_whose_own_boxes_differ_pass():
    results = matrix.sample("mixed", 1)
    for instance, box in zip(results["instances"], results["gt_bboxes"].tensor, strict=True):
        instance["bbox"] = (box + 30).tolist()
    results["gt_bboxes"].translate_([30, 30])
    assert len(PREPARE(results)["gt_masks"]) == 6


def test_crowds_do_not_count():
    results = shifted(matrix.sample("polygons", 1), 60, 0)
    results["gt_ignore_flags"][:] = True
    assert len(PREPARE(results)["gt_masks"]) == 6


def test_less_than_half_pass():
    results = matrix.sample("polygons", 1)
    results["gt_bboxes"].tensor[:3] += 25
    assert len(PREPARE(copy.deepcopy(results))["gt_masks"]) == 6
    results["gt_bboxes"].tensor[3] += 25
    with pytest.raises(ValueError, match="masks of 4 of 6 objects"):
        PREPARE(results)


@pytest.mark.parametrize("kind", matrix.KINDS)
def test_no_transform_of_mmdet_sets_it_off(kind):
    logging.disable(logging.INFO)
    from condinst.datasets.checks.transform_checks import check_transforms

    for case in matrix.CASES:
        load = dict(type="LoadAnnotations", with_mask=True)
        if check_transforms("train", (), [load, dict(type=case.name)], "condinst"):
            continue
        for seed in range(2):
            results = matrix.run(case, kind, seed)
            if results is not None:
                PREPARE(results)
    logging.disable(logging.NOTSET)


def test_measured_by_hand():
    """A mask of rows 10 to 29 and columns 20 to 39 fits 20, 10, 40, 30, four pixels more or less.

    Of the box's longer side of 60 it may stick out by 9 pixels.
    """
    bitmaps = np.zeros((6, 60, 80), np.uint8)
    bitmaps[:5, 10:30, 20:40] = 1
    masks = BitmapMasks(bitmaps, 60, 80)
    assert boxes_of_masks(masks).tolist() == [[20, 10, 40, 30]] * 5 + [[0] * 4]
    boxes = [[20, 10, 40, 30], [0, 0, 80, 60], [24, 10, 40, 30], [24.5, 10, 40, 30]]
    boxes += [[30, 0, 80, 60], [70, 50, 75, 55]]
    assert misplaced(masks, np.array(boxes, float)).tolist() == [False] * 3 + [True, True, False]
    boxes[4] = [27, 0, 80, 60]  # 7 of 60
    assert not misplaced(masks, np.array(boxes, float))[4]


def test_masks_of_another_size_are_cut_to_the_image():
    results = matrix.sample("polygons", 1)
    same = PREPARE(copy.deepcopy(results))["gt_masks"]
    results["gt_masks"] = results["gt_masks"].pad((matrix.HEIGHT + 1, matrix.WIDTH + 1))
    assert torch.equal(PREPARE(results)["gt_masks"].samples, same.samples)
