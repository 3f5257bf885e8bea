"""mmdet's geometric transforms on gray images and on images of many channels.

The expected pixels are those of the transform on each channel as part of a color image, which is
mmdet's own code.
"""

from __future__ import annotations

import random

import numpy as np
import pytest
from mmdet.registry import TRANSFORMS
from mmdet.structures.bbox import HorizontalBoxes

MOVES = [
    dict(type="Rotate", level=8, img_border_value=70),
    dict(type="ShearX", level=6),
    dict(type="ShearY", level=6, img_border_value=(9, 9, 9)),
    dict(type="TranslateX", level=10, max_mag=0.3),
    dict(type="TranslateY", level=10, max_mag=0.3),
    dict(type="Pad", size_divisor=64, pad_val=114),
    dict(type="Pad", size=(90, 70), padding_mode="reflect"),
    dict(type="CutOut", n_holes=3, cutout_shape=(20, 10), fill_in=(7, 7, 7)),
    dict(type="Expand", prob=1.0, mean=(33, 33, 33)),
    dict(type="MinIoURandomCrop", min_ious=(0.0, 0.0)),
]


def pixels(channels, dtype):
    shape = (50, 80) if channels == 1 else (50, 80, channels)
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max + 1, shape).astype(dtype)


def transformed(step, image):
    random.seed(3)
    np.random.seed(3)
    boxes = HorizontalBoxes(np.array([[10, 10, 40, 40]], np.float32))
    results = dict(img=image.copy(), img_shape=image.shape[:2], gt_bboxes=boxes)
    found = TRANSFORMS.build(step).transform(results)
    assert tuple(found["img_shape"]) == found["img"].shape[:2] or step["type"] == "CutOut"
    return found


@pytest.mark.parametrize(
    ("channels", "dtype"),
    [(1, "uint8"), (1, "uint16"), (2, "uint8"), (4, "uint16"), (5, "uint8"), (7, "uint16")],
)
@pytest.mark.parametrize("step", MOVES, ids=lambda step: step["type"])
def test_every_channel_moves_as_in_a_color_image(step, channels, dtype):
    image = pixels(channels, dtype)
    found = transformed(step, image)
    planes = image.reshape(50, 80, channels)
    expected = [
        transformed(step, np.repeat(planes[:, :, i : i + 1], 3, axis=2))["img"][:, :, 1]
        for i in range(channels)
    ]
    assert found["img"].dtype == dtype
    assert found["img"].ndim == image.ndim
    assert np.array_equal(found["img"].reshape(*found["img"].shape[:2], -1), np.stack(expected, 2))
    if step["type"] == "Pad":
        assert found["pad_shape"] == found["img"].shape


def test_by_hand_what_comes_in_at_the_border():
    """40 columns moved by a fifth: 8 columns of 20 pixels are filled."""
    step = dict(type="TranslateX", min_mag=0.2, max_mag=0.2, level=0)
    image = np.full((20, 40), 5, np.uint8)
    moved = transformed(step, image)["img"]
    assert sorted({int(v) for v in moved.ravel()}) == [5, 128]
    assert np.count_nonzero(moved == 128) == 160
    five = transformed(step, np.full((20, 40, 5), 5, np.uint8))["img"]
    assert [np.count_nonzero(five[:, :, i] == 128) for i in range(5)] == [160] * 5


@pytest.mark.parametrize(
    ("step", "name"),
    [
        (dict(type="Rotate", img_border_value=(1, 2, 3)), "Rotate: img_border_value"),
        (dict(type="CutOut", n_holes=1, cutout_shape=(5, 5), fill_in=(1, 2, 3)), "CutOut: fill_in"),
        (dict(type="Pad", size=(99, 99), pad_val=dict(img=(1, 2, 3))), "Pad: pad_val"),
    ],
)
def test_different_fill_values_are_refused(step, name):
    for channels in (1, 5):
        with pytest.raises(ValueError, match=f"{name}=.*expected one number for all channels"):
            transformed(step, pixels(channels, "uint8"))


def test_a_fill_value_for_each_channel():
    step = dict(type="Pad", size=(84, 50), pad_val=dict(img=(1, 2, 3, 4, 5)))
    padded = transformed(step, pixels(5, "uint8"))["img"]
    assert padded[:, 80:].reshape(-1, 5).tolist() == [[1, 2, 3, 4, 5]] * 200


@pytest.mark.parametrize(
    "value", [114, 114.0, np.float32(114), np.int64(114), (114.0,) * 3, [114, 114, 114]]
)
def test_one_number_fills_all_channels_of_a_color_image(value):
    image = np.full((4, 4, 3), 7, np.uint8)
    padded = transformed(dict(type="Pad", size=(8, 8), pad_val=dict(img=value)), image)["img"]
    assert padded[:4, :4].tolist() == image.tolist()
    assert padded[4:].reshape(-1, 3).tolist() == [[114, 114, 114]] * 32
    assert padded[:4, 4:].reshape(-1, 3).tolist() == [[114, 114, 114]] * 16


def test_different_numbers_stay_those_of_their_channels():
    step = dict(type="Pad", size=(6, 4), pad_val=dict(img=(1, 2, 3)))
    padded = transformed(step, np.full((4, 4, 3), 7, np.uint8))["img"]
    assert padded[:, 4:].reshape(-1, 3).tolist() == [[1, 2, 3]] * 8


@pytest.mark.parametrize("value", [114, 114.0])
def test_an_affine_transform_fills_all_channels(value):
    """Half the size, with its corner at the corner: the other corners are filled."""
    step = dict(
        type="condinst.RandomAffine",
        max_rotate_degree=0,
        max_translate_ratio=0,
        scaling_ratio_range=(0.5, 0.5),
        max_shear_degree=0,
        border_val=value,
    )
    moved = transformed(step, np.full((10, 10, 3), 7, np.uint8))["img"]
    assert moved[9, 9].tolist() == moved[0, 9].tolist() == [114, 114, 114]
