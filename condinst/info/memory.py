"""Measure the peak memory of one prediction and one training step."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import HorizontalBoxes
from mmdet.structures.mask import PolygonMasks
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.optim import build_optim_wrapper
from mmengine.registry import TRANSFORMS

from condinst.config.nodes import inner_dataset, type_name
from condinst.models import CondInst, RTMDetInsSepBNHead
from condinst.models.input_channels import input_channels
from condinst.utils.peak_memory import peak_memory

_NUM_OBJECTS = 10
_OPTIMIZER = dict(type="OptimWrapper", optimizer=dict(type="SGD", lr=0.01, momentum=0.9))


@dataclass(frozen=True)
class Memory:
    """Peak memory, in bytes above what was in use before.

    Attributes:
        weights: bytes of parameters and buffers.
        prediction: bytes at the peak of a prediction, without the weights.
        instances: number of instances that the prediction found.
        training: bytes at the peak of a training step, without the weights: activations, gradients
            and the optimizer's state.
        objects: number of objects in the images that were trained on.
    """

    weights: int
    prediction: int
    instances: int
    training: int
    objects: int


def measure_memory(
    model: CondInst, cfg: Config, size: tuple[int, int], device: str, batch_size: int = 1
) -> Memory:
    """Predict and train once on noise of the given size.

    The caller's default scope must be the config's. The weights need not be trained: the measured
    copy is set to give equal scores and boxes that do not overlap, so that it finds as many
    instances as ``test_cfg.max_per_img`` allows.

    Args:
        model: not changed.
        cfg: its training pipeline and optimizer are used.
        size: height and width of the image in pixels, before it is padded.
        device: "cpu" measures the process's resident memory, "cuda" what PyTorch allocates.
        batch_size: number of images at a time, in both.

    Raises:
        OSError: the system does not report resident memory (only Linux does).
    """
    model = copy.deepcopy(model).to(device)
    with torch.no_grad():
        for conv, bias in _last_convs(model.bbox_head):
            conv.weight.zero_()
            conv.bias.fill_(bias)
    model.test_cfg.setdefault("mask_format", "crop")  # as the commands set it
    weights = sum(x.nbytes for x in (*model.parameters(), *model.buffers()))
    channels = input_channels(model.backbone)
    found: list[int] = []

    def predict() -> None:
        with torch.no_grad():
            results = model.test_step(_test_batch((*size, channels), batch_size))
        found.append(sum(len(sample.pred_instances) for sample in results))

    model.eval()
    prediction = peak_memory(predict, device)

    batch = _train_batch(cfg, model, (*size, channels), batch_size)
    optim_wrapper = build_optim_wrapper(model, cfg.get("optim_wrapper") or _OPTIMIZER)
    model.train()
    training = peak_memory(lambda: model.train_step(batch, optim_wrapper), device)
    return Memory(weights, prediction, found[-1], training, _NUM_OBJECTS * batch_size)


def _last_convs(head: Any) -> list[tuple[Any, float]]:
    """Return the convolutions of the outputs, with a bias for each that leads to detections."""
    if isinstance(head, RTMDetInsSepBNHead):
        return [*((c, 0.0) for c in head.rtm_cls), *((c, 0.5) for c in head.rtm_reg)]
    return [(head.conv_cls, 0.0), (head.conv_reg, 0.5), (head.conv_centerness, 9.0)]


def _test_batch(shape: tuple[int, int, int], batch_size: int) -> dict[str, list]:
    size = shape[:2]
    metainfo = dict(img_shape=size, ori_shape=size, scale_factor=(1.0, 1.0), batch_input_shape=size)
    return {
        "inputs": [torch.from_numpy(_noise(shape)).permute(2, 0, 1) for _ in range(batch_size)],
        "data_samples": [DetDataSample(metainfo=metainfo) for _ in range(batch_size)],
    }


def _train_batch(
    cfg: Config, model: CondInst, shape: tuple[int, int, int], batch_size: int
) -> dict[str, Any]:
    """Make a batch of images with objects by the last steps of the training pipeline."""
    loader = cfg.get("train_dataloader") or {}
    dataset = inner_dataset(loader.get("dataset"))
    steps = [s for s in dataset.get("pipeline", []) if type_name(s) in _LAST]
    steps = steps or [dict(type="condinst.PackDetInputs")]
    finish = Compose([TRANSFORMS.build(step) for step in steps])
    num_classes = model.bbox_head.num_classes
    return pseudo_collate([finish(_annotated(shape, num_classes)) for _ in range(batch_size)])


_LAST = ("PrepareMaskTargets", "PrepareBoxTargets", "PrepareMixedTargets", "PackDetInputs")


def _annotated(shape: tuple[int, int, int], num_classes: int) -> dict[str, Any]:
    """Make an image of noise with diamonds of all sizes, as the loading transforms return it."""
    height, width = size = shape[:2]
    draw = np.random.default_rng(0)
    half = np.geomspace(0.05, 0.45, _NUM_OBJECTS)[:, None] * [width, height]  # (M, 2)
    center = half + draw.random((_NUM_OBJECTS, 2)) * ([width, height] - 2 * half)
    boxes = np.concatenate([center - half, center + half], axis=1).astype(np.float32)
    corners = np.array([(0, -1), (1, 0), (0, 1), (-1, 0)])
    polygons = [[(c + corners * h).flatten()] for c, h in zip(center, half, strict=True)]
    return dict(
        img=_noise(shape),
        img_id=0,
        img_path="",
        img_shape=size,
        ori_shape=size,
        scale_factor=(1.0, 1.0),
        flip=False,
        flip_direction=None,
        gt_bboxes=HorizontalBoxes(torch.from_numpy(boxes)),
        gt_bboxes_labels=draw.integers(num_classes, size=_NUM_OBJECTS),
        gt_ignore_flags=np.zeros(_NUM_OBJECTS, bool),
        gt_masks=PolygonMasks(polygons, height, width),
    )


def _noise(shape: tuple[int, int, int]) -> np.ndarray:
    return np.random.default_rng(0).integers(256, size=shape, dtype=np.uint8)
