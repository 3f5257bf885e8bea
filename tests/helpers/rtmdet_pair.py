"""mmdet's RTMDet-Ins beside ours: the same config, the same weights, the same images."""

from __future__ import annotations

import copy
import logging
from pathlib import Path

import mmdet
import torch
from mmdet.registry import MODELS as MMDET_MODELS
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import DefaultScope
from oracle import collate
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from condinst.registry import MODELS

SHIPPED = Path(mmdet.__file__).parent / ".mim/configs/rtmdet"
SIZES = {"tiny": "8xb32", "s": "8xb32", "m": "8xb32", "l": "8xb32", "x": "8xb16"}


def shipped_file(size: str) -> Path:
    """The path of one of mmdet's five configs."""
    return SHIPPED / f"rtmdet-ins_{size}_{SIZES[size]}-300e_coco.py"


def shipped_config(size: str) -> Config:
    """mmdet's own config, without the download of backbone weights."""
    cfg = Config.fromfile(shipped_file(size))
    cfg.model.backbone.init_cfg = None
    return cfg


def small_config(**head) -> Config:
    """The tiny model with fewer channels, a second instead of several."""
    cfg = shipped_config("tiny")
    cfg.model.backbone.update(widen_factor=0.125)
    cfg.model.neck.update(in_channels=[32, 64, 128], out_channels=32)
    cfg.model.bbox_head.update(in_channels=32, feat_channels=32, **head)
    return cfg


def build_empty(size: str, scope: str) -> tuple[nn.Module, nn.Module]:
    """mmdet's detector and ours from a shipped config, without memory for their weights.

    Args:
        size: of the config.
        scope: "condinst" to change the default scope, "mmdet" to change the detector's type.
    """
    cfg = shipped_config(size)
    with torch.device("meta"):
        with DefaultScope.overwrite_default_scope("mmdet"):
            theirs = MMDET_MODELS.build(copy.deepcopy(cfg.model))
        if scope == "mmdet":
            cfg.model.type = "condinst.RTMDet"
        with DefaultScope.overwrite_default_scope(scope):
            return theirs, MODELS.build(copy.deepcopy(cfg.model))


def build_pair(cfg: Config, seed: int = 0, channels: int = 3) -> tuple[nn.Module, nn.Module]:
    """mmdet's detector and ours from the ``model`` of one config, with equal seeded weights.

    :func:`calibrate` gives everything something to do: scores are spread, boxes overlap, masks have
    edges. Odd sizes are padded in both, because mmdet's neck fails on them.
    """
    cfg = copy.deepcopy(cfg)
    cfg.model.data_preprocessor.update(pad_size_divisor=32, pad_mask=True)
    with DefaultScope.overwrite_default_scope("mmdet"):
        theirs = MMDET_MODELS.build(copy.deepcopy(cfg.model))
    correct_networks(theirs.bbox_head)
    with DefaultScope.overwrite_default_scope("condinst"):
        ours = MODELS.build(copy.deepcopy(cfg.model))
    if channels != 3:
        for model in (theirs, ours):
            first = model.backbone.stem[0]
            first.conv = nn.Conv2d(channels, first.out_channels, 3, 2, 1, bias=False)
    MMLogger.get_current_instance().setLevel(logging.WARNING)  # a line per weight otherwise
    torch.manual_seed(seed)
    theirs.init_weights()
    spread_weights(theirs, seed)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    return theirs, ours


def correct_networks(head: nn.Module) -> None:
    """Let mmdet's mask loss take the networks of the positive points.

    Positives are numbered among the points inside their image, but mmdet looks their networks up
    among all points. The two differ where an image is smaller than its batch.
    """
    flags: list[torch.Tensor] = []
    get_anchors, loss_mask_by_feat = head.get_anchors, head.loss_mask_by_feat

    def remember(*args, **kwargs):
        found = get_anchors(*args, **kwargs)
        flags[:] = [torch.cat(list(levels)) for levels in found[1]]
        return found

    def corrected(mask_feats, kernels, samplings, objects):
        for inside, sampling in zip(flags, samplings, strict=True):
            sampling.pos_inds = inside.nonzero().squeeze(1)[sampling.pos_inds]
        return loss_mask_by_feat(mask_feats, kernels, samplings, objects)

    head.get_anchors, head.loss_mask_by_feat = remember, corrected


def spread_weights(model: nn.Module, seed: int) -> None:
    """Draw weights under which scores, boxes and masks differ from point to point."""
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.Conv2d):
                fan_in = module.weight[0].numel()
                module.weight.normal_(0, 1.5 / fan_in**0.5, generator=draw)
            elif isinstance(module, _BatchNorm):
                module.weight.uniform_(0.8, 1.2, generator=draw)
                module.bias.normal_(0, 0.1, generator=draw)


def calibrate(theirs: nn.Module, ours: nn.Module, batch: list[dict]) -> None:
    """Fit norms and last convolutions to a batch, so that nothing saturates, in both models alike.

    Scores, boxes and parameters of the networks then have the spread of trained ones.
    """
    norms = [module for module in theirs.modules() if isinstance(module, _BatchNorm)]
    before = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0
    with torch.no_grad():
        theirs.train()
        theirs._forward(theirs.data_preprocessor(collate(batch), True)["inputs"])
        for norm, momentum in zip(norms, before, strict=True):
            norm.momentum = momentum
        theirs.eval()
        head = theirs.bbox_head
        for last in head.rtm_obj:
            last.weight.mul_(0.02 / last.weight.std())
            last.bias.fill_(-1.0)
        inputs = theirs.data_preprocessor(collate(batch), False)["inputs"]
        scores, boxes, kernels, features = theirs._forward(inputs)
        for level, (stride, _) in enumerate(head.prior_generator.strides):
            score = head.rtm_cls[level].weight
            # with objectness, the scores are not linear in the weights
            score.mul_(
                0.02 / score.std()
                if head.with_objectness
                else spread_factor(scores[level], 1.2, 7.0)
            )
            head.rtm_cls[level].bias.fill_(-3.5)
            head.rtm_reg[level].weight.mul_(stride / boxes[level].std().clamp(min=1e-3))
            head.rtm_reg[level].bias.fill_(2.5)
            head.rtm_kernel[level].weight.mul_(spread_factor(kernels[level], 0.5, 2.0))
        head.mask_head.projection.weight.mul_(spread_factor(features, 1.0, 6.0))
    ours.load_state_dict(theirs.state_dict(), strict=True)


def spread_factor(values: torch.Tensor, spread: float, limit: float) -> torch.Tensor:
    """Return the factor that gives values this standard deviation, or less, within the limit."""
    values = values - values.mean()
    return torch.minimum(spread / values.std(), limit / values.abs().max())
