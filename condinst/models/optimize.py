"""Make a trained detector faster in your own program."""

from __future__ import annotations

from typing import Any

from torch import nn

from condinst.models import CondInst
from condinst.models.speed import (
    AUTOCAST_DTYPES,
    checked_fold_batch_norms,
    compile_networks,
    to_channels_last,
)

__all__ = ["optimize_for_inference"]


def optimize_for_inference(
    model: nn.Module,
    *,
    channels_last: bool = True,
    fold_norms: bool = True,
    dtype: str | None = None,
    compile: bool = False,
    mask_format: str | None = None,
) -> CondInst:
    """Make a detector faster at prediction. The model is changed in place and cannot be trained.

    ``tools/test.py`` offers the same as switches. The function takes the model that
    ``init_detector`` returns, and ``DetInferencer(...).model``.

    Args:
        model: a CondInst with its weights loaded, or a wrapper of one (test-time augmentation,
            distributed).
        channels_last: use torch's channels-last memory format; the same answers up to rounding, in
            less time on a CPU.
        fold_norms: fold batch norms into their convolutions; the same answers up to rounding.
        dtype: "bfloat16" or "float16" for mixed precision; scores change in the third digit.
        compile: compile backbone, neck and heads with ``torch.compile``, at the first image.
        mask_format: "bool", "rle" or "crop", see
            :func:`~condinst.models.postprocess.masks.postprocess_masks`; None keeps the config's.

    Returns:
        The CondInst itself, without a wrapper.

    Raises:
        ValueError: the model is no CondInst, ``dtype`` has another value, or batch norms cannot be
            folded.
    """
    inner: Any = model
    while not isinstance(inner, CondInst) and hasattr(inner, "module"):
        inner = inner.module
    if not isinstance(inner, CondInst):
        raise ValueError(
            f"expected a condinst.CondInst, or a wrapper of one, got {type(model).__name__}; in an "
            'mmdet config, set model.type="condinst.CondInst"'
        )
    if dtype is not None and dtype not in AUTOCAST_DTYPES:
        raise ValueError(f"dtype={dtype!r}: expected one of {', '.join(AUTOCAST_DTYPES)}")
    model.eval()
    if fold_norms:
        checked_fold_batch_norms(inner)
    if channels_last:
        to_channels_last(inner)
    inner.test_cfg = dict(inner.test_cfg)
    if dtype is not None:
        inner.test_cfg["autocast_dtype"] = dtype
    if mask_format is not None:
        inner.test_cfg["mask_format"] = mask_format
    if compile:
        compile_networks(inner)
    return inner
