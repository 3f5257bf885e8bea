"""Reading an image from a file, in the orientation that its annotations were made in."""

from contextlib import suppress
from typing import Any

import mmengine.fileio as fileio
import numpy as np
from mmcv.transforms import LoadImageFromFile as MMCVLoadImageFromFile

from condinst.images.decode_bgr import decode_image, decode_pixels
from condinst.images.pixel_format import PixelFormat
from condinst.registry import TRANSFORMS
from condinst.utils.files import check_regular

__all__ = ["LoadImageFromFile"]

_OTHER_ORIENTATION = {
    "color": "color_ignore_orientation",
    "color_ignore_orientation": "color",
    "grayscale": "grayscale_ignore_orientation",
    "grayscale_ignore_orientation": "grayscale",
}


@TRANSFORMS.register_module()
class LoadImageFromFile(MMCVLoadImageFromFile):
    """mmcv's transform for files of every pixel format, that names the file when it fails.

    The image's size must be the annotations' (``height`` and ``width``, where they are given).
    When a file's EXIF orientation swaps the two, the image is loaded as the annotations have it:
    some labeling tools apply the orientation and some do not.

    Args:
        channels: 1 for grayscale (the image is (H, W) then), 3 for colors, or the number that
            all files have: 4 and more keep the file's channels in the file's order, which is red
            first. None says what ``color_type`` says.
        dtype: "uint8"; "uint16" keeps all bits of 16-bit files and refuses others; "float32" takes
            values of any type as they are stored. Other than 8-bit gray and colors, PNG, TIFF and
            NPY files are read.
        args, kwargs: see mmcv's ``LoadImageFromFile``.

    Attributes:
        pixel_format: what images are.

    Raises FileNotFoundError for a missing file and ValueError for a broken one or a size that does
    not match; with ``ignore_empty=True`` returns None instead, as mmcv does.
    """

    def __init__(
        self, *args: Any, channels: int | None = None, dtype: str = "uint8", **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._as_stored = channels is not None or dtype != "uint8"
        if self._as_stored and self.color_type not in ("color", "color_ignore_orientation"):
            raise ValueError(
                f"LoadImageFromFile: color_type={self.color_type!r} does not go with channels and "
                "dtype, which say the same"
            )
        gray = self.color_type.startswith("grayscale")
        self.pixel_format = PixelFormat((1 if gray else 3) if channels is None else channels, dtype)

    def transform(self, results: dict) -> dict | None:
        try:
            image = self._load(results)
        except Exception:
            if self.ignore_empty:
                return None
            raise
        if self.to_float32:
            image = image.astype(np.float32)
        results["img"] = image
        results["img_shape"] = results["ori_shape"] = image.shape[:2]
        return results

    def _load(self, results: dict) -> np.ndarray:
        path = results["img_path"]
        data = self._read(path)
        image = self._decode(path, data, self.color_type)
        expected = (results.get("height"), results.get("width"))
        if None in expected or image.shape[:2] == expected:
            return image
        other_flag = _OTHER_ORIENTATION.get(self.color_type)
        reads_exif = self._as_stored or self.imdecode_backend in ("cv2", "pillow")
        if other_flag and reads_exif and image.shape[1::-1] == expected:
            other = self._decode(path, data, other_flag)
            if other.shape[:2] == expected:
                return other
        raise ValueError(
            f"image file {path}: the image is {image.shape[1]} x {image.shape[0]} (width x "
            f"height), its annotations say {expected[1]} x {expected[0]}"
        )

    def _read(self, path: str) -> bytes:
        try:
            with suppress(FileNotFoundError, NotADirectoryError):  # of another backend, or missing
                check_regular(path)
        except ValueError as error:  # a pipe would be waited for
            raise ValueError(f"image file {path}: {error}") from error
        try:
            if self.file_client_args is not None:
                client = fileio.FileClient.infer_client(self.file_client_args, path)
                return client.get(path)
            return fileio.get(path, backend_args=self.backend_args)
        except FileNotFoundError as error:
            raise FileNotFoundError(f"image file not found: {path}") from error

    def _decode(self, path: str, data: bytes, flag: str) -> np.ndarray:
        try:
            if self._as_stored:
                return decode_pixels(data, flag, self.imdecode_backend, self.pixel_format)
            return decode_image(data, flag, self.imdecode_backend)
        except (ValueError, ImportError) as error:
            raise type(error)(f"image file {path}: {error}") from error

    def __repr__(self) -> str:
        return f"{super().__repr__()[:-1]}, pixels={self.pixel_format})"
