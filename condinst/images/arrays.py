"""Images that programs hold: arrays, tensors, PIL images and encoded bytes, to a model's pixels.

The module needs numpy and pillow alone.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image

from condinst.images.pixel_format import PixelFormat
from condinst.images.sources import decode_image, to_pixels

__all__ = ["from_memory"]

# Gray, colors, colors with alpha.
_COLOR_CHANNELS = (1, 3, 4)


def from_memory(source: Any, pixel_format: PixelFormat, channel_order: str = "rgb") -> np.ndarray:
    """Convert an image to an array of a model's pixel format.

    Args:
        source: a PIL image; the bytes of an image file, or a file that is open for reading them; an
            array (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), or of the model's number of
            channels, in the model's type; or a tensor, which may have its channels first. Gray
            becomes colors, alpha is dropped.
        pixel_format: the model's.
        channel_order: order of the channels in arrays and tensors, "rgb" or "bgr".

    Raises:
        ValueError: the image has another shape or type; the message says how to convert it.
        TypeError: the file is not open for reading bytes.
    """
    if isinstance(source, Image.Image):
        return to_pixels(source, pixel_format)
    if hasattr(source, "read"):
        name, source = type(source).__name__, _content(source)
        if not isinstance(source, bytes):
            raise TypeError(
                f"source: {name}.read() gives {type(source).__name__}, expected the bytes of an "
                "image file; the frames of a video or camera go in as a generator of arrays"
            )
    if isinstance(source, bytes | bytearray | memoryview):
        return decode_image(bytes(source), pixel_format)
    array = source if isinstance(source, np.ndarray) else _from_tensor(source, pixel_format)
    _check_type(array, pixel_format, is_tensor=hasattr(source, "detach"))
    _check_shape(array, pixel_format)
    channels = 1 if array.ndim == 2 else array.shape[2]
    alpha = channels == 4 != pixel_format.channels
    if channel_order == "bgr" and (channels == 3 or alpha):
        array = array[:, :, 2::-1]
        alpha = False
    return pixel_format.fit(array, alpha=alpha)


def _content(file: Any) -> Any:
    """Read an open file."""
    if isinstance(file, io.TextIOBase) and isinstance(path := getattr(file, "name", None), str):
        raise TypeError(
            f"source: {path} is open as text, expected bytes: open(path, 'rb'), or the path itself"
        )
    try:
        return file.read()
    except io.UnsupportedOperation as error:
        name = type(file).__name__
        raise ValueError(f"source: {name} is not open for reading; open(path, 'rb') is") from error
    except (OSError, ValueError) as error:  # closed, or text
        raise ValueError(f"source: {type(file).__name__} cannot be read: {error}") from error


def _from_tensor(source: Any, pixel_format: PixelFormat) -> np.ndarray:
    """Convert a torch tensor, or another library's array, to (H, W) or (H, W, C)."""
    if getattr(source, "is_meta", False):
        raise ValueError(
            "image: a tensor on the device meta holds no numbers; expected one of the CPU or a GPU"
        )
    try:
        if hasattr(source, "detach"):
            source = source.detach().cpu()
        array = np.asarray(source)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(
            f"image: {type(source).__name__} is no array of numbers: {error}"
        ) from None
    if array.ndim != 3:
        return array
    counts = {pixel_format.channels, *_COLOR_CHANNELS}
    first, last = array.shape[0] in counts, array.shape[2] in counts
    if first and last:
        raise ValueError(
            f"image: a tensor of shape {array.shape} may have its channels first or last: pass an "
            "array, tensor.permute(1, 2, 0).numpy() if they are first, else tensor.numpy()"
        )
    return array.transpose(1, 2, 0) if first else array


def _check_type(array: np.ndarray, pixel_format: PixelFormat, is_tensor: bool) -> None:
    expected, found = pixel_format.dtype, array.dtype
    if found == expected or (expected == "float32" and found.kind in "uif"):
        return
    name, convert = "image", f"astype('{expected}')"
    if is_tensor:
        name, convert = "tensor", f"to(torch.{expected})"
    if found.kind == "f":
        way = f"; values from 0 to 1 become it by ({name} * {pixel_format.largest}).{convert}"
    elif found == np.uint16:
        way = f"; ({name} >> 8).{convert} keeps the upper byte"
    elif found == np.bool_:
        way = f"; a mask is no image: black and white are {name}.{convert} * {pixel_format.largest}"
    elif found.kind in "iu" and expected == "uint8":
        way = f"; {name}.{convert} keeps values from 0 to 255"
    else:
        way = ""
    raise ValueError(f"image: expected {expected}, got {found}{way}")


def _check_shape(array: np.ndarray, pixel_format: PixelFormat) -> None:
    shape, wanted = array.shape, pixel_format.channels
    usable = {wanted, *_COLOR_CHANNELS} if wanted in (1, 3) else {wanted}
    if array.ndim == 2 and array.size and (wanted in (1, 3)):
        return
    if array.ndim == 3 and array.size and shape[2] in usable:
        return
    form = f"(height, width, {wanted})" if wanted != 1 else "(height, width)"
    if wanted == 3:
        form = "(height, width), (height, width, 3) or (height, width, 4)"
    if array.ndim == 3 and array.size and shape[0] in usable:
        way = "; channels come last: image.transpose(1, 2, 0)"
    elif array.ndim == 4:
        way = "; a batch goes in as a list of images: list(images)"
    else:
        way = ""
    raise ValueError(f"image: expected an array {form}, got shape {shape}{way}")
