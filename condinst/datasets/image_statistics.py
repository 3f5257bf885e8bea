"""Compute the mean and standard deviation of pixels for ``model.data_preprocessor``."""

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
    """Return the mean and standard deviation of each channel over all pixels of the images.

    Args:
        paths: image files.
        channels, dtype: the arguments of ``LoadImageFromFile``.
        max_images: the largest number of images to read, spread evenly over the paths.

    Returns:
        Means and standard deviations in pixel units. For 3 channels the order is that of the
        preprocessor with ``bgr_to_rgb=True``, else that of the file. A constant channel gets the
        standard deviation 1.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is broken or has other channels, or ``paths`` is empty.
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
