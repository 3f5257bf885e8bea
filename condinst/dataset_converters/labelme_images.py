"""Write out the images that labelme files hold in themselves (imageData)."""

from __future__ import annotations

import base64
import binascii
import os
from pathlib import Path
from typing import Any

from condinst.datasets.coco.entry_issues import short_repr
from condinst.images.limit import open_image
from condinst.utils.files import write_whole

__all__ = ["write_embedded"]

_SUFFIXES = {"PNG": ".png", "JPEG": ".jpg", "TIFF": ".tif", "BMP": ".bmp", "WEBP": ".webp"}


def write_embedded(path: Path, file: str, data: dict[str, Any], out: Path) -> Path | None:
    """Write the image of a labelme file to ``OUT/images``; None if the file holds none.

    The bytes stay as they are. The name is that of the json, with the suffix of what the bytes are.

    Args:
        path: the labelme file, for messages.
        file: its path in the dataset's folder.
        data: its content.
        out: the folder to write to.

    Raises:
        ValueError: imageData is no image in base64; the message names the file.
    """
    text = data.get("imageData")
    if not text:
        return None
    if not isinstance(text, str) or not text.isascii():
        raise ValueError(f"{path}: imageData: expected base64, got {short_repr(text)}")
    try:
        content = base64.b64decode(text, validate=True)
        with open_image(content) as image:
            suffix = _SUFFIXES.get(image.format or "")
    except binascii.Error as error:
        raise ValueError(f"{path}: imageData: not base64: {error}") from None
    except Exception as error:  # every image decoder raises its own error types
        raise ValueError(f"{path}: imageData: not readable: {error}") from None
    if suffix is None:
        raise ValueError(f"{path}: imageData: expected PNG, JPEG, TIFF, BMP or WebP")
    target = out / "images" / (os.path.splitext(file)[0] + suffix)
    if not target.resolve().is_relative_to(out.resolve()):
        raise ValueError(f"{target}: a link leads out of {out}: remove it")
    if target.exists() and (not target.is_file() or target.read_bytes() != content):
        raise ValueError(f"{target} exists with another content: give another folder")
    target.parent.mkdir(parents=True, exist_ok=True)
    write_whole(target, content)
    return target
