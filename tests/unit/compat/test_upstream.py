"""Parts of mmengine and mmdet that a user touches still work on the installed libraries."""

import mmcv.ops
import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmdet.visualization import DetLocalVisualizer
from mmengine.config import Config
from mmengine.model import convert_sync_batchnorm, revert_sync_batchnorm
from mmengine.optim import build_optim_wrapper
from mmengine.structures import InstanceData
from mmengine.utils.dl_utils import collect_env
from torch import nn


@pytest.mark.parametrize("as_tensor", [True, False])
def test_the_visualizer_draws_boxes_masks_and_labels(as_tensor):
    masks = np.zeros((1, 60, 80), dtype=bool)
    masks[0, 20:40, 30:60] = True
    instances = InstanceData(
        bboxes=torch.tensor([[30.0, 20.0, 60.0, 40.0]]),
        labels=torch.tensor([0]),
        scores=torch.tensor([0.9]),
        masks=torch.from_numpy(masks) if as_tensor else masks,
    )
    sample = DetDataSample(pred_instances=instances)
    visualizer = DetLocalVisualizer(alpha=0.8)
    visualizer.dataset_meta = {"classes": ("thing",), "palette": [(255, 0, 0)]}
    image = np.zeros((60, 80, 3), dtype=np.uint8)
    visualizer.add_datasample("image", image, sample, draw_gt=False, show=False)
    drawn = visualizer.get_image()
    assert drawn.shape == image.shape
    inside, outside = drawn[35:38, 40:55].reshape(-1, 3), drawn[50:, 65:]
    assert (inside.argmax(1) == 0).all(), "the mask is not red"
    assert inside.max() > 100
    assert outside.max() == 0


def test_an_optimizer_tells_deformable_convolutions_apart():
    """mmengine asks mmcv for its deformable modules wherever the operators seem to be there."""
    model = nn.Sequential(
        mmcv.ops.ModulatedDeformConv2dPack(4, 4, 3, padding=1), nn.Conv2d(4, 2, 1)
    )
    wrapper = build_optim_wrapper(
        model,
        {
            "optimizer": {"type": "SGD", "lr": 1.0},
            "paramwise_cfg": {"dcn_offset_lr_mult": 0.25, "bias_lr_mult": 2.0},
        },
    )
    rates = {id(group["params"][0]): group["lr"] for group in wrapper.optimizer.param_groups}
    deformable, plain = model
    assert rates[id(deformable.conv_offset.weight)] == 0.25
    assert rates[id(deformable.weight)] == 1.0
    assert rates[id(plain.bias)] == 2.0


def test_batch_norm_converts_to_synchronized_and_back():
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    synchronized = convert_sync_batchnorm(model)
    assert isinstance(synchronized[1], nn.SyncBatchNorm)
    back = revert_sync_batchnorm(synchronized)
    assert not isinstance(back[1], nn.SyncBatchNorm)
    assert back(torch.ones(2, 3, 4, 4)).shape == (2, 4, 4, 4)


@pytest.mark.parametrize("suffix", ["py", "json", "yaml"])
def test_a_config_survives_being_written(tmp_path, suffix):
    config = Config({"model": {"type": "A", "sizes": [1, 2]}, "lr": 0.1, "name": "x", "none": None})
    config.dump(tmp_path / f"config.{suffix}")
    assert Config.fromfile(tmp_path / f"config.{suffix}").to_dict() == config.to_dict()
    assert "sizes=[" in config.pretty_text


def test_the_environment_can_be_described():
    assert collect_env()["PyTorch"] == torch.__version__
