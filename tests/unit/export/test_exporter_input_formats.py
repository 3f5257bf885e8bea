"""Gray, 16-bit and many-channel images through the predictor and through exported files."""

import copy

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from small_detector import small_config, small_detector

from condinst import Predictor
from condinst.deploy import OnnxPredictor
from condinst.export import Options, export_model
from condinst.models.input_channels import adapt_input_channels

MEAN, STD = 118.0, 57.5
CONV = "backbone.conv1.weight"


def config(channels=3, dtype="uint8", resize=False):
    """The same normalization for every channel, so that answers can be compared."""
    cfg = small_config(score_thr=0.05)
    factor = 257 if dtype == "uint16" else 1
    cfg.model.backbone.update(in_channels=channels, frozen_stages=-1)
    cfg.model.data_preprocessor.update(
        mean=[MEAN * factor] * channels, std=[STD * factor] * channels, bgr_to_rgb=channels == 3
    )
    steps = cfg.test_dataloader.dataset.pipeline
    steps[0].update(channels=channels, dtype=dtype)
    if not resize:
        cfg.test_dataloader.dataset.pipeline = [s for s in steps if s["type"] != "Resize"]
    return cfg


@pytest.fixture(scope="module")
def folder(tmp_path_factory, datasets):
    """A photograph of 200 pixels in every format, and weights for it."""
    folder = tmp_path_factory.mktemp("formats")
    source = sorted((datasets / "coco_tiny" / "val2017").glob("*.jpg"))[0]
    rgb = np.asarray(Image.open(source).convert("RGB").resize((200, 150)))
    gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    deep = gray.astype(np.uint16) * 257
    extra = np.dstack([rgb, gray])
    Image.fromarray(rgb).save(folder / "rgb.png")
    Image.fromarray(gray).save(folder / "gray.png")
    Image.fromarray(np.repeat(gray[:, :, None], 3, axis=2)).save(folder / "three.png")
    Image.fromarray(deep).save(folder / "gray16.png")
    Image.fromarray(deep).save(folder / "gray16.tif", compression="tiff_lzw")
    cv2.imwrite(str(folder / "rgb16.png"), rgb[..., ::-1].astype(np.uint16) * 257)
    Image.fromarray(extra, "RGBA").save(folder / "four.png")
    np.save(folder / "four16.npy", extra.astype(np.uint16) * 257)
    weights = small_detector(config()).state_dict()
    for channels in (1, 3, 4):
        adapted = dict(weights)
        if channels != 3:
            adapted[CONV] = adapt_input_channels(weights[CONV], channels)
        torch.save({"state_dict": adapted}, folder / f"{channels}.pth")
    return folder


def predictor(folder, cfg, **options):
    channels = cfg.model.backbone.in_channels
    options = dict(device="cpu", channels_last=False, fold_norms=False, score_thr=0) | options
    return Predictor(copy.deepcopy(cfg), folder / f"{channels}.pth", **options)


def assert_same(found, expected, tolerance=1e-3, missing=0):
    assert len(expected) > 5
    assert abs(len(found) - len(expected)) <= missing
    count = min(len(found), len(expected)) - missing
    np.testing.assert_allclose(found.scores[:count], expected.scores[:count], atol=tolerance)
    if not missing:
        assert np.array_equal(found.labels, expected.labels)
        np.testing.assert_allclose(found.boxes, expected.boxes, atol=0.1)
        inside = (found.masks & expected.masks).sum((1, 2)).astype(float)
        union = (found.masks | expected.masks).sum((1, 2))
        assert (inside[union > 0] / union[union > 0]).min() > 0.98


@pytest.fixture(scope="module")
def colors(folder):
    return predictor(folder, config())


def test_16_bits_give_the_answers_of_8(folder, colors):
    """Values times 257 and so the mean and the spread: nothing else changes."""
    deep = predictor(folder, config(dtype="uint16"))
    expected = colors(folder / "rgb.png")
    assert_same(deep(folder / "rgb16.png"), expected, 1e-5)
    gray = predictor(folder, config(1, "uint16"))
    expected = colors(folder / "three.png")
    assert_same(gray(folder / "gray16.png"), expected, 1e-4)
    assert_same(gray(folder / "gray16.tif"), expected, 1e-4)


@pytest.mark.parametrize("backend", ["pillow", "cv2"])
def test_16_bits_give_the_answers_of_8_when_resized(folder, backend):
    """But for the rounding of 8-bit values after the resize."""
    found = []
    for dtype, name in (("uint8", "gray.png"), ("uint16", "gray16.png")):
        cfg = config(1, dtype, resize=True)
        cfg.test_dataloader.dataset.pipeline[1].update(backend=backend)
        found.append(predictor(folder, cfg)(folder / name))
    assert_same(found[1], found[0], 1e-3, missing=2)


def test_gray_gives_the_answers_of_three_equal_channels(folder, colors):
    gray = predictor(folder, config(1))
    expected = colors(folder / "three.png")
    assert_same(gray(folder / "gray.png"), expected)
    # colors become gray, from files and from arrays, PIL images and batches too
    assert_same(gray(folder / "rgb.png"), expected)
    rgb = np.asarray(Image.open(folder / "rgb.png"))
    assert_same(gray(rgb), expected)
    assert_same(gray(np.asarray(Image.open(folder / "gray.png"))), expected)
    assert_same(gray(Image.open(folder / "gray.png")), expected)
    bgr = predictor(folder, config(1), channel_order="bgr")
    assert_same(bgr(np.ascontiguousarray(rgb[..., ::-1])), expected)
    assert_same(gray([folder / "gray.png"])[0], expected)
    tiled = predictor(folder, config(1), tile=400)  # one tile: the image
    assert len(tiled(folder / "gray.png")) == pytest.approx(len(expected), abs=3)


def test_four_channels_are_taken_as_stored(folder):
    eight, deep = predictor(folder, config(4)), predictor(folder, config(4, "uint16"))
    expected = eight(folder / "four.png")
    assert_same(deep(folder / "four16.npy"), expected, 1e-5)
    assert_same(deep(np.load(folder / "four16.npy")), expected, 1e-5)
    image = expected.read_image()
    assert np.array_equal(image, np.asarray(Image.open(folder / "rgb.png")))
    assert expected.draw(enlarge=False).shape == (150, 200, 3)
    assert deep(folder / "four16.npy").draw(enlarge=False).shape == (150, 200, 3)


def test_the_fast_switches_take_them(folder):
    cfg = config(4)
    fast = predictor(folder, cfg, channels_last=True, fold_norms=True)
    assert_same(fast(folder / "four.png"), predictor(folder, cfg)(folder / "four.png"))


@pytest.mark.parametrize(
    ("channels", "dtype", "name", "message"),
    [
        (4, "uint8", "rgb.png", r"rgb\.png: 3 channels, expected 4"),
        (1, "uint16", "gray.png", r"gray\.png: pixels of 8 bits, expected 16"),
    ],
)
def test_other_files_are_refused(folder, channels, dtype, name, message):
    with pytest.raises(ValueError, match=message):
        predictor(folder, config(channels, dtype))(folder / name)


def test_other_arrays_are_refused(folder):
    deep = predictor(folder, config(4, "uint16"))
    for shape, dtype in (((9, 9, 3), np.uint16), ((9, 9, 4), np.uint8), ((9, 9), np.uint16)):
        with pytest.raises(
            ValueError, match=r"array \(height, width, 4\), got|expected uint16, got"
        ):
            deep(np.zeros(shape, dtype))


def test_a_config_that_contradicts_itself_is_refused(folder):
    cfg = config(4)
    cfg.test_dataloader.dataset.pipeline[0].update(channels=3)
    with pytest.raises(ValueError, match=r"loads 3 channels of uint8, but .* takes 4"):
        predictor(folder, cfg)


@pytest.mark.parametrize(
    ("channels", "dtype", "name"),
    [
        pytest.param(1, "uint8", "rgb.png", marks=pytest.mark.slow),
        pytest.param(4, "uint16", "four16.npy", marks=pytest.mark.long),
    ],
)
def test_exported_files_take_them(folder, tmp_path, channels, dtype, name):
    """Those of four channels enlarged by a factor, as "condinst new" writes for small objects."""
    cfg = config(channels, dtype, resize=True)
    if channels == 4:
        resize = cfg.test_dataloader.dataset.pipeline[1]
        resize.pop("scale")
        resize.update(scale_factor=1.25, backend="pillow")
    path = tmp_path / "model.onnx"
    done = export_model(cfg, folder / f"{channels}.pth", path, Options(), say=lambda text: None)
    assert done.failures == []
    exported = OnnxPredictor(path, score_thr=0)
    assert exported.metadata["channels"] == channels
    assert exported.metadata["dtype"] == dtype
    expected = predictor(folder, cfg)(folder / name)
    assert_same(exported(folder / name), expected)
    assert exported(folder / name).draw(enlarge=False).shape == (150, 200, 3)
    with pytest.raises(ValueError, match="image: expected an array"):
        exported(np.zeros((9, 9, 5), dtype))
