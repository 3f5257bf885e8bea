"""Objects with boxes alone beside objects with masks: through every transform, to the targets."""

import pickle
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest
import torch
from mmdet.datasets import transforms as theirs
from mmdet.structures.bbox import HorizontalBoxes
from mmdet.structures.mask import BitmapMasks
from mmengine.registry import DefaultScope

from condinst.datasets import (
    CachedMixUp,
    CachedMosaic,
    CopyPaste,
    FitBoxesToMasks,
    LoadAnnotations,
    PackDetInputs,
    PrepareBoxTargets,
    PrepareMaskTargets,
    PrepareMixedTargets,
    RandomAffine,
    RandomErasing,
    RandomTile,
    Resize,
)
from condinst.masks.crop import Crop
from condinst.masks.crop_masks import CropMasks

SIZE = (60, 80)
# a box alone, a mask, a box alone
BOXES = [[10.5, 8.0, 30.0, 28.2], [40.0, 10.0, 60.0, 30.0], [5.0, 35.0, 50.0, 55.0]]
FLAGS = [True, False, True]


def annotated(boxes=BOXES, flags=FLAGS, size=SIZE, **more):
    """The results of a dataset that allows boxes alone, with the image."""
    instances = []
    for i, (box, is_box) in enumerate(zip(boxes, flags, strict=True)):
        instance = dict(bbox=list(box), bbox_label=i, ignore_flag=0)
        x1, y1, x2, y2 = box
        if is_box:
            instance["box_only"] = True
        else:
            instance["mask"] = [[x1, y1, x2, y1, x2, y2, x1, (y1 + y2) / 2]]
        instances.append(instance)
    image = np.random.default_rng(0).integers(0, 255, (*size, 3), dtype=np.uint8)
    return dict(
        img=image, img_shape=size, ori_shape=size, img_path="a.png", instances=instances, **more
    )


def loaded(**kwargs):
    with DefaultScope.overwrite_default_scope("condinst"):
        return LoadAnnotations(with_mask=True, poly2mask=False)(annotated(**kwargs))


def test_filled_boxes_stand_for_unknown_masks():
    masks = loaded()["gt_masks"]
    assert masks.box_only.tolist() == FLAGS
    first = np.zeros(SIZE, np.uint8)
    first[8:29, 10:30] = 1  # all pixels that the box touches
    assert np.array_equal(masks.masks[0], first)
    assert masks.areas[1] < 20 * 20


def test_a_box_is_cut_at_the_image():
    crop = Crop.of_box([-3.5, 50.2, 20.0, 70.0], *SIZE)
    assert (crop.x, crop.y, crop.mask.shape) == (0, 50, (10, 20))
    assert Crop.of_box([90.0, 5, 95, 9], *SIZE).mask.shape == (0, 0)


def test_images_whose_objects_all_have_masks_keep_their_polygons():
    masks = loaded(flags=[False] * 3)["gt_masks"]
    assert not isinstance(masks, CropMasks)


TRANSFORMS = {
    "resize": lambda: Resize(scale=(160, 120), keep_ratio=True),
    "flip": lambda: theirs.RandomFlip(prob=1.0),
    "flip both": lambda: theirs.RandomFlip(prob=1.0, direction="diagonal"),
    "pad": lambda: theirs.Pad(size=(96, 96), pad_val=dict(img=(114, 114, 114), masks=0)),
    "pad masks by 1": lambda: theirs.Pad(size=(96, 96), pad_val=dict(img=(0, 0, 0), masks=1)),
    "expand": lambda: theirs.Expand(prob=1.0),
    "rotate": lambda: theirs.Rotate(prob=1.0, level=2, max_mag=20.0),
    "shear": lambda: theirs.ShearX(prob=1.0, level=1, max_mag=10.0),
    "translate": lambda: theirs.TranslateX(prob=1.0, level=1, max_mag=0.1),
    "shift": lambda: theirs.RandomShift(prob=1.0, max_shift_px=3),
    "affine": lambda: RandomAffine(max_rotate_degree=5, max_translate_ratio=0.02),
    "erase": lambda: RandomErasing(n_patches=2, ratio=0.1),
    "filter": lambda: theirs.FilterAnnotations(min_gt_bbox_wh=(1, 1), by_mask=True),
    "fit": lambda: FitBoxesToMasks(),
    "tile": lambda: RandomTile(70, object_share=0.0, min_visible=0.0),
    "crop": lambda: theirs.RandomCrop((55, 75), recompute_bbox=True, allow_negative_crop=True),
    "min iou crop": lambda: theirs.MinIoURandomCrop(min_crop_size=0.9),
}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_the_flags_follow_their_objects(name):
    """The labels are the objects' numbers."""
    np.random.seed(1)
    with DefaultScope.overwrite_default_scope("condinst"):
        results = TRANSFORMS[name]()(loaded())
    masks, labels = results["gt_masks"], results["gt_bboxes_labels"]
    assert len(masks) == len(results["gt_bboxes"]) == len(labels) > 0
    assert masks.box_only.tolist() == [FLAGS[label] for label in labels]


def cached(kind, others, **kwargs):
    transform = kind(**kwargs)
    np.random.seed(0)
    transform.results_cache = others
    return transform


@pytest.mark.parametrize("kind", ["mosaic", "mixup"])
def test_images_of_both_kinds_are_mixed(kind):
    """One image has boxes and a mask, the others polygons: labels from 10 on."""
    with DefaultScope.overwrite_default_scope("condinst"):
        others = [loaded(flags=[False] * 3) for _ in range(5)]
        for other in others:
            other["gt_bboxes_labels"] = other["gt_bboxes_labels"] + 10
        if kind == "mosaic":
            arguments = dict(img_scale=SIZE[::-1], pad_val=114.0, prob=1.0)
            transform = cached(CachedMosaic, others, **arguments)
        else:
            arguments = dict(img_scale=SIZE[::-1], ratio_range=(1.0, 1.0), prob=1.0)
            transform = cached(CachedMixUp, others, **arguments)
        results = transform(loaded())
    labels, masks = results["gt_bboxes_labels"], results["gt_masks"]
    assert len(set(labels) & {0, 2}) > 0
    assert masks.box_only.tolist() == [label in (0, 2) for label in labels]


def test_boxes_are_not_pasted_and_stay_boxes_where_something_is_pasted_onto_them():
    with DefaultScope.overwrite_default_scope("condinst"):
        results, source = loaded(), loaded()
        source["gt_bboxes_labels"] = source["gt_bboxes_labels"] + 10
        source["gt_bboxes"] = HorizontalBoxes(torch.tensor(BOXES))
        # the pasted mask covers the right half of the first box
        mask = np.zeros(SIZE, np.uint8)
        mask[0:35, 20:60] = 1
        source["gt_masks"] = CropMasks([Crop.of(m) for m in (mask, mask, mask)], *SIZE, FLAGS)
        results["mix_results"] = [source]
        np.random.seed(0)
        pasted = CopyPaste(selected=False)(results)
    assert sorted(pasted["gt_bboxes_labels"]) == [0, 2, 11]
    by_label = dict(zip(pasted["gt_bboxes_labels"], range(3), strict=True))
    assert pasted["gt_masks"].box_only[[by_label[0], by_label[2], by_label[11]]].tolist() == [
        True,
        True,
        False,
    ]
    # what is left of the box ends where the pasted object begins, and keeps its fractions elsewhere
    left = pasted["gt_bboxes"].tensor[by_label[0]].tolist()
    assert left == pytest.approx([10.5, 8.0, 20.0, 28.2])


def test_a_mask_that_was_cropped_away_is_no_box():
    results = loaded()
    masks = results["gt_masks"].crop(np.array([0, 0, 35, 60]))  # the mask lies right of it
    assert masks.areas[1] == 0
    assert masks.box_only.tolist() == FLAGS


def test_flags_survive_bitmaps_that_are_read_and_changed():
    """As mmdet's methods do that work on ``masks``."""
    masks = loaded()["gt_masks"]
    masks.masks[0, :10] = 0
    assert masks[np.array([2, 0])].box_only.tolist() == [True, True]
    assert masks.rescale(2.0, "bilinear").box_only.tolist() == FLAGS
    masks.masks = masks.masks[:1]
    with pytest.raises(ValueError, match="1 masks have replaced 3"):
        _ = masks.box_only


def prepared(transform, results):
    with DefaultScope.overwrite_default_scope("condinst"):
        return transform(results)["gt_masks"]


def test_both_targets_of_one_image():
    masks = prepared(PrepareMixedTargets(stride=4), loaded())
    assert masks.box_only.tolist() == FLAGS
    colors = prepared(PrepareBoxTargets(stride=4), loaded())
    assert torch.equal(masks.colors.edges, colors.edges)
    alone = loaded(boxes=BOXES[1:2], flags=[False])
    expected = prepared(PrepareMaskTargets(stride=4), alone)
    assert torch.equal(masks[1:2].samples, expected.samples)
    assert torch.equal(masks[1:2].centers, expected.centers)


def test_targets_are_joined_with_their_flags():
    """As mmengine joins instances of one image; the first part has no flags."""
    masks = prepared(PrepareMaskTargets(), loaded(flags=[False] * 3))
    both = type(masks).cat([masks[:1], prepared(PrepareMixedTargets(), loaded())])
    assert both.box_only.tolist() == [False, *FLAGS]
    assert len(both) == 4
    assert both.colors is not None


def test_an_image_of_masks_has_flags_and_no_colors():
    masks = prepared(PrepareMixedTargets(), loaded(flags=[False] * 3))
    assert masks.box_only.tolist() == [False] * 3
    assert masks.colors is None


def test_the_way_from_a_data_worker():
    masks = prepared(PrepareMixedTargets(), loaded())
    sent = pickle.loads(bytes(ForkingPickler.dumps(masks)))
    assert torch.equal(sent.samples, masks.samples)
    assert torch.equal(sent.box_only, masks.box_only)
    assert torch.equal(sent.colors.edges, masks.colors.edges)


def test_ignored_objects_leave_with_their_flags():
    results = loaded()
    results["gt_ignore_flags"] = np.array([True, False, False])
    with DefaultScope.overwrite_default_scope("condinst"):
        packed = PackDetInputs(meta_keys=())(PrepareMixedTargets()(results))
    objects = packed["data_samples"].gt_instances
    assert objects.masks.box_only.tolist() == [False, True]
    assert objects.labels.tolist() == [1, 2]


def test_masks_alone_are_prepared_by_the_other_transform():
    with pytest.raises(ValueError, match=r"a\.png: PrepareMaskTargets finds 2 objects with a box"):
        prepared(PrepareMaskTargets(), loaded())


def test_bitmaps_without_flags_are_refused():
    """A filled box would be learned as a mask."""
    results = loaded()
    results["gt_masks"] = BitmapMasks(results["gt_masks"].masks, *SIZE)
    with pytest.raises(ValueError, match=r"a\.png: .*bitmaps that do not tell which objects"):
        prepared(PrepareMixedTargets(), results)


def test_without_masks_the_message_says_what_is_missing():
    results = loaded()
    del results["gt_masks"]
    with pytest.raises(ValueError, match="needs LoadAnnotations"):
        prepared(PrepareMixedTargets(), results)
