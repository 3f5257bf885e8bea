"""mmdet's RTMDet-Ins and ours with the same random weights, which predict like trained models."""

from __future__ import annotations

import copy
import logging
from pathlib import Path
from typing import Any

import mmdet
import torch
from mmdet.datasets import CocoDataset
from mmdet.registry import MODELS as MMDET_MODELS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.logging import MMLogger
from mmengine.registry import DefaultScope
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from benchmarks.models import diamond
from condinst.registry import MODELS

SIZES = ("tiny", "s")
_PAIRS = 300  # of point and class that pass the threshold, in each image


def published_rtmdet(size: str) -> Config:
    """Read mmdet's own config of a size, without backbone weights."""
    folder = Path(mmdet.__file__).parent / ".mim" / "configs" / "rtmdet"
    cfg = Config.fromfile(folder / f"rtmdet-ins_{size}_8xb32-300e_coco.py")
    cfg.model.backbone.init_cfg = None
    return cfg


def test_items(root: Path, count: int) -> list[dict[str, Any]]:
    """Return images as from the test pipeline of the published configs, padded to 640 x 640.

    They are the first ones by file name.
    """
    node = published_rtmdet("tiny").test_dataloader.dataset
    steps = [step for step in node.pipeline if step.type != "LoadAnnotations"]
    with DefaultScope.overwrite_default_scope("mmdet"):
        data = CocoDataset(
            data_root=str(root),
            ann_file=node.ann_file,
            data_prefix=node.data_prefix,
            test_mode=True,
            pipeline=steps,
        )
        records = [data.get_data_info(i) for i in range(len(data))]
        order = sorted(range(len(data)), key=lambda i: records[i]["img_path"])
        return [data[i] for i in order[:count]]


def build_rtmdet_pair(size: str, device: str, items: list[dict[str, Any]]) -> tuple[Any, Any]:
    """Build mmdet's detector and ours, with the same weights.

    The weights are random and fitted to the images: some hundred pairs of point and class pass the
    threshold in an image, and masks are blobs of the size of the boxes.

    Args:
        size: of the published model.
        device: "cpu" or "cuda".
        items: images of :func:`test_items`.
    """
    cfg = published_rtmdet(size)
    MMLogger.get_current_instance().setLevel(logging.WARNING)  # avoids a log line per weight
    with DefaultScope.overwrite_default_scope("mmdet"):
        theirs = MMDET_MODELS.build(copy.deepcopy(cfg.model))
    with DefaultScope.overwrite_default_scope("condinst"):
        ours = MODELS.build(copy.deepcopy(cfg.model))
    torch.manual_seed(0)
    theirs.init_weights()
    inputs = theirs.data_preprocessor(pseudo_collate(copy.deepcopy(items)), False)["inputs"]
    with torch.no_grad():
        _fit_norms(theirs, inputs)
        _fit_last_layers(theirs, inputs, cfg.model.test_cfg.score_thr)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    return theirs.to(device), ours.to(device)


def _fit_norms(model: Any, inputs: Tensor) -> None:
    """Draw the convolutions, and set the norms' averages to those of the images."""
    draw = torch.Generator().manual_seed(0)
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.normal_(0, 1.5 / module.weight[0].numel() ** 0.5, generator=draw)
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0
    model.train()
    model._forward(inputs)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        # a channel that hardly varies would be enlarged, and its rounding with it
        assert norm.running_var is not None
        norm.running_var.clamp_(min=0.3 * float(norm.running_var.median()))
    model.eval()


def _fit_last_layers(model: Any, inputs: Tensor, score_thr: float) -> None:
    head = model.bbox_head
    scores, boxes, kernels, _ = model._forward(inputs)
    logits = []
    for level, maps in enumerate(scores):
        last = head.rtm_cls[level]
        factor = _factor(maps)
        last.weight.mul_(factor)
        last.bias.zero_()
        logits.append(((maps - maps.mean()) * factor).flatten())
        head.rtm_reg[level].weight.mul_(0.5 / float(boxes[level].std().clamp(min=1e-3)))
        head.rtm_reg[level].bias.fill_(4.0)
        head.rtm_kernel[level].weight.mul_(0.05 / float(kernels[level].std()))
        head.rtm_kernel[level].bias.copy_(diamond())
    count = _PAIRS * len(inputs)
    least = torch.cat(logits).topk(count).values[-1]
    threshold = torch.logit(torch.tensor(score_thr))
    for level, maps in enumerate(scores):
        last, factor = head.rtm_cls[level], _factor(maps)
        last.bias.fill_(float(threshold - least) - float(maps.mean()) * factor)


def _factor(logits: Tensor) -> float:
    """Return the factor that spreads the scores without saturating them."""
    spread = logits - logits.mean()
    return min(1.2 / float(spread.std()), 7 / float(spread.abs().max()))
