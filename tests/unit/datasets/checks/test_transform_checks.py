"""Transforms that lose masks are refused before the first iteration, in one line."""

from __future__ import annotations

import mmcv.transforms
import mmdet.datasets.transforms as theirs
import pytest

import condinst.datasets as ours
from condinst.datasets.checks.transform_checks import check_transforms


def found(*steps, scope="condinst", own=(), poly2mask=False, masks=True, boxes=False):
    load = dict(type="LoadAnnotations", with_bbox=True, with_mask=masks, poly2mask=poly2mask)
    return check_transforms("train", own, [load, *steps], scope, boxes)


@pytest.mark.parametrize(
    "name",
    [
        "Mosaic",
        "MixUp",
        "RandomAffine",
        "CopyPaste",
        "RandomErasing",
        "CachedMosaic",
        "CachedMixUp",
    ],
)
def test_mmdets_class_is_refused_and_ours_is_not(name):
    for kind in (f"mmdet.{name}", getattr(theirs, name)):
        (line,) = found(dict(type=kind))
        assert line.startswith(f"train.pipeline: mmdet's {name} takes ")
        assert line.endswith(f'; set type="condinst.{name}"')
        assert not found(dict(type=kind), masks=False)
    (line,) = found(dict(type=name), scope="mmdet")
    assert "condinst." in line
    assert not found(dict(type=name))
    assert not found(dict(type=f"condinst.{name}"), scope="mmdet")
    assert not found(dict(type=getattr(ours, name)))


def test_bitmaps_are_enough_for_some():
    assert not found(dict(type="mmdet.CopyPaste"), poly2mask=True)
    assert found(dict(type="mmdet.Mosaic"), poly2mask=True)


@pytest.mark.parametrize("name", ["CopyPaste", "RandomErasing", "CachedMosaic", "CachedMixUp"])
def test_bitmaps_lose_which_objects_have_only_a_box(name):
    lines = found(dict(type=f"mmdet.{name}"), poly2mask=True, boxes=True)
    assert any("do not tell which objects have only a box" in line for line in lines)
    assert not found(dict(type=name), boxes=True)


def test_no_masks_and_missing_packages():
    (line,) = found(dict(type="RandomCenterCropPad"))
    assert line == ("train.pipeline: RandomCenterCropPad takes no masks; use RandomCrop, then Pad")
    (line,) = found(dict(type="CenterCrop", crop_size=(9, 9)))
    assert line.endswith("CenterCrop takes no boxes and masks; use RandomCrop")
    (line,) = found(dict(type="Corrupt", corruption="gaussian_blur"))
    assert "pip install imagecorruptions" in line


def test_boxes_are_fitted_to_masks_that_are_loaded():
    (line,) = found(dict(type="FitBoxesToMasks"), masks=False)
    assert line.endswith("FitBoxesToMasks needs masks; set with_mask=True of LoadAnnotations")
    assert not found(dict(type="FitBoxesToMasks"))


def test_nested_steps_are_found():
    nested = dict(type="RandomChoice", transforms=[[dict(type="mmdet.MixUp")], []])
    assert len(found(nested)) == 1
    assert not found(dict(type="RandomChoice", transforms=[[dict(type="RandomFlip", prob=1)], []]))


def test_mixing_outside_a_dataset_of_several_images():
    step = dict(type="CopyPaste")
    (line,) = found(step, own=[step])
    assert line.startswith("train.pipeline: CopyPaste belongs into the pipeline of a MultiImageMix")
    assert not found(step)


@pytest.mark.parametrize("name", ["Pad", "RandomFlip", "Resize"])
def test_mmcvs_class_of_a_name_that_mmdet_has_is_refused(name):
    for kind in (f"mmcv.{name}", f"mmengine.{name}", getattr(mmcv.transforms, name)):
        (line,) = found(dict(type=kind))
        assert line == (
            f'train.pipeline: mmcv\'s {name} leaves masks as they are; set type="mmdet.{name}"'
        )
        assert bool(found(dict(type=kind), masks=False)) == (name != "Pad")
    for kind in (name, f"mmdet.{name}", getattr(theirs, name)):
        assert not found(dict(type=kind))


def test_mmcvs_resize_inside_another_transform():
    (line,) = found(dict(type="RandomResize", scale=(9, 9), resize_type="mmcv.Resize"))
    assert line.endswith('set resize_type="mmdet.Resize"')
    assert not found(dict(type="RandomResize", scale=(9, 9), resize_type="Resize"))
