"""Weights made for color images in networks for others, and the batches that they get."""

import copy

import pytest
import torch
from mmengine.logging import MMLogger
from mmengine.registry import DefaultScope
from mmengine.runner import load_checkpoint

from condinst.models import BoxInstDataPreprocessor, DetDataPreprocessor
from condinst.models.input_channels import adapt_when_loading, input_channels
from condinst.registry import MODELS


def resnet(channels, **options):
    with DefaultScope.overwrite_default_scope("condinst"):
        net = MODELS.build(
            dict(type="ResNet", depth=18, in_channels=channels, base_channels=8, **options)
        )
    adapt_when_loading(net)
    net.eval()
    return net


@pytest.fixture(scope="module")
def rgb_net():
    torch.manual_seed(0)
    return resnet(3)


def from_file(net, weights, path):
    torch.save({"state_dict": {f"backbone.{k}": v for k, v in weights.items()}}, path)
    net.init_cfg = dict(type="Pretrained", checkpoint=str(path), prefix="backbone.")
    net._is_init = False
    net.init_weights()


def from_checkpoint(net, weights, path):
    torch.save({"state_dict": weights}, path)
    load_checkpoint(net, str(path), strict=True)


def from_dict(net, weights, path):
    net.load_state_dict(weights, strict=True)


@pytest.mark.parametrize("load", [from_file, from_checkpoint, from_dict])
@torch.no_grad()
def test_gray_gets_the_answers_of_three_equal_channels(rgb_net, load, tmp_path):
    gray = torch.randn(2, 1, 64, 96)
    net = resnet(1)
    load(net, copy.deepcopy(rgb_net.state_dict()), tmp_path / "rgb.pth")
    for expected, found in zip(rgb_net(gray.repeat(1, 3, 1, 1)), net(gray), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_further_channels_weigh_as_much_as_the_colors(rgb_net):
    """Where all channels are equal, so are the answers."""
    gray = torch.randn(2, 1, 64, 96)
    for channels in (2, 4, 6):
        net = resnet(channels)
        net.load_state_dict(rgb_net.state_dict())
        adapted, weight = net.conv1.weight, rgb_net.conv1.weight
        if channels > 3:
            torch.testing.assert_close(adapted[:, :3] * (channels / 3), weight)
        # three times the mean is the sum, whatever is between
        torch.testing.assert_close(adapted.sum(dim=1), weight.sum(dim=1), rtol=1e-4, atol=1e-5)
        found = net(gray.repeat(1, channels, 1, 1))[-1]
        expected = rgb_net(gray.repeat(1, 3, 1, 1))[-1]
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


def test_it_is_said_in_the_log(rgb_net, tmp_path):
    log = tmp_path / "log.txt"
    MMLogger.get_instance("channels", log_file=str(log))
    resnet(4).load_state_dict(rgb_net.state_dict())
    text = log.read_text()
    assert "first convolution (conv1)" in text
    assert "adapted to 4" in text


def test_weights_that_fit_are_loaded_as_they_are(rgb_net):
    four = resnet(4)
    again = resnet(4)
    again.load_state_dict(four.state_dict())
    assert torch.equal(again.conv1.weight, four.conv1.weight)
    with pytest.raises(RuntimeError, match="size mismatch"):  # no rule from 4 to 3
        resnet(3).load_state_dict(four.state_dict())
    assert input_channels(four) == 4
    copied = copy.deepcopy(four)
    copied.load_state_dict(rgb_net.state_dict())
    assert not torch.equal(copied.conv1.weight, four.conv1.weight)


@pytest.mark.parametrize("options", [dict(deep_stem=True), dict(type="Swin")])
def test_other_stems(options):
    def build(channels):
        if options.get("type") == "Swin":
            cfg = dict(type="SwinTransformer", embed_dims=12, num_heads=(1, 2, 4, 8))
            with DefaultScope.overwrite_default_scope("mmdet"):
                net = MODELS.build(dict(**cfg, in_channels=channels))
            adapt_when_loading(net)
            return net
        return resnet(channels, **options)

    net, colors = build(1), build(3)
    net.load_state_dict(colors.state_dict())
    name = "patch_embed.projection" if options.get("type") == "Swin" else "stem.0"
    adapted, given = (model.state_dict()[f"{name}.weight"] for model in (net, colors))
    assert given.shape[1] == 3
    torch.testing.assert_close(adapted, given.sum(dim=1, keepdim=True))
    others = {key: value for key, value in colors.state_dict().items() if key != f"{name}.weight"}
    assert len(others) > 20
    assert all(torch.equal(net.state_dict()[key], value) for key, value in others.items())


def test_a_timm_model_takes_weights_for_colors():
    pytest.importorskip("timm")

    def build(channels):
        net = MODELS.build(
            dict(type="condinst.TimmBackbone", model_name="test_resnet", in_channels=channels)
        )
        adapt_when_loading(net)
        return net.eval()

    torch.manual_seed(0)
    rgb, one = build(3), build(1)
    one.load_state_dict(rgb.state_dict())
    gray = torch.randn(1, 1, 64, 64)
    with torch.no_grad():
        for expected, found in zip(rgb(gray.repeat(1, 3, 1, 1)), one(gray), strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


def batch(*images):
    return dict(inputs=list(images), data_samples=None)


@pytest.mark.parametrize("channels", [1, 2, 4, 5])
def test_any_number_of_channels_is_normalized(channels):
    mean = [10.0 * i + 5 for i in range(channels)]
    std = [2.0 + i for i in range(channels)]
    image = torch.randint(0, 256, (channels, 20, 30), dtype=torch.uint8)
    found = DetDataPreprocessor(mean=mean, std=std, pad_size_divisor=32)(batch(image))["inputs"]
    assert found.shape == (1, channels, 32, 32)
    for i in range(channels):
        expected = (image[i].double() - mean[i]) / std[i]
        torch.testing.assert_close(found[0, i, :20, :30].double(), expected)
    assert (found[0, :, 20:] == 0).all()


@pytest.mark.parametrize("preprocessor", [DetDataPreprocessor, BoxInstDataPreprocessor])
def test_colors_are_mmdet_s(preprocessor):
    from mmdet.models import DetDataPreprocessor as Theirs

    options = dict(mean=[1.0, 2, 3], std=[4.0, 5, 6], bgr_to_rgb=True, pad_size_divisor=32)
    image = torch.randint(0, 256, (3, 20, 30), dtype=torch.uint8)
    ours, theirs = preprocessor(**options), Theirs(**options)
    assert torch.equal(ours(batch(image))["inputs"], theirs(batch(image))["inputs"])
    assert ours.state_dict().keys() == theirs.state_dict().keys()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(mean=[1.0] * 4, std=[1.0] * 3), "expected one number per channel"),
        (dict(mean=[1.0] * 4), "std=None"),
        (dict(mean=[1.0] * 4, std=[1.0, 1, 1, 0]), "expected numbers above 0"),
        (dict(mean=[1.0] * 4, std=[1.0] * 4, bgr_to_rgb=True), "expected bgr_to_rgb=False"),
        (dict(mean=[1.0], std=[1.0], bgr_to_rgb=True), "expected bgr_to_rgb=False"),
    ],
)
def test_numbers_that_do_not_go_together(options, message):
    with pytest.raises(ValueError, match=f"model.data_preprocessor.*{message}"):
        DetDataPreprocessor(**options)


@pytest.mark.parametrize(
    ("options", "channels"),
    [
        (dict(mean=[1.0] * 4, std=[1.0] * 4), 3),
        (dict(mean=[1.0] * 3, std=[1.0] * 3), 4),
        (dict(bgr_to_rgb=True), 4),  # mmengine would drop the fourth without a word
        (dict(bgr_to_rgb=True), 1),
    ],
)
def test_images_of_other_channels_are_refused(options, channels):
    image = torch.zeros(channels, 8, 8)
    with pytest.raises(ValueError, match=f"have {channels} .LoadImageFromFile's channels"):
        DetDataPreprocessor(**options)(batch(image))
