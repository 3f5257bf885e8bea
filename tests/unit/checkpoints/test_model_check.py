"""Weights that do not fit a model."""

import pytest
import torch
from torch import nn

from condinst.checkpoints.model_check import check_complete


def model(classes, channels=4, name="conv_cls"):
    head = nn.Module()
    head.add_module(name, nn.Conv2d(channels, classes, 3))
    whole = nn.Module()
    whole.bbox_head = head
    return whole


@pytest.mark.parametrize("name", ["conv_cls", "rtm_cls"])
def test_another_number_of_classes_comes_first(name):
    with pytest.raises(ValueError, match=r"^a\.pth: the checkpoint has 3 classes, the config 5; "):
        check_complete(model(5, name=name), model(3, name=name).state_dict(), "a.pth")


@pytest.mark.parametrize("other", [model(3, name="conv_reg"), nn.Linear(2, 2)])
def test_other_differences(other):
    with pytest.raises(ValueError, match=r"^a\.pth: does not fit the config's model: "):
        check_complete(model(5, name="conv_reg"), other.state_dict(), "a.pth")


def test_weights_that_fit():
    fits = model(5)
    found = check_complete(fits, {"state_dict": fits.state_dict()}, "a.pth")
    assert torch.equal(found["bbox_head.conv_cls.bias"], fits.bbox_head.conv_cls.bias)
