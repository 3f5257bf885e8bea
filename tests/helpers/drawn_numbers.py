"""A dataset of numbers drawn at random, in place of images."""

from __future__ import annotations

import random

import numpy as np
import torch
from mmengine.dataset import BaseDataset

from condinst.registry import DATASETS, TRANSFORMS

SAMPLES = 22


@TRANSFORMS.register_module()
class Draw:
    """Numbers from the three generators."""

    def __call__(self, results):
        drawn = [random.random(), np.random.random(), torch.rand(()).item()]
        if drawn[0] < 0.1:
            return None  # the dataset takes another sample, drawn at random
        return dict(inputs=torch.tensor([results["sample_idx"], *drawn]))


@DATASETS.register_module()
class Numbers(BaseDataset):
    """Samples that are read from nowhere."""

    METAINFO = dict(classes=("a", "b", "c"))

    def __init__(self, size=SAMPLES, **kwargs):
        self.size = size
        super().__init__(**kwargs)

    def load_data_list(self):
        return [
            dict(width=4 + i % 3, height=5, labels=[i % 3], filler=[0.5] * 8)
            for i in range(self.size)
        ]

    def get_cat_ids(self, idx):
        return self.get_data_info(idx)["labels"]
