"""Resize and PackDetInputs hand out mmdet's bytes, however the image lies in memory."""

import copy

import mmcv
import numpy as np
import pytest
import torch
from mmdet.datasets.transforms import PackDetInputs as MMDetPackDetInputs
from mmdet.datasets.transforms import RandomFlip
from mmdet.datasets.transforms import Resize as MMDetResize
from mmdet.datasets.transforms import YOLOXHSVRandomAug as MMDetYOLOXHSVRandomAug
from processor import HAS_AVX512

from condinst.datasets import LoadImageFromFile, PackDetInputs, Resize, YOLOXHSVRandomAug

PIXELS = np.random.default_rng(0).integers(0, 256, (61, 47, 3), dtype=np.uint8)
LAYOUTS = {
    "contiguous": PIXELS,
    "BGR view of RGB": PIXELS[:, :, ::-1],
    "flipped": PIXELS[:, ::-1],
    "turned": PIXELS[::-1, ::-1],
    "upside down view of RGB": PIXELS[::-1, :, ::-1],
    "transposed": PIXELS.transpose(1, 0, 2),
    "a part": PIXELS[5:40, 3:30],
    "every second column": PIXELS[:, ::2],
    "float": PIXELS.astype(np.float32),
    "flipped float": PIXELS.astype(np.float32)[:, ::-1],
    "gray": PIXELS[:, :, 0],
    "one channel": PIXELS[:, :, :1],
    "one channel, flipped": PIXELS[:, ::-1, :1],
    "one pixel": PIXELS[:1, :1, ::-1],
    "four channels": np.concatenate([PIXELS, PIXELS[:, :, :1]], axis=2)[::-1],
}


def sample_of(image):
    return {"img": image, "img_shape": image.shape[:2], "ori_shape": image.shape[:2]}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_packed_pixels_are_mmdet_s(layout):
    image = LAYOUTS[layout]
    before = image.copy()
    ours, theirs = (
        pack()(sample_of(image))["inputs"] for pack in (PackDetInputs, MMDetPackDetInputs)
    )
    assert ours.is_contiguous()
    assert ours.dtype == theirs.dtype
    assert torch.equal(ours, theirs)
    assert np.array_equal(image, before)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("shape", [(9, 7), (9, 7, 1), (9, 7, 3)])
@pytest.mark.parametrize("planar", [False, True])
def test_images_that_may_not_be_written_to_are_packed_without_a_warning(shape, planar):
    """As numpy arrays of Pillow's images are."""
    image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    if planar:
        image = np.asfortranarray(image)
    image.flags.writeable = False
    packed = PackDetInputs(meta_keys=())(dict(img=image))["inputs"]
    assert np.array_equal(packed.permute(1, 2, 0).numpy(), image.reshape(9, 7, -1))


@pytest.mark.parametrize("keep_ratio", [True, False])
@pytest.mark.parametrize(
    ("layout", "backend"),
    [
        *((layout, "pillow") for layout in ("contiguous", "BGR view of RGB", "gray", "flipped")),
        *((layout, "cv2") for layout in ("contiguous", "BGR view of RGB", "gray", "float")),
    ],
)
def test_resized_pixels_are_mmdet_s(layout, keep_ratio, backend):
    image = LAYOUTS[layout]
    options = {"scale": (160, 101), "keep_ratio": keep_ratio, "backend": backend}
    before = image.copy()
    ours = Resize(**options)(sample_of(image))
    theirs = MMDetResize(**options)(sample_of(image))
    pixels, expected = ours.pop("img"), theirs.pop("img")
    assert pixels.dtype == expected.dtype
    # without AVX-512, OpenCV rounds the last bit of a float by the number of channels
    atol = 1e-4 if layout == "float" and not HAS_AVX512 else 0
    np.testing.assert_allclose(pixels, expected, rtol=0, atol=atol)
    assert np.array_equal(ours.pop("homography_matrix"), theirs.pop("homography_matrix"))
    assert ours == theirs
    assert np.array_equal(image, before)


def test_a_resized_view_is_contiguous_bgr():
    results = Resize(scale=(94, 122), backend="pillow")(sample_of(LAYOUTS["BGR view of RGB"]))
    assert results["img"].flags.c_contiguous
    assert results["img"].flags.writeable


@pytest.mark.parametrize("direction", [None, "horizontal", "vertical", "diagonal"])
def test_real_images_are_mmdet_s(datasets, direction):
    """Decoded, resized, flipped and packed as in training."""
    flip = RandomFlip(prob=1.0 if direction else 0.0, direction=direction or "horizontal")
    for path in sorted((datasets / "coco_tiny" / "train2017").glob("*.jpg"))[:12]:
        loaded = LoadImageFromFile(imdecode_backend="pillow")({"img_path": str(path)})
        packed = []
        for resize, pack in ((Resize, PackDetInputs), (MMDetResize, MMDetPackDetInputs)):
            results = copy.copy(loaded)
            for step in (resize((1333, 640), keep_ratio=True, backend="pillow"), flip, pack()):
                results = step(results)
            packed.append(results)
        assert torch.equal(packed[0]["inputs"], packed[1]["inputs"])
        assert packed[0]["data_samples"].metainfo == packed[1]["data_samples"].metainfo


@pytest.mark.parametrize("backend", ["cv2", "pillow"])
@pytest.mark.parametrize("size", [(60, 44), (150, 130)])
def test_other_images_are_resized_channel_by_channel_as_8_bit_ones_are(backend, size):
    """mmcv's resize of one 8-bit channel is what each channel gets; 16 bits are finer only."""
    rng = np.random.default_rng(0)
    five = rng.integers(0, 256, (90, 120, 5), dtype=np.uint8)
    resize = Resize(scale=size, keep_ratio=False, backend=backend)
    expected = np.stack(
        [
            mmcv.imresize(np.ascontiguousarray(five[..., i]), size, backend=backend)
            for i in range(5)
        ],
        axis=2,
    ).astype(int)
    for channels in (2, 4, 5):
        found = resize(dict(img=five[..., :channels].copy()))["img"]
        assert found.dtype == np.uint8
        assert np.array_equal(found, expected[..., :channels])
    for channels in (1, 3, 4):
        eight = five[..., 0] if channels == 1 else five[..., :channels]
        wanted = expected[..., 0] if channels == 1 else expected[..., :channels]
        results = resize(dict(img=eight.astype(np.uint16) * 257))
        assert results["img"].dtype == np.uint16
        assert np.abs(results["img"] / 257 - wanted).max() < 0.6 + 0.5  # both round
        assert np.abs(results["img"] / 257 - wanted).mean() < 0.35
        found = resize(dict(img=eight.astype(np.float32) * 100))["img"]
        assert found.dtype == np.float32
        assert np.abs(found / 100 - wanted).mean() < 0.35
        assert results["img_shape"] == size[::-1]
        assert results["scale_factor"] == (size[0] / 120, size[1] / 90)


def test_a_ratio_is_kept_as_for_8_bit_images():
    for image in (np.zeros((90, 121, 3), np.uint8), np.zeros((90, 121, 4), np.uint16)):
        results = Resize(scale=(64, 50), keep_ratio=True)(dict(img=image))
        assert results["img_shape"] == (48, 64)
        assert results["scale_factor"] == (64 / 121, 48 / 90)


@pytest.mark.parametrize("shape", [(20, 30), (20, 30, 1), (20, 30, 2), (20, 30, 5)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_images_of_every_format_are_packed(shape, dtype):
    image = np.random.default_rng(0).integers(0, 255, shape).astype(dtype)
    packed = PackDetInputs(meta_keys=())(dict(img=image[:, ::-1]))["inputs"]
    expected = image[:, ::-1].reshape(20, 30, -1).transpose(2, 0, 1)
    assert np.array_equal(packed.numpy(), expected)
    assert packed.dtype == (torch.uint8 if dtype == np.uint8 else torch.float32)


@pytest.mark.parametrize(
    "layout", [k for k, v in LAYOUTS.items() if v.shape[2:] == (3,) and v.dtype == np.uint8]
)
def test_colors_change_as_mmdet_changes_those_of_a_copy(layout):
    image = np.copy(LAYOUTS[layout], order="K")  # mmdet writes into it; the order stays
    if layout not in ("contiguous", "transposed"):
        image = LAYOUTS[layout]  # which is copied
    before = image.copy()
    expected, found = dict(img=before.copy()), dict(img=image)
    for seed in range(4):
        np.random.seed(seed)
        expected = MMDetYOLOXHSVRandomAug()(expected)
        np.random.seed(seed)
        found = YOLOXHSVRandomAug()(found)
        np.testing.assert_array_equal(found["img"], expected["img"])
    assert not np.array_equal(found["img"], before)
