"""Images for the check of exported files, and for calibration."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.dataset import Compose

from condinst.datasets.shapes.scene import draw_scene
from condinst.export.padding import read_padding
from condinst.export.verify import CheckedImage
from condinst.images.pixel_format import to_gray
from condinst.images.sources import list_folder
from condinst.inference.setup import pipeline

__all__ = ["ImageReader", "generated_images"]

# Heights and widths, pixels: a square, both orientations, and sides that no stride divides.
_GENERATED_SIZES = ((480, 480), (360, 500), (427, 261))


class ImageReader:
    """Read images as the config's test pipeline does.

    Args:
        cfg: config of the detector.

    Attributes:
        pixel_format: format of the images.
        steps: the transforms after the one that reads the file.
        padding: how the pipeline pads images; None if it does not.

    Raises:
        ValueError: exported files do not support the pipeline's padding.
    """

    def __init__(self, cfg: Config) -> None:
        self._read_file, transform = pipeline(cfg)
        self.pixel_format = self._read_file.pixel_format
        self.steps: list[Any] = list(transform.transforms)
        self.padding = read_padding(self.steps, self.pixel_format)
        # the file takes images as they are before the padding
        self._transform = Compose([s for s in self.steps if type(s).__name__ != "Pad"])

    def file(self, path: Path) -> CheckedImage:
        """Read an image file.

        Raises:
            FileNotFoundError: the file does not exist.
            ValueError: the file is not an image.
        """
        return self._finish(path.name, self._read_file(dict(img_path=str(path), img_id=0)))

    def array(self, name: str, image: np.ndarray) -> CheckedImage:
        """Convert an (H, W, 3) uint8 RGB image to the model's pixel format.

        Channels beyond the third repeat the first three. Values are scaled to the type's range.
        """
        shape, wanted = image.shape[:2], self.pixel_format
        if wanted.channels != 1:
            image = image[:, :, np.arange(wanted.channels) % 3]
        else:
            image = to_gray(image)
        if wanted.dtype != "uint8":
            image = (image * (np.float32(wanted.largest) / 255)).astype(wanted.dtype)
        pixels = np.ascontiguousarray(wanted.to_loaded(image))
        if self._read_file.to_float32:
            pixels = pixels.astype(np.float32)
        record = dict(img=pixels, img_shape=shape, ori_shape=shape, img_path=None, img_id=0)
        return self._finish(name, record)

    def folder(self, folder: str | os.PathLike, most: int) -> Iterator[CheckedImage]:
        """Read at most ``most`` images of a folder, evenly spread over the sorted names.

        Raises:
            FileNotFoundError: the folder does not exist.
            ValueError: the folder has no images.
        """
        root = Path(folder)
        if not root.is_dir():
            raise FileNotFoundError(f"folder of images {root} is not a folder")
        paths = list_folder(root)
        count = min(most, len(paths))
        for i in range(count):
            yield self.file(paths[i * len(paths) // count])

    def _finish(self, name: str, record: dict[str, Any]) -> CheckedImage:
        height, width = record["ori_shape"]
        inputs = self._transform(record)["inputs"]
        image = inputs.numpy().astype(np.float32)
        image = image[::-1] if len(image) == 3 else image
        pixels = np.ascontiguousarray(image)
        return CheckedImage(name, pixels, (int(height), int(width)), self.padding)


def generated_images(reader: ImageReader) -> list[CheckedImage]:
    """Generate the same images each time: scenes of shapes in several sizes, and noise."""
    rng = np.random.default_rng(0)
    images = []
    for height, width in _GENERATED_SIZES:
        scene = draw_scene(rng, max(height, width)).image[:height, :width]
        images.append(reader.array("shapes", scene))
    noise = rng.integers(0, 256, (300, 400, 3), dtype=np.uint8)
    return [*images, reader.array("noise", noise)]
