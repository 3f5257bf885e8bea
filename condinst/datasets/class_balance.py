"""Images of rare classes, seen more often."""

import math
from collections import defaultdict

from mmengine.dataset import ClassBalancedDataset as MMEngineClassBalancedDataset

from condinst.registry import DATASETS

__all__ = ["ClassBalancedDataset", "spread_repeats"]


@DATASETS.register_module()
class ClassBalancedDataset(MMEngineClassBalancedDataset):
    """mmengine's wrapper, which draws images as often as LVIS's formula says.

    An image's factor is max(1, sqrt(oversample_thr / f)), f being the share of images that have
    the rarest of its classes (Gupta, Dollar and Girshick, "LVIS", CVPR 2019, Section 4). mmengine
    rounds it up: with a factor of 1.01 every image is drawn twice. Here so many of the images
    with one factor are drawn once more that the factor is their mean; which ones is the same in
    every epoch.

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
    """Whole numbers of repeats, whose mean over the images of one factor is the factor.

    Each is the factor rounded down or up; the sum over a group is rounded to the nearest.
    """
    seen: dict[float, int] = defaultdict(int)
    repeats = []
    for factor in factors:
        before = math.floor(seen[factor] * factor + 0.5)
        seen[factor] += 1
        repeats.append(math.floor(seen[factor] * factor + 0.5) - before)
    return repeats
