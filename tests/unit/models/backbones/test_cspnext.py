"""CSPNeXt for other numbers of channels, with mmdet's class as the oracle."""

import pytest
import torch
from mmdet.models.backbones import CSPNeXt as MMDetCSPNeXt

from condinst.models import CSPNeXt
from condinst.models.input_channels import adapt_input_channels, adapt_when_loading

ARGUMENTS = dict(deepen_factor=0.167, widen_factor=0.125)


@pytest.fixture(scope="module")
def theirs():
    torch.manual_seed(0)
    model = MMDetCSPNeXt(**ARGUMENTS)
    model.eval()  # returns nothing
    return model


def test_three_channels_are_mmdets(theirs):
    ours = CSPNeXt(**ARGUMENTS)
    ours.eval()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    images = torch.randn(1, 3, 64, 96)
    for expected, found in zip(theirs(images), ours(images), strict=True):
        assert torch.equal(expected, found)


@pytest.mark.parametrize("channels", [1, 5])
def test_weights_of_rgb_are_adapted(theirs, channels):
    ours = CSPNeXt(**ARGUMENTS, in_channels=channels)
    ours.eval()
    adapt_when_loading(ours)
    weights = theirs.state_dict()
    ours.load_state_dict(weights, strict=True)
    first = "stem.0.conv.weight"
    expected = adapt_input_channels(weights[first], channels)
    assert torch.equal(ours.state_dict()[first], expected)
    if channels == 1:  # a gray image
        gray = torch.randn(1, 1, 64, 96)
        for a, b in zip(theirs(gray.expand(1, 3, 64, 96)), ours(gray), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
