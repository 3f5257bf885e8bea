"""Base class of all predictors, from sources of images to results.

The module needs numpy and pillow alone.
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

__all__ = ["BasePredictor", "ImageSource", "SkippedWarning"]

Prepared = TypeVar("Prepared")
T = TypeVar("T")


class ImageSource(NamedTuple):
    """One image: the path of its file, or its pixels.

    Pixels are (H, W, 3) uint8 RGB, or in the model's own
    :class:`~condinst.images.pixel_format.PixelFormat`.
    """

    path: str | None
    image: np.ndarray | None


class BasePredictor(ABC, Generic[Prepared]):
    """Split sources into images, and predict them in batches.

    Args:
        batch_size: images per batch.
        score_thr: instances with a lower score are left out.
        channel_order: order of the channels in arrays, "rgb" or "bgr".
        on_error: what to do if a file cannot be read: "raise" or "skip".
        tiling: how to cut images into tiles; None to predict whole images. With tiles,
            ``batch_size`` counts tiles.

    Attributes:
        pixel_format: format of the images that the model takes.

    Raises:
        ValueError: an argument has an invalid value.
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
        """Read the pixels of a file, in the form of ``ImageSource.image``."""

    @abstractmethod
    def _prepare(self, source: ImageSource) -> Prepared:
        """Compute the network's input and the data of the image that results need."""

    @abstractmethod
    def _predict(self, batch: list[Prepared]) -> list[Results]:
        """Predict the instances of at most ``batch_size`` images."""

    def __call__(self, source: Any) -> Results | list[Results]:
        """Predict the instances of one image or of several.

        Args:
            source: one image: an (H, W, 3) uint8 array, a PIL image or the path of a file; or
                several: the path of a folder or video (with OpenCV), a list or a generator. A model
                for another ``pixel_format`` also takes arrays of that format: (H, W) for one
                channel, (H, W, C) for more.

        Returns:
            The results of one image; a list of them for several.

        Raises:
            FileNotFoundError: a file does not exist.
            ValueError: a file or an array is not an image, or a file is damaged.
        """
        if is_single(source):
            opened = self._open(source)
            if self.tiling is not None:
                pixels = _usable(self._pixels, opened)
                return self._predict_by_tiles(opened, pixels, self.tiling)
            return self._predict([_usable(self._prepare, opened)])[0]
        return list(self.stream(source))

    def stream(self, source: Any) -> Iterator[Results]:
        """Predict like a call, but yield the results batch by batch, for long videos and folders.

        The images of files are not kept in memory; drawing reads them again.
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
        """Apply a function to every image; treat unreadable images as ``on_error`` says."""
        for image in images:
            try:
                done = _usable(function, self._open(image))
            except (OSError, ValueError, ImportError) as error:
                self._skip(error)
                continue
            yield done

    def _skip(self, error: Exception) -> None:
        """Warn of an image that cannot be used, or raise the error, as ``on_error`` says."""
        if self.on_error == "raise":
            raise error
        warnings.warn(f"skipped: {error}", SkippedWarning, stacklevel=3)

    def _open(self, image: Any) -> ImageSource:
        if isinstance(image, str | os.PathLike):
            return ImageSource(os.fspath(image), None)
        if isinstance(image, Image.Image):
            return ImageSource(None, to_pixels(image, self.pixel_format))
        check_array(image, self.pixel_format)
        if self.channel_order == "bgr" and image.shape[2:] == (3,):
            image = image[:, :, ::-1]
        return ImageSource(None, self.pixel_format.fit(image))


class SkippedWarning(UserWarning):
    """An image that cannot be used was left out, as ``on_error="skip"`` says."""


class _UnusableTileError(ValueError):
    """Raised if a tile of an image cannot be prepared; the message names the image's file."""


def _usable(function: Callable[[ImageSource], T], source: ImageSource) -> T:
    """Apply a function to a source.

    Raises:
        ValueError: the function failed in any way; the message names the source's file.
    """
    try:
        return function(source)
    except (OSError, ValueError, ImportError):
        raise
    except Exception as error:  # OpenCV's errors, and those of a pipeline's transforms
        if source.path is None:
            raise
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise ValueError(f"image file {source.path}: cannot be used: {reason}") from error


def _next_batch(items: Iterator[T], size: int) -> tuple[list[T], Exception | None]:
    """Return up to ``size`` items; if one fails, the items before it and its error."""
    batch: list[T] = []
    try:
        for item in itertools.islice(items, size):
            batch.append(item)
    except Exception as error:
        return batch, error
    return batch, None
