"""Transforms of the first part of a training."""

from __future__ import annotations

from typing import Any

from mmcv.transforms import BaseTransform, Compose

from condinst.compat.batches import loading_iteration
from condinst.registry import TRANSFORMS


@TRANSFORMS.register_module()
class UntilIteration(BaseTransform):
    """Apply transforms in the iterations before a given one, and none from then on.

    So the last images of a training are as weakly augmented as those of the test, for which
    mmdet's ``PipelineSwitchHook`` needs epochs. The iteration is that in which the image is
    trained, whatever the workers load ahead and wherever a training was resumed. Outside of a
    training, the transforms are applied.

    Args:
        transforms: configs of the transforms.
        iteration: the first iteration without them.

    Raises:
        ValueError: ``iteration`` is below 0.
    """

    def __init__(self, transforms: list[dict[str, Any]], iteration: int) -> None:
        if iteration < 0:
            raise ValueError(f"UntilIteration: iteration={iteration}: expected 0 or more")
        self.iteration = iteration
        self.transforms = Compose(transforms)

    def transform(self, results: dict) -> dict | None:
        """Return the results, None where one of the transforms drops the image."""
        now = loading_iteration()
        return self.transforms(results) if now is None or now < self.iteration else results

    def __repr__(self) -> str:
        return f"UntilIteration(iteration={self.iteration}, transforms={self.transforms})"
