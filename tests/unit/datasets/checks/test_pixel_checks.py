"""Transforms that cannot take the loaded pixels are refused before the first iteration."""

from __future__ import annotations

import pytest

from condinst.datasets.checks.pixel_checks import check_pixels


def found(load, *steps, scope="condinst"):
    return check_pixels("train", [dict(type="LoadImageFromFile", **load), *steps], scope)


GRAY, GRAY16, FIVE = dict(channels=1), dict(channels=1, dtype="uint16"), dict(channels=5)
COLORS16 = dict(dtype="uint16")


@pytest.mark.parametrize("load", [GRAY, GRAY16, FIVE, COLORS16], ids=str)
@pytest.mark.parametrize(
    "name", ["Brightness", "mmdet.Color", "PhotoMetricDistortion", "Corrupt", "InstaBoost"]
)
def test_transforms_of_colors(load, name):
    (line,) = found(load, dict(type="RandomApply", transforms=[dict(type=name)]))
    short = name.removeprefix("mmdet.")
    assert line.startswith(f"train.pipeline: {short} is for 8-bit colors, but LoadImageFromFile ")
    assert "; leave it out" in line
    assert ("RandomBrightnessContrast" in line) == (name in ("Brightness", "PhotoMetricDistortion"))
    assert not found({}, dict(type=name))
    assert not found(dict(color_type="unchanged"), dict(type=name))


@pytest.mark.parametrize(
    ("name", "key"), [("RandAugment", "aug_space"), ("AutoAugment", "policies")]
)
def test_policies(name, key):
    (line,) = found(GRAY, dict(type=name))
    assert f"{name} chooses transforms of 8-bit colors by default" in line
    assert f'{key}=[[dict(type="Rotate")]' in line
    assert not found(GRAY, {"type": name, key: [[dict(type="Rotate")], [dict(type="ShearX")]]})
    (line,) = found(GRAY, {"type": name, key: [[dict(type="Rotate")], [dict(type="Invert")]]})
    assert "Invert is for 8-bit colors" in line
    assert not found({}, dict(type=name))


def test_floats_are_not_for_albumentations():
    (line,) = found(dict(dtype="float32"), dict(type="Brightness"))
    assert line.endswith("; leave it out")


def test_transforms_of_albumentations_are_others():
    assert not found(GRAY, dict(type="Albu", transforms=[dict(type="Equalize", p=1.0)]))


@pytest.mark.parametrize("name", ["Mosaic", "MixUp", "CachedMosaic", "CachedMixUp", "CopyPaste"])
def test_mmdets_class_is_refused_and_ours_is_not(name):
    (line,) = found(GRAY, dict(type=f"mmdet.{name}"))
    assert line.startswith(f"train.pipeline: mmdet's {name} is for 3 channels, but ")
    assert line.endswith(f'; set type="condinst.{name}"')
    assert found(FIVE, dict(type=name), scope="mmdet")
    assert not found(GRAY, dict(type=name))
    assert not found(COLORS16, dict(type=f"mmdet.{name}"))


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("Rotate", "img_border_value"),
        ("RandomErasing", "img_border_value"),
        ("RandomAffine", "border_val"),
        ("Expand", "mean"),
        ("CutOut", "fill_in"),
        ("Pad", "pad_val"),
        ("CachedMosaic", "pad_val"),
    ],
)
def test_fill_values(name, key):
    (line,) = found(FIVE, {"type": name, key: (104, 117, 124)})
    assert line == (
        f"train.pipeline: {name} has {key}=(104, 117, 124), but LoadImageFromFile loads 5 channels "
        "of uint8; set the same number for all"
    )
    for value in (114, (114, 114, 114), [1, 2, 3, 4, 5]):
        assert not found(FIVE, {"type": name, key: value})
    assert not found({}, {"type": name, key: (104, 117, 124)})


def test_fill_value_of_the_image_in_a_dict():
    assert found(GRAY, dict(type="Pad", pad_val=dict(img=(104, 117, 124), seg=255)))
    assert not found(GRAY, dict(type="Pad", pad_val=dict(img=0, seg=255)))


def test_backends_and_crops():
    (line,) = found(GRAY16, dict(type="FixScaleResize", scale=(9, 9), backend="pillow"))
    assert line.endswith('; set backend="cv2"')
    assert found(FIVE, dict(type="mmdet.Resize", backend="pillow"))
    assert not found(FIVE, dict(type="Resize", backend="pillow"))
    assert not found(GRAY, dict(type="FixScaleResize", backend="pillow"))
    (line,) = found(GRAY, dict(type="RandomCenterCropPad"))
    assert line.endswith("use RandomCrop, then Pad")
    (line,) = found(GRAY, dict(type="RandomGrayscale", prob=0.5))
    assert line.endswith("; leave it out")
    assert not found(COLORS16, dict(type="RandomGrayscale", prob=0.5))


def test_a_wrong_format_is_left_to_the_check_of_the_input():
    assert not found(dict(channels=0), dict(type="Invert"))
