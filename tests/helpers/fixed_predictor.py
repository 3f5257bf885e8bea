"""A predictor without a network: every image has the same three instances."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image
from three_instances import SIZE, make_results

from condinst.images.sources import read_image
from condinst.inference.base import BasePredictor, ImageSource
from condinst.results.results import Results


class FixedPredictor(BasePredictor[ImageSource]):
    """Finds the instances of ``three_instances`` in images of that size."""

    class_names = ("cat", "dog")

    def __init__(self) -> None:
        super().__init__(batch_size=1, score_thr=0.3, channel_order="rgb", on_error="raise")
        self.calls = 0

    def _read(self, path: str) -> np.ndarray:
        return read_image(path)

    def _prepare(self, source: ImageSource) -> ImageSource:
        self._pixels(source)
        return source

    def _predict(self, batch: list[Any], score_thr: float) -> list[Results]:
        self.calls += len(batch)
        found = [make_results(path=source.path, image=source.image)[0] for source in batch]
        return [results[results.scores >= score_thr] for results in found]

    def _origin(self) -> str:
        return "fixed"


def write_image(path: Path, value: int = 90) -> Path:
    """Write a gray image of the size of the instances."""
    Image.fromarray(np.full(SIZE, value, np.uint8)).save(path)
    return path


def write_video(path: Path, num_frames: int = 3) -> Path:
    """Write a gray video of that size at 10 frames per second."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, SIZE[::-1])
    for number in range(num_frames):
        writer.write(np.full((*SIZE, 3), 40 * number, np.uint8))
    writer.release()
    return path
