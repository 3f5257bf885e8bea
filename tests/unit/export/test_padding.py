"""Padding as mmdet's transform pads, which is the oracle."""

import numpy as np
import pytest
from mmdet.datasets.transforms import Pad, Resize
from onnx import TensorProto

from condinst.export.builder import GraphBuilder
from condinst.export.compared_runtimes import onnx_runtime
from condinst.export.padding import read_padding
from condinst.images.pixel_format import PixelFormat

STEPS = [
    Pad(size=(64, 48), pad_val=dict(img=(114, 113, 112))),  # width and height, BGR
    Pad(size=(40, 40), pad_val=dict(img=(114, 114, 114))),
    Pad(size_divisor=32, pad_val=7),
    Pad(size_divisor=32, pad_val=dict(img=114.0)),  # OpenCV paints the first channel only
    Pad(pad_to_square=True, pad_val=dict(img=(9, 9, 9))),
    Pad(pad_to_square=True, size_divisor=32),
]


def make_image(height, width, channels=3):
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), dtype=np.uint8)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("size", [(31, 60), (48, 64), (70, 33), (64, 96)])
def test_images_are_padded_as_by_the_pipeline(step, size):
    image = make_image(*size)
    expected = step(dict(img=image[..., ::-1]))["img"][..., ::-1].transpose(2, 0, 1)
    padding = read_padding([Resize(scale=(64, 64)), step], PixelFormat())
    planes = np.ascontiguousarray(image.transpose(2, 0, 1)).astype(np.float32)
    assert padding.sides(*size) == expected.shape[1:]
    assert np.array_equal(padding.pad(planes), expected)
    g = GraphBuilder("test/")
    sides = [g.constant([side]) for side in size]
    padded = padding.pad_in(g, "images", sides, padding.sides_in(g, sides))
    model = g.build(
        [("images", TensorProto.FLOAT, [1, 3, *size])],
        [("padded", padded, TensorProto.FLOAT, [1, 3, "h", "w"])],
        18,
    )
    assert np.array_equal(onnx_runtime(model)(planes[None], None)["padded"][0], expected)


@pytest.mark.parametrize("channels", [1, 5])
def test_other_channels(channels):
    image = make_image(10, 20, channels)
    loaded = image[..., 0] if channels == 1 else image
    step = Pad(size=(32, 32), pad_val=dict(img=3))
    expected = step(dict(img=loaded))["img"].reshape(32, 32, channels).transpose(2, 0, 1)
    padding = read_padding([step], PixelFormat(channels))
    assert np.array_equal(padding.pad(image.transpose(2, 0, 1)), expected)


def test_a_pipeline_without_padding():
    assert read_padding([Resize(scale=(64, 64))], PixelFormat()) is None


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([Pad(size_divisor=32), Resize(scale=(64, 64))], "followed by"),
        ([Pad(size_divisor=32), Pad(size_divisor=64)], "followed by"),
        ([Pad(size_divisor=32, padding_mode="reflect")], "padding_mode='reflect': expected 'const"),
    ],
)
def test_paddings_that_no_file_can_have(steps, message):
    with pytest.raises(ValueError, match=message):
        read_padding(steps, PixelFormat())
