"""What predictors have in common, whatever runs the network: sources in, results out.

numpy and pillow are enough.
"""

from __future__ import annotations

import itertools
import os
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
from PIL import Image

from condinst.images.pixel_format import PixelFormat
from condinst.images.sources import check_array, is_single, single_images, to_pixels
from condinst.results.results import Results
from condinst.tiling.tiling import Tiling, predict_by_tiles

__all__ = ["BasePredictor", "ImageSource"]

Prepared = TypeVar("Prepared")
T = TypeVar("T")


class ImageSource(NamedTuple):
    """One image: the path of its file, or its pixels, (H, W, 3) uint8 RGB.

    Where the model takes other images, pixels are of its
    :class:`~condinst.images.pixel_format.PixelFormat`.
    """

    path: str | None
    image: np.ndarray | None


class BasePredictor(ABC, Generic[Prepared]):
    """Takes sources of every kind apart, and hands out results a batch at a time.

    Args:
        batch_size: images at a time.
        score_thr: instances with a lower score are left out.
        channel_order: of arrays, "rgb" or "bgr".
        on_error: what a file that cannot be read does: "raise" or "skip".
        tiling: how to cut images into tiles, or None to look at them as they are. ``batch_size``
            counts tiles then.

    Attributes:
        pixel_format: of the images that the model takes.

    Raises:
        ValueError: an argument is wrong.
    """

    pixel_format = PixelFormat()

    def __init__(
        self,
        *,
        batch_size: int,
        score_thr: float,
        channel_order: str,
        on_error: str,
        tiling: Tiling | None = None,
    ) -> None:
        for name, value, known in (
            ("channel_order", channel_order, ("rgb", "bgr")),
            ("on_error", on_error, ("raise", "skip")),
        ):
            if value not in known:
                raise ValueError(f"{name}={value!r}: expected {known[0]!r} or {known[1]!r}")
        if batch_size < 1:
            raise ValueError(f"batch_size={batch_size}: expected 1 or more")
        if not 0 <= score_thr <= 1:
            raise ValueError(f"score_thr={score_thr}: expected a number from 0 to 1")
        self.batch_size = batch_size
        self.score_thr = score_thr
        self.channel_order = channel_order
        self.on_error = on_error
        self.tiling = tiling

    @abstractmethod
    def _read(self, path: str) -> np.ndarray:
        """The pixels of a file, as :meth:`_prepare` takes them of a source without a path."""

    @abstractmethod
    def _prepare(self, source: ImageSource) -> Prepared:
        """The network's input, and what the results need to know of the image."""

    @abstractmethod
    def _predict(self, batch: list[Prepared]) -> list[Results]:
        """The instances of at most ``batch_size`` images."""

    def __call__(self, source: Any) -> Results | list[Results]:
        """The instances of one image, or a list of them for more.

        Args:
            source: one image: an (H, W, 3) uint8 array, a PIL image, the path of a file; or more:
                the path of a folder or video (with OpenCV), a list, a generator. A model for other
                images takes arrays of its ``pixel_format`` as well: (H, W) for one channel,
                (H, W, C) for more.

        Raises:
            FileNotFoundError: a file is missing.
            ValueError: a file is no image or broken, an array is no image.
        """
        if is_single(source):
            opened = self._open(source)
            if self.tiling is not None:
                pixels = _usable(self._pixels, opened)
                return self._predict_by_tiles(opened, pixels, self.tiling)
            return self._predict([_usable(self._prepare, opened)])[0]
        return list(self.stream(source))

    def stream(self, source: Any) -> Iterator[Results]:
        """The same, a batch at a time as they are asked for: for long videos, large folders.

        An image of a file is not kept in memory, but read again when it is drawn on.
        """
        images = single_images(source)
        if self.tiling is not None:
            read = self._without_broken(lambda s: (s, self._pixels(s)), images)
            for item in read:
                try:
                    results = self._predict_by_tiles(*item, self.tiling)
                except _UnusableTileError as error:
                    self._skip(error)
                    continue
                yield results
            return
        prepared = self._without_broken(self._prepare, images)
        while True:
            batch, failed = _next_batch(prepared, self.batch_size)
            if batch:
                yield from self._predict(batch)
            if failed is not None:
                raise failed
            if not batch:
                return

    def _pixels(self, source: ImageSource) -> np.ndarray:
        if source.image is not None:
            return source.image
        assert source.path is not None
        return self._read(source.path)

    def _predict_by_tiles(self, source: ImageSource, pixels: np.ndarray, tiling: Tiling) -> Results:
        def prepare(tile: np.ndarray) -> Any:
            try:
                return _usable(self._prepare, ImageSource(None, tile))
            except (OSError, ValueError) as error:
                text = str(error).removeprefix("image file None: ")
                raise _UnusableTileError(f"image file {source.path}: {text}") from error

        def predict(images: list[np.ndarray]) -> list[Results]:
            return self._predict([prepare(image) for image in images])

        results = predict_by_tiles(pixels, tiling, predict, self.batch_size)
        results.path, results.image = source
        return results

    def _without_broken(
        self, function: Callable[[ImageSource], T], images: Iterable[Any]
    ) -> Iterator[T]:
        """The function of every image; where it cannot be read, what ``on_error`` says."""
        for image in images:
            try:
                done = _usable(function, self._open(image))
            except (OSError, ValueError, ImportError) as error:
                self._skip(error)
                continue
            yield done

    def _skip(self, error: Exception) -> None:
        """Warn of an image that cannot be used, or raise, as ``on_error`` says."""
        if self.on_error == "raise":
            raise error
        warnings.warn(f"skipped: {error}", stacklevel=3)

    def _open(self, image: Any) -> ImageSource:
        if isinstance(image, str | os.PathLike):
            return ImageSource(os.fspath(image), None)
        if isinstance(image, Image.Image):
            return ImageSource(None, to_pixels(image, self.pixel_format))
        check_array(image, self.pixel_format)
        if self.channel_order == "bgr" and image.shape[2:] == (3,):
            image = image[:, :, ::-1]
        return ImageSource(None, self.pixel_format.fit(image))


class _UnusableTileError(ValueError):
    """A tile of an image cannot be prepared; names the image's file."""


def _usable(function: Callable[[ImageSource], T], source: ImageSource) -> T:
    """The function of the source.

    Raises:
        ValueError: it cannot be used; names the file where there is one, whatever went wrong.
    """
    try:
        return function(source)
    except (OSError, ValueError, ImportError):
        raise
    except Exception as error:  # OpenCV's, and what a pipeline's transforms may raise
        if source.path is None:
            raise
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise ValueError(f"image file {source.path}: cannot be used: {reason}") from error


def _next_batch(items: Iterator[T], size: int) -> tuple[list[T], Exception | None]:
    """So many items, or those before one fails, and why it did."""
    batch: list[T] = []
    try:
        for item in itertools.islice(items, size):
            batch.append(item)
    except Exception as error:
        return batch, error
    return batch, None
