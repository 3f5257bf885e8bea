"""Convert images to the inputs of exported files, with numpy and pillow.

Sizes are (height, width), except in calls of pillow.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from condinst.deploy.metadata import FileInfo, ResizeInfo

__all__ = ["input_size", "resize_image", "to_input"]


def input_size(size: tuple[int, int], info: FileInfo) -> tuple[int, int]:
    """Return the size to which an image of ``size`` is resized, before any padding.

    It is the size of the config's test pipeline, rounded as mmdet rounds. For a file of a fixed
    size, the image is fitted into that size if the pipeline keeps ratios (and enlarged only if the
    pipeline resizes at all), and stretched to it otherwise.
    """
    height, width = size
    resize = info.resize
    if info.fixed_size is not None:
        if resize is not None and not resize.keep_ratio:
            return info.fixed_size
        factor = min(info.fixed_size[0] / height, info.fixed_size[1] / width)
        if resize is None:
            factor = min(factor, 1.0)
    elif resize is None:
        return size
    else:
        scale = resize.scale_of(height, width)
        if not resize.keep_ratio:
            return scale[1], scale[0]
        factor = min(max(scale) / max(height, width), min(scale) / min(height, width))
    new = max(int(height * factor + 0.5), 1), max(int(width * factor + 0.5), 1)
    if info.fixed_size is not None:
        new = min(new[0], info.fixed_size[0]), min(new[1], info.fixed_size[1])
    return new


def resize_image(image: np.ndarray, size: tuple[int, int], resize: ResizeInfo | None) -> np.ndarray:
    """Resize an (H, W, C) image, or an (H, W) image of one channel; the type does not change.

    When an image shrinks, pillow's filters average more pixels, but OpenCV's bilinear filter still
    reads four. pillow's affine transform equals OpenCV's filter to one level of 255: it rounds
    down, so that images are 0.3 to 0.5 levels darker. Rounding to the nearest level would take
    twice the time.
    """
    if image.shape[:2] == size:
        return image
    if image.dtype != np.uint8 or image.shape[2:] not in ((), (3,)):
        channels = image[:, :, None] if image.ndim == 2 else image
        parts = [_resize_channel(channels[:, :, i], size, resize) for i in range(channels.shape[2])]
        return parts[0] if image.ndim == 2 else np.stack(parts, axis=2)
    return _resize(image, size, resize)


def _resize_channel(
    channel: np.ndarray, size: tuple[int, int], resize: ResizeInfo | None
) -> np.ndarray:
    """Resize one (H, W) channel of any type; 16-bit values are resized as floats and rounded."""
    kept = channel if channel.dtype == np.uint8 else channel.astype(np.float32)
    resized = _resize(np.ascontiguousarray(kept), size, resize)
    if channel.dtype == np.uint16:
        return np.clip(np.rint(resized), 0, 65535).astype(np.uint16)
    return resized


def _resize(image: np.ndarray, size: tuple[int, int], resize: ResizeInfo | None) -> np.ndarray:
    height, width = size
    loaded: Image.Image = Image.fromarray(image)
    if resize is not None and resize.backend == "cv2":
        factors = (image.shape[1] / width, 0, 0, 0, image.shape[0] / height, 0)
        affine, bilinear = Image.Transform.AFFINE, Image.Resampling.BILINEAR
        return np.asarray(loaded.transform((width, height), affine, factors, bilinear))
    name = "bilinear" if resize is None else resize.interpolation
    return np.asarray(loaded.resize((width, height), Image.Resampling[name.upper()]))


def to_input(image: np.ndarray, info: FileInfo) -> tuple[np.ndarray, tuple[int, int]]:
    """Convert an image of the file's pixel format to the file's input.

    Returns:
        (C, H', W') float32, in the image's units, padded at the right and the bottom to a fixed
        size; and the size of the image within it.
    """
    size = input_size(image.shape[:2], info)
    resized = resize_image(image, size, info.resize)
    if resized.ndim == 2:
        resized = resized[:, :, None]
    padded = np.empty((info.pixel_format.channels, *(info.fixed_size or size)), np.float32)
    if padded.shape[1:] != size:
        padded[:] = np.array(info.fill, np.float32)[:, None, None]
    padded[:, : size[0], : size[1]] = resized.transpose(2, 0, 1)
    return padded, size
