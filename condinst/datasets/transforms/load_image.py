"""Load an image from a file in the orientation of its annotations."""

from contextlib import suppress
from typing import Any

import mmengine.fileio as fileio
import numpy as np
from mmcv.transforms import LoadImageFromFile as MMCVLoadImageFromFile

from condinst.images.decode_bgr import decode_bgr, decode_pixels
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
    """``LoadImageFromFile`` of mmcv for all pixel formats, with errors that name the file.

    The size of the image must be that of the annotations (``height`` and ``width``, if given). If a
    file's EXIF orientation swaps the two, the image is loaded as in the annotations, because some
    labeling tools apply the orientation and some do not.

    With ``ignore_empty=True``, the transform returns None instead of raising, as mmcv does.

    Args:
        channels: 1 for grayscale, which gives (H, W) images; 3 for colors; or the number of
            channels of all files: 4 or more keep the file's order of channels, red first. None for
            the channels of ``color_type``.
        dtype: "uint8"; "uint16" to keep all bits of 16-bit files and refuse others; "float32" to
            keep the stored values of any type. Except for 8-bit gray and colors, files must be PNG,
            TIFF or NPY.
        args, kwargs: see mmcv's ``LoadImageFromFile``.

    Attributes:
        pixel_format: format of the loaded images.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: the file is damaged, or the image has another size.
    """

    def __init__(
        self, *args: Any, channels: int | None = None, dtype: str = "uint8", **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._as_stored = channels is not None or dtype != "uint8"
        if self._as_stored and self.color_type not in ("color", "color_ignore_orientation"):
            raise ValueError(
                f"LoadImageFromFile: color_type={self.color_type!r} cannot be combined with "
                "channels or dtype, which replace it"
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
            # a path of another backend, or a missing file
            with suppress(FileNotFoundError, NotADirectoryError):
                check_regular(path)
        except ValueError as error:  # reading a pipe would never end
            raise ValueError(f"image file {path}: {error}") from error
        try:
            if self.file_client_args is not None:
                client = fileio.FileClient.infer_client(self.file_client_args, path)
                return client.get(path)
            return fileio.get(path, backend_args=self.backend_args)
        except FileNotFoundError as error:
            raise FileNotFoundError(f"image file not found: {path}") from error
        except OSError as error:  # a disk or a network that fails names no file
            reason = error.strerror or error
            raise ValueError(f"image file {path}: not readable: {reason}") from error

    def _decode(self, path: str, data: bytes, flag: str) -> np.ndarray:
        try:
            if self._as_stored:
                return decode_pixels(data, flag, self.imdecode_backend, self.pixel_format)
            return decode_bgr(data, flag, self.imdecode_backend)
        except (ValueError, ImportError) as error:
            raise type(error)(f"image file {path}: {error}") from error

    def __repr__(self) -> str:
        return f"{super().__repr__()[:-1]}, pixels={self.pixel_format})"
