"""Results of three instances, whose every number can be read from the code."""

from __future__ import annotations

import numpy as np

from condinst.masks.crop import Crop
from condinst.results.results import Results

SIZE = (60, 80)


def make_results(num=3, **fields):
    """Rectangles one below the other; the first has a hole, the second two parts."""
    masks = np.zeros((3, *SIZE), bool)
    masks[0, 5:15, 10:40] = True
    masks[0, 8:11, 20:30] = False
    masks[1, 20:30, 0:10] = masks[1, 20:30, 70:80] = True
    masks[2, 40:60, 30:50] = True
    boxes = np.array([[10, 5, 40, 15], [0, 20, 80, 30], [30, 40, 50, 60.5]])
    settings = dict(
        image_size=SIZE,
        boxes=boxes[:num],
        scores=np.array([0.9, 0.5, 0.25])[:num],
        labels=np.array([1, 0, 1])[:num],
        crops=[Crop.of(mask) for mask in masks[:num]],
        class_names=("cat", "dog"),
    )
    return Results(**settings | fields), masks[:num]
