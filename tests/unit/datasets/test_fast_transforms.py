"""Resize and PackDetInputs hand out mmdet's bytes, however the picture lies in memory."""

import copy

import numpy as np
import pytest
import torch
from mmdet.datasets.transforms import PackDetInputs as MMDetPackDetInputs
from mmdet.datasets.transforms import RandomFlip
from mmdet.datasets.transforms import Resize as MMDetResize

from condinst.datasets import LoadImageFromFile, PackDetInputs, Resize

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


def picture(image):
    return {"img": image, "img_shape": image.shape[:2], "ori_shape": image.shape[:2]}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_packed_pixels_are_mmdet_s(layout):
    image = LAYOUTS[layout]
    before = image.copy()
    ours, theirs = (
        pack()(picture(image))["inputs"] for pack in (PackDetInputs, MMDetPackDetInputs)
    )
    assert ours.is_contiguous()
    assert ours.dtype == theirs.dtype
    assert torch.equal(ours, theirs)
    assert np.array_equal(image, before)


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
    ours = Resize(**options)(picture(image))
    theirs = MMDetResize(**options)(picture(image))
    assert np.array_equal(ours.pop("img"), theirs.pop("img"))
    assert np.array_equal(ours.pop("homography_matrix"), theirs.pop("homography_matrix"))
    assert ours == theirs
    assert np.array_equal(image, before)


def test_a_resized_view_is_contiguous_bgr():
    results = Resize(scale=(94, 122), backend="pillow")(picture(LAYOUTS["BGR view of RGB"]))
    assert results["img"].flags.c_contiguous
    assert results["img"].flags.writeable


@pytest.mark.parametrize("direction", [None, "horizontal", "vertical", "diagonal"])
def test_real_pictures_are_mmdet_s(shared, direction):
    """Decoded, resized, flipped and packed as in training."""
    flip = RandomFlip(prob=1.0 if direction else 0.0, direction=direction or "horizontal")
    for path in sorted((shared / "coco_tiny" / "train2017").glob("*.jpg"))[:12]:
        loaded = LoadImageFromFile(imdecode_backend="pillow")({"img_path": str(path)})
        packed = []
        for resize, pack in ((Resize, PackDetInputs), (MMDetResize, MMDetPackDetInputs)):
            results = copy.copy(loaded)
            for step in (resize((1333, 640), keep_ratio=True, backend="pillow"), flip, pack()):
                results = step(results)
            packed.append(results)
        assert torch.equal(packed[0]["inputs"], packed[1]["inputs"])
        assert packed[0]["data_samples"].metainfo == packed[1]["data_samples"].metainfo
