"""A model that is optimized before a test, also with a moving average in the config."""

from types import SimpleNamespace

import pytest
import torch
from mmengine.hooks import EMAHook
from small_model import build, sample, small_model
from torch import nn

from condinst.engine import InferenceHook


def predict(model):
    batch = {key: [value] for key, value in sample([], (96, 128)).items()}
    return model.test_step(batch)[0].pred_instances


@pytest.mark.parametrize("update_buffers", [False, True])
def test_folded_norms_beside_a_moving_average(update_buffers):
    """EMAHook copies the model before the norms are folded, and exchanges the weights after it."""
    model = build(small_model()).eval()
    generator = torch.Generator().manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1, generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
    model.bbox_head.conv_cls.bias.data.fill_(0)
    expected = predict(model)
    assert len(expected)
    average = EMAHook(momentum=0.1, update_buffers=update_buffers)
    runner = SimpleNamespace(model=model, hooks=[average])
    average.before_run(runner)
    InferenceHook(fold_norms=True, channels_last=True).before_test(runner)
    average.before_test_epoch(runner)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in model.modules())
    torch.testing.assert_close(predict(model).scores, expected.scores, rtol=1e-4, atol=1e-5)
