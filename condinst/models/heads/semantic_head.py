"""Semantic head: one pyramid level to the classes of its cells, an auxiliary task of training.

The task improves the features that the mask branch shares; testing does not run the head. The head
comes from the original implementation and is not in the ECCV paper.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmcv.cnn import ConvModule
from mmengine.model import BaseModule, bias_init_with_prob, kaiming_init
from torch import Tensor, nn

from condinst.models.losses.detection_losses import mean_count
from condinst.registry import MODELS


@MODELS.register_module()
class SemanticHead(BaseModule):
    """Classify the cells of one pyramid level by a few convolutions.

    Args:
        num_classes: C, without background.
        in_channels: channels of the level.
        feat_channels: channels of the convolutions.
        num_convs: number of 3x3 convolutions before the classifier.
        level: index of the level among the neck's outputs.
        stride: stride of that level, pixels.
        norm_cfg: config of the norm after each convolution.
        loss_semantic: config of a sigmoid loss over logits (N, C) and labels (N,), C for
            background.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        feat_channels: int = 128,
        num_convs: int = 2,
        level: int = 0,
        stride: int = 8,
        norm_cfg: dict | None = None,
        loss_semantic: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        self.num_classes = num_classes
        self.level = level
        self.stride = stride
        self.convs = nn.Sequential(
            *(
                ConvModule(
                    in_channels if i == 0 else feat_channels,
                    feat_channels,
                    3,
                    padding=1,
                    bias=False,
                    norm_cfg=norm_cfg or dict(type="BN", requires_grad=True),
                )
                for i in range(num_convs)
            )
        )
        self.conv_logits = nn.Conv2d(feat_channels, num_classes, 1)
        self.loss_semantic = MODELS.build(
            loss_semantic or dict(type="FocalLoss", use_sigmoid=True, gamma=2.0, alpha=0.25)
        )

    def init_weights(self) -> None:
        """Initialize the 3x3 convolutions Kaiming uniform with a = 1; scores start at 0.01."""
        super().init_weights()
        for conv in self.convs:
            kaiming_init(
                conv.conv, a=1, mode="fan_in", nonlinearity="leaky_relu", distribution="uniform"
            )
        bias = self.conv_logits.bias
        assert bias is not None
        nn.init.constant_(bias, bias_init_with_prob(0.01))

    def forward(self, feats: Sequence[Tensor]) -> Tensor:
        """Compute the class logits of one pyramid level.

        Args:
            feats: pyramid levels, each (B, in_channels, H_l, W_l), finest first.

        Returns:
            (B, C, H, W).
        """
        return self.conv_logits(self.convs(feats[self.level]))

    def loss(self, logits: Tensor, targets: Sequence[Tensor]) -> dict[str, Tensor]:
        """Sum the loss over all cells and classes, divided by the labeled cells.

        Args:
            logits: (B, C, H, W).
            targets: per image, (H, W) class indices, -1 for background.

        Returns:
            ``loss_semantic``, averaged over the labeled cells of all processes.
        """
        labels = torch.stack(list(targets)).flatten()  # (B * H * W,)
        labels = torch.where(labels < 0, self.num_classes, labels)
        logits = logits.permute(0, 2, 3, 1).reshape(-1, self.num_classes)  # (B * H * W, C)
        num_labeled = mean_count((labels < self.num_classes).sum(), logits)
        return {"loss_semantic": self.loss_semantic(logits, labels, avg_factor=num_labeled)}
