"""Reading a picture from a file, in the orientation that its annotations were made in."""

import mmengine.fileio as fileio
import numpy as np
from mmcv.transforms import LoadImageFromFile as MMCVLoadImageFromFile

from condinst.datasets.image_decode import decode_image
from condinst.registry import TRANSFORMS

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

    The picture's size must be the annotations' (``height`` and ``width``, where they are given).
    When a file's EXIF orientation swaps the two, the picture is loaded as the annotations have it:
    some labelling tools apply the orientation and some do not.

    Raises FileNotFoundError for a missing file and ValueError for a broken one or a size that does
    not match; with ``ignore_empty=True`` returns None instead, as mmcv does.
    """

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
        reads_exif = self.imdecode_backend in ("cv2", "pillow")
        if other_flag and reads_exif and image.shape[1::-1] == expected:
            other = self._decode(path, data, other_flag)
            if other.shape[:2] == expected:
                return other
        raise ValueError(
            f"image file {path}: the picture is {image.shape[1]} x {image.shape[0]} (width x "
            f"height), its annotations say {expected[1]} x {expected[0]}"
        )

    def _read(self, path: str) -> bytes:
        try:
            if self.file_client_args is not None:
                client = fileio.FileClient.infer_client(self.file_client_args, path)
                return client.get(path)
            return fileio.get(path, backend_args=self.backend_args)
        except FileNotFoundError as error:
            raise FileNotFoundError(f"image file not found: {path}") from error

    def _decode(self, path: str, data: bytes, flag: str) -> np.ndarray:
        try:
            return decode_image(data, flag, self.imdecode_backend)
        except ValueError as error:
            raise ValueError(f"image file {path}: {error}") from error
