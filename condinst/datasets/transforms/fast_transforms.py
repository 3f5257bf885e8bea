"""mmdet's transforms that copy more than they must, or fail on the views that others return.

For 8-bit colors, the results are the same bytes.

Most of the time of both transforms goes into copying pixels to another order in memory. The pillow
backend decodes to RGB and returns a reversed view as BGR; RandomFlip returns a view too; and the
network needs one plane per channel. numpy copies such views pixel by pixel, OpenCV many pixels at a
time.
"""

import cv2
import mmcv
import numpy as np
import torch
from mmcv.image.geometric import cv2_interp_codes, pillow_interp_codes
from mmdet.datasets.transforms import PackDetInputs as MMDetPackDetInputs
from mmdet.datasets.transforms import Resize as MMDetResize
from mmdet.datasets.transforms import YOLOXHSVRandomAug as MMDetYOLOXHSVRandomAug
from PIL import Image

from condinst.datasets.transforms.keep_teacher_image import check_teacher_image
from condinst.registry import TRANSFORMS

__all__ = ["PackDetInputs", "Resize", "YOLOXHSVRandomAug"]


@TRANSFORMS.register_module()
class Resize(MMDetResize):
    """``Resize`` of mmdet that resizes a BGR view of an RGB image without copying it first.

    Images of other channels or types are resized channel by channel with the same filters, and keep
    their type. mmcv's pillow backend refuses 16 bits and weights colors by a fourth channel; OpenCV
    shrinks at most four channels.

    Raises:
        ValueError: the resized image would have no pixels.
    """

    def _resize_img(self, results: dict) -> None:
        image = results.get("img")
        if image is not None and self.keep_ratio:
            _check_sides(image, results)
        if image is not None and not _is_usual(image):
            self._resize_unusual(results, image)
            return
        if image is None or self.backend != "pillow" or not _is_view_of_rgb(image):
            super()._resize_img(results)
            return
        results["img"] = image[:, :, ::-1]
        super()._resize_img(results)
        cv2.cvtColor(results["img"], cv2.COLOR_RGB2BGR, dst=results["img"])

    def _resize_unusual(self, results: dict, image: np.ndarray) -> None:
        height, width = image.shape[:2]
        size = results["scale"]
        if self.keep_ratio:
            size = mmcv.rescale_size((width, height), size)
        resized = _resize_channels(image, size, self.backend, self.interpolation)
        results["img"] = resized
        results["img_shape"] = resized.shape[:2]
        results["scale_factor"] = (size[0] / width, size[1] / height)
        results["keep_ratio"] = self.keep_ratio


def _check_sides(image: np.ndarray, results: dict) -> None:
    """Check that the resized image has pixels; OpenCV would fail with an assertion."""
    height, width = image.shape[:2]
    size = mmcv.rescale_size((width, height), results["scale"])
    if min(size) < 1:
        path = results.get("img_path")
        place = "image" if path is None else f"image file {path}"
        raise ValueError(
            f"{place}: {width} x {height} (width x height) is too "
            f"thin: resized to the scale {tuple(results['scale'])}, it would have no pixels"
        )


def _is_usual(image: np.ndarray) -> bool:
    """Tell whether mmcv resizes an image correctly with both backends."""
    return image.dtype == np.uint8 and (image.ndim == 2 or image.shape[2] == 3)


def _resize_channels(
    image: np.ndarray, size: tuple[int, int], backend: str, interpolation: str
) -> np.ndarray:
    """Resize an (H, W) or (H, W, C) image to ``size``, width and height."""
    channels = [image] if image.ndim == 2 else [image[:, :, i] for i in range(image.shape[2])]
    if backend == "pillow":
        code = pillow_interp_codes[interpolation]
        resized = [_resize_by_pillow(channel, size, code) for channel in channels]
    else:
        code = cv2_interp_codes[interpolation]
        resized = [
            cv2.resize(np.ascontiguousarray(channel), size, interpolation=code)
            for channel in channels
        ]
    return resized[0] if image.ndim == 2 else np.stack(resized, axis=2)


def _resize_by_pillow(channel: np.ndarray, size: tuple[int, int], code: int) -> np.ndarray:
    """Resize one (H, W) channel; 16-bit values are resized as floats and rounded."""
    kept = channel if channel.dtype == np.uint8 else channel.astype(np.float32)
    resized = np.asarray(Image.fromarray(kept).resize(size, code))
    if channel.dtype == np.uint16:
        return np.clip(np.rint(resized), 0, 65535).astype(np.uint16)
    return resized


def _is_view_of_rgb(image: np.ndarray) -> bool:
    return (
        image.ndim == 3
        and image.shape[2] == 3
        and image.strides[2] < 0
        and image[:, :, ::-1].flags.c_contiguous
    )


@TRANSFORMS.register_module()
class PackDetInputs(MMDetPackDetInputs):
    """``PackDetInputs`` of mmdet that splits the image into planes with OpenCV.

    16-bit images become float32, because torch has almost no arithmetic for uint16. The image that
    ``KeepTeacherImage`` has kept becomes ``teacher_img`` of the data sample, (C, H, W).

    Raises:
        ValueError: see :func:`check_teacher_image`.
    """

    def transform(self, results: dict) -> dict:
        image = results.get("img")
        if "teacher_img" in results:
            check_teacher_image(results)
        if image is not None:
            # The planes may be written to: torch warns of arrays that may not, such as those of
            # Pillow's images. And mmdet transposes an image that is not contiguous, and
            # then has nothing left to copy.
            results["img"] = _planes(_usable(image)).transpose(1, 2, 0)
        packed = super().transform(results)
        if "teacher_img" in results:
            planes = _planes(_usable(results["teacher_img"]))
            packed["data_samples"].teacher_img = torch.from_numpy(planes)
        return packed


def _usable(image: np.ndarray) -> np.ndarray:
    """Return an image as (H, W, C), of a type that torch computes with."""
    if image.dtype == np.uint16:
        image = image.astype(np.float32)
    return image[:, :, None] if image.ndim == 2 else image


def _planes(image: np.ndarray) -> np.ndarray:
    """Return the pixels of an (H, W, C) image as a contiguous, writable (C, H, W) array."""
    flipped = tuple(axis for axis in (0, 1) if image.strides[axis] < 0)
    straight = np.flip(image, flipped)
    if not straight.flags.c_contiguous:
        return np.require(image.transpose(2, 0, 1), requirements=["C", "W"])
    if flipped:
        straight = cv2.flip(straight, -1 if len(flipped) == 2 else flipped[0])
    planes = np.empty((image.shape[2], *image.shape[:2]), image.dtype)
    cv2.split(straight, list(planes))
    return planes


@TRANSFORMS.register_module()
class YOLOXHSVRandomAug(MMDetYOLOXHSVRandomAug):
    """``YOLOXHSVRandomAug`` of mmdet for mirrored images and RGB as BGR.

    These are views of another order in memory, into which OpenCV cannot write.
    """

    def transform(self, results: dict) -> dict:
        """Change the colors of an 8-bit image of three channels."""
        results["img"] = np.ascontiguousarray(results["img"])  # no copy where it is
        return super().transform(results)
