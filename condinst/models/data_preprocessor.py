"""Data preprocessor of mmdet, for images of any number of channels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmdet.models.data_preprocessors import DetDataPreprocessor as MMDetDetDataPreprocessor

from condinst.registry import MODELS

__all__ = ["DetDataPreprocessor"]


@MODELS.register_module()
class DetDataPreprocessor(MMDetDetDataPreprocessor):
    """Data preprocessor of mmdet, for any number of channels.

    mmdet's class takes 1 or 3 numbers as mean. The errors of this class name the config key.

    Args:
        mean, std: one number per channel in the image's units, in the order of channels that the
            network receives; or one number for all channels. None for no normalization.
        args, kwargs: see mmdet's class. ``bgr_to_rgb`` and ``rgb_to_bgr`` need 3 channels.

    Raises:
        ValueError: ``mean``, ``std`` and the conversion of channels contradict each other.
    """

    def __init__(
        self,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        _check(mean, std)
        count = len(mean) if mean is not None else 3
        several = count not in (1, 3)
        super().__init__([0.0] if several else mean, [1.0] if several else std, *args, **kwargs)
        if self._channel_conversion and mean is not None and count != 3:
            raise ValueError(
                f"model.data_preprocessor: mean has {count} numbers, and bgr_to_rgb=True is for 3 "
                "channels; expected bgr_to_rgb=False"
            )
        if several:  # replace the one number that mmengine was given above
            for name, values in (("mean", mean), ("std", std)):
                tensor = torch.tensor(values, dtype=torch.float32).view(-1, 1, 1)  # (C, 1, 1)
                self.register_buffer(name, tensor, persistent=False)

    def forward(self, data: dict, training: bool = False) -> dict:
        """Make a batch as mmdet's class does.

        Raises:
            ValueError: an image has another number of channels than the config says.
        """
        for image in data["inputs"]:
            self._check_channels(image.shape[0])
        return super().forward(data, training)

    def _check_channels(self, found: int) -> None:
        expected = 3 if self._channel_conversion else None
        if self._enable_normalize and self.mean.shape[0] > 1:
            expected = self.mean.shape[0]
        if expected is not None and found != expected:
            why = "bgr_to_rgb=True" if self._channel_conversion else "mean"
            raise ValueError(
                f"model.data_preprocessor: {why} is for images of {expected} channels, the "
                f"pipeline's have {found} (LoadImageFromFile's channels)"
            )


def _check(mean: Sequence[float] | None, std: Sequence[float] | None) -> None:
    if (mean is None) != (std is None) or (mean is not None and len(mean) != len(std or ())):
        raise ValueError(
            f"model.data_preprocessor: mean={mean} and std={std}: expected one number per channel "
            "for each, or None for both"
        )
    if std is not None and not all(value > 0 for value in std):
        raise ValueError(f"model.data_preprocessor.std={std}: expected numbers above 0")
