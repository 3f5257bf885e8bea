"""What predictors have in common, whatever runs the network: sources in, results out.

numpy and pillow are enough.
"""

from __future__ import annotations

import itertools
import os
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
from PIL import Image

from condinst.pictures import check_array, is_single, single_pictures, to_rgb
from condinst.results import Results

__all__ = ["PicturePredictor", "Source"]

Prepared = TypeVar("Prepared")


class Source(NamedTuple):
    """One picture: the path of its file, or its pixels, (H, W, 3) uint8 RGB."""

    path: str | None
    image: np.ndarray | None


class PicturePredictor(ABC, Generic[Prepared]):
    """Takes sources of every kind apart, and hands out results a batch at a time.

    Args:
        batch_size: pictures at a time.
        score_thr: instances with a lower score are left out.
        channel_order: of arrays, "rgb" or "bgr".
        on_error: what a file that cannot be read does: "raise" or "skip".

    Raises:
        ValueError: an argument is wrong.
    """

    def __init__(
        self, *, batch_size: int, score_thr: float, channel_order: str, on_error: str
    ) -> None:
        for name, value, known in (
            ("channel_order", channel_order, ("rgb", "bgr")),
            ("on_error", on_error, ("raise", "skip")),
        ):
            if value not in known:
                raise ValueError(f"{name}={value!r}: expected {known[0]!r} or {known[1]!r}")
        if batch_size < 1:
            raise ValueError(f"batch_size={batch_size}: expected 1 or more")
        self.batch_size = batch_size
        self.score_thr = score_thr
        self.channel_order = channel_order
        self.on_error = on_error

    @abstractmethod
    def _prepare(self, source: Source) -> Prepared:
        """The network's input, and what the results need to know of the picture."""

    @abstractmethod
    def _predict(self, batch: list[Prepared]) -> list[Results]:
        """The instances of at most ``batch_size`` pictures."""

    def __call__(self, source: Any) -> Results | list[Results]:
        """The instances of one picture, or a list of them for more.

        Args:
            source: one picture: an (H, W, 3) uint8 array, a PIL image, the path of a file; or more:
                the path of a folder or video (with OpenCV), a list, a generator.

        Raises:
            FileNotFoundError: a file is missing.
            ValueError: a file is no picture or broken, an array is no picture.
        """
        if is_single(source):
            return self._predict([self._prepare(self._open(source))])[0]
        return list(self.stream(source))

    def stream(self, source: Any) -> Iterator[Results]:
        """The same, a batch at a time as they are asked for: for long videos, large folders.

        A picture of a file is not kept in memory, but read again when it is drawn on.
        """
        pictures = single_pictures(source)
        prepared = (item for item in map(self._prepare_or_skip, pictures) if item is not None)
        while batch := list(itertools.islice(prepared, self.batch_size)):
            yield from self._predict(batch)

    def _prepare_or_skip(self, picture: Any) -> Prepared | None:
        try:
            return self._prepare(self._open(picture))
        except (OSError, ValueError) as error:
            if self.on_error == "raise":
                raise
            warnings.warn(f"skipped: {error}", stacklevel=2)
            return None

    def _open(self, picture: Any) -> Source:
        if isinstance(picture, str | os.PathLike):
            return Source(os.fspath(picture), None)
        if isinstance(picture, Image.Image):
            return Source(None, to_rgb(picture))
        check_array(picture)
        return Source(None, picture if self.channel_order == "rgb" else picture[:, :, ::-1])
