"""The teacher's image is the one before the colors change; the blur keeps the mean."""

import numpy as np
import pytest
import torch
from mmdet.structures.bbox import HorizontalBoxes
from mmengine.registry import DefaultScope

from condinst.datasets import KeepTeacherImage, PackDetInputs, RandomBlur
from condinst.registry import TRANSFORMS


@pytest.mark.parametrize("shape", [(6, 8), (6, 8, 3), (6, 8, 5)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_kept_image_is_packed_as_it_was(shape, dtype):
    image = np.random.default_rng(0).integers(0, 256, shape).astype(dtype)
    results = KeepTeacherImage().transform(dict(img=image.copy()[:, ::-1]))
    results["img"][:] = 0  # a step that writes into the image
    packed = PackDetInputs().transform(results)
    found = packed["data_samples"].teacher_img
    expected = image[:, ::-1].reshape(6, 8, -1).transpose(2, 0, 1)
    np.testing.assert_array_equal(found.numpy(), expected)
    assert found.dtype == (torch.uint8 if dtype == np.uint8 else torch.float32)
    assert not packed["inputs"].any()


def sample():
    image = np.random.default_rng(0).integers(0, 256, (40, 60, 3)).astype(np.uint8)
    boxes = HorizontalBoxes(torch.tensor([[2.0, 3, 20, 30], [30, 5, 50, 25]]))
    labels, ignored = np.zeros(2, np.int64), np.zeros(2, bool)
    known = dict(gt_bboxes=boxes, gt_bboxes_labels=labels, gt_ignore_flags=ignored)
    return dict(img=image, img_shape=(40, 60), **known)


@pytest.mark.parametrize(
    "step",
    [
        dict(type="RandomFlip", prob=1.0),
        dict(type="Resize", scale=(80, 80), keep_ratio=True),
        dict(type="RandomShift", prob=1.0, max_shift_px=5),
        dict(type="Pad", size_divisor=32),
        dict(type="FilterAnnotations", min_gt_bbox_wh=(19, 1)),
    ],
    ids=lambda step: step["type"],
)
def test_steps_that_move_objects_are_refused(step):
    """A flip keeps the size, so no shape tells it later."""
    np.random.seed(0)
    with DefaultScope.overwrite_default_scope("condinst"):
        move = TRANSFORMS.build(step)
    PackDetInputs().transform(KeepTeacherImage().transform(move.transform(sample())))  # before it
    moved = move.transform(KeepTeacherImage().transform(sample()))
    with pytest.raises(ValueError, match="a step after KeepTeacherImage moves the objects"):
        PackDetInputs().transform(moved)


def test_colors_may_change():
    np.random.seed(0)
    steps = [dict(type="PhotoMetricDistortion"), dict(type="RandomBlur", prob=1.0)]
    results = KeepTeacherImage().transform(sample())
    with DefaultScope.overwrite_default_scope("condinst"):
        for step in steps:
            results = TRANSFORMS.build(step).transform(results)
    packed = PackDetInputs().transform(results)
    assert (packed["data_samples"].teacher_img != packed["inputs"]).any()


def test_without_the_step_nothing_is_kept():
    packed = PackDetInputs().transform(dict(img=np.zeros((6, 8, 3), np.uint8)))
    assert "teacher_img" not in packed["data_samples"]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_blurred_point_is_a_gaussian(dtype):
    image = np.zeros((31, 31, 2), dtype)
    image[15, 15] = 200
    found = RandomBlur(prob=1.0, sigma=(1.5, 1.5)).transform(dict(img=image))["img"]
    steps = np.arange(-15, 16)
    line = np.exp(-(steps**2) / (2 * 1.5**2))
    expected = 200 * np.outer(line, line) / line.sum() ** 2
    assert found.dtype == dtype
    assert np.abs(found.astype(float) - expected[:, :, None]).max() < 0.6  # rounded


def test_a_blur_that_is_never_drawn():
    image = np.eye(5, dtype=np.uint8)
    assert RandomBlur(prob=0.0).transform(dict(img=image))["img"] is image


@pytest.mark.parametrize("settings", [dict(prob=1.5), dict(sigma=(2.0, 1.0)), dict(sigma=(0, 1))])
def test_wrong_arguments_are_named(settings):
    (name,) = settings
    with pytest.raises(ValueError, match=f"RandomBlur: {name}="):
        RandomBlur(**settings)
