"""Resizing as the config's test pipeline does, and masks back to images."""

import json

import cv2
import numpy as np
import pytest
from mmcv.image.geometric import rescale_size
from mmdet.datasets.transforms import Resize as MMDetResize
from onnx_files import METADATA
from PIL import Image

from condinst.deploy.metadata import FileInfo, ResizeInfo
from condinst.deploy.preprocess import input_size, resize_image, to_input
from condinst.export.write_metadata import resize_settings
from condinst.masks.resize import draw_crop


def info(**changes) -> FileInfo:
    values = dict(
        class_names=("a",), resize=None, fixed_size=None, batch=None, fill=(10.0, 20.0, 30.0)
    )
    return FileInfo(**(values | changes))


def make_image(height: int, width: int) -> np.ndarray:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return cv2.GaussianBlur(pixels, (5, 5), 0)


@pytest.mark.parametrize("scale", [(1333, 800), (96, 96), (500, 1000)])
@pytest.mark.parametrize("size", [(427, 640), (640, 427), (1, 3000), (333, 333), (2001, 1503)])
def test_sizes_are_mmcvs(size, scale):
    found = input_size(size, info(resize=ResizeInfo(scale, keep_ratio=True)))
    width, height = rescale_size(size[::-1], scale)
    assert found == (max(height, 1), max(width, 1))


def test_without_keep_ratio_the_scale_is_width_and_height():
    assert input_size((50, 60), info(resize=ResizeInfo((64, 48), keep_ratio=False))) == (48, 64)


@pytest.mark.parametrize("keep_ratio", [True, False])
@pytest.mark.parametrize("factor", [2.0, 0.7, (1.3, 0.5)])
@pytest.mark.parametrize("size", [(427, 641), (33, 47), (101, 99)])
def test_sizes_by_a_factor_are_mmdets(size, factor, keep_ratio):
    step = MMDetResize(scale_factor=factor, keep_ratio=keep_ratio, backend="pillow")
    expected = step(dict(img=make_image(*size)))["img"].shape[:2]
    settings = json.loads(json.dumps(resize_settings([step])))
    read = FileInfo.from_metadata(METADATA | {"resize": settings})
    assert input_size(size, read) == expected


def test_without_a_resize_a_image_keeps_its_size():
    assert input_size((50, 60), info()) == (50, 60)


@pytest.mark.parametrize(
    ("keep_ratio", "size", "expected"),
    [
        (True, (100, 50), (64, 32)),
        (True, (50, 100), (48, 96)),
        (True, (10, 10), (64, 64)),
        (False, (100, 50), (64, 96)),
    ],
)
def test_fixed_sizes_have_images_fitted_into_them(keep_ratio, size, expected):
    resize = ResizeInfo((1333, 800), keep_ratio)
    assert input_size(size, info(resize=resize, fixed_size=(64, 96))) == expected


def test_a_pipeline_without_a_resize_enlarges_nothing_for_a_fixed_size():
    assert input_size((10, 20), info(fixed_size=(64, 96))) == (10, 20)
    assert input_size((128, 96), info(fixed_size=(64, 96))) == (64, 48)


@pytest.mark.parametrize("size", [(90, 60), (30, 47), (200, 333)])
@pytest.mark.parametrize(("backend", "tolerance"), [("pillow", 0), ("cv2", 1)])
def test_pixels_are_those_of_mmdets_transform(size, backend, tolerance):
    image = make_image(75, 64)
    step = MMDetResize(scale=size[::-1], keep_ratio=False, backend=backend)
    expected = step(dict(img=image))["img"]
    found = resize_image(image, size, ResizeInfo((1, 1), False, "bilinear", backend))
    assert np.abs(found.astype(int) - expected).max() <= tolerance


def test_inputs_are_planes_padded_with_the_color_that_is_normalized_to_black():
    image = make_image(30, 60)
    resize = ResizeInfo((64, 64), keep_ratio=True)
    found, size = to_input(image, info(resize=resize, fixed_size=(64, 64)))
    assert (found.shape, found.dtype, size) == ((3, 64, 64), np.float32, (32, 64))
    inner = np.asarray(Image.fromarray(image).resize((64, 32), Image.Resampling.BILINEAR))
    assert np.array_equal(found[:, :32], inner.transpose(2, 0, 1))
    assert np.array_equal(found[:, 32:], np.broadcast_to([[[10]], [[20]], [[30]]], (3, 32, 64)))


def blobs(height: int, width: int, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=(height, width)).astype(np.float32)
    return cv2.GaussianBlur(noise, (0, 0), 3) > 0.12


@pytest.mark.parametrize("size", [(137, 91), (30, 24), (40, 50), (80, 100)])
@pytest.mark.parametrize("seed", range(4))
def test_a_crop_is_cut_out_of_the_resized_mask(size, seed):
    mask = blobs(40, 50, seed)
    levels = Image.fromarray(mask.astype(np.float32))
    shares = np.asarray(levels.resize(size[::-1], Image.Resampling.BILINEAR))
    expected = shares > 0.5
    crop = draw_crop(mask, size)
    found = np.zeros(size, bool)
    rows, columns = crop.mask.shape
    found[crop.y : crop.y + rows, crop.x : crop.x + columns] = crop.mask
    assert expected.any()
    assert found.any()
    # two roundings to 255 levels
    assert (np.abs(shares - 0.5)[found != expected] < 1.01 / 255).all()


def test_a_mask_without_pixels_has_an_empty_crop():
    assert draw_crop(np.zeros((4, 4), bool), (9, 9)).mask.size == 0
