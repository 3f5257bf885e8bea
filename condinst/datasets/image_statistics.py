"""Mean and spread of the pixels of a dataset, for ``model.data_preprocessor``."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from condinst.datasets.transforms.load_image import LoadImageFromFile

__all__ = ["channel_mean_std"]


def channel_mean_std(
    paths: Sequence[str | os.PathLike[str]],
    channels: int = 3,
    dtype: str = "uint8",
    max_images: int = 200,
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel over all pixels of the images.

    Args:
        paths: of image files.
        channels, dtype: those of ``LoadImageFromFile``.
        max_images: at most so many are read, spread evenly over the paths.

    Returns:
        In the units of the pixels, in the order that the preprocessor wants with
        ``bgr_to_rgb=True`` for 3 channels, and without for others. A channel without any spread has
        the standard deviation 1.

    Raises:
        FileNotFoundError, ValueError: a file is missing, broken or of other channels; there are no
            paths.
    """
    if not paths or max_images < 1:
        raise ValueError(f"expected images to take the mean of, got {len(paths)} paths")
    load = LoadImageFromFile(channels=channels, dtype=dtype)
    places = np.linspace(0, len(paths) - 1, min(len(paths), max_images)).astype(int)
    count = 0
    sums, squares = np.zeros(channels), np.zeros(channels)
    for place in places:
        image = load({"img_path": os.fspath(paths[place])})["img"]
        pixels = load.pixel_format.to_loaded(image).reshape(-1, channels).astype(np.float64)
        count += len(pixels)
        sums += pixels.sum(axis=0)
        squares += (pixels**2).sum(axis=0)
    mean = sums / count
    std = np.sqrt(np.maximum(squares / count - mean**2, 0))
    std[std == 0] = 1.0
    return tuple(map(float, mean)), tuple(map(float, std))
