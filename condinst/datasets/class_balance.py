"""Repeat images of rare classes."""

import math
from collections import defaultdict

from mmengine.dataset import ClassBalancedDataset as MMEngineClassBalancedDataset

from condinst.registry import DATASETS

__all__ = ["ClassBalancedDataset", "spread_repeats"]


@DATASETS.register_module()
class ClassBalancedDataset(MMEngineClassBalancedDataset):
    """mmengine's wrapper that repeats images by LVIS's formula, with unbiased rounding.

    The repeat factor of an image is max(1, sqrt(oversample_thr / f)), where f is the fraction of
    images with the rarest of its classes (Gupta, Dollar and Girshick, "LVIS", CVPR 2019, Section
    4). mmengine rounds the factor up, so a factor of 1.01 repeats every image twice. Here some
    images of a factor are rounded up and some down, so that their mean is the factor; the choice
    is the same in every epoch.

    Args:
        dataset, oversample_thr, lazy_init: as in mmengine.
    """

    def full_init(self) -> None:
        if self._fully_initialized:
            return
        super().full_init()
        factors = self._get_repeat_factors(self.dataset, self.oversample_thr)
        repeats = spread_repeats(factors)
        self.repeat_indices = [i for i, n in enumerate(repeats) for _ in range(n)]


def spread_repeats(factors: list[float]) -> list[int]:
    """Round repeat factors so that the mean over the images of one factor is the factor.

    Each number is the factor rounded down or up; the sum over a group is rounded to the nearest.
    """
    seen: dict[float, int] = defaultdict(int)
    repeats = []
    for factor in factors:
        before = math.floor(seen[factor] * factor + 0.5)
        seen[factor] += 1
        repeats.append(math.floor(seen[factor] * factor + 0.5) - before)
    return repeats
