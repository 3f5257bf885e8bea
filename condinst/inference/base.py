"""Base class of all predictors, from sources of images to results.

The module needs numpy and pillow alone.
"""

from __future__ import annotations

import itertools
import os
import warnings
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from typing import (
    TYPE_CHECKING,
    Any,
    BinaryIO,
    Generic,
    NamedTuple,
    NoReturn,
    Protocol,
    TypeAlias,
    TypeVar,
    overload,
)

import numpy as np
from PIL import Image

from condinst.images.arrays import from_memory
from condinst.images.pixel_format import PixelFormat
from condinst.images.sources import is_single, single_images
from condinst.inference.options import HintingMeta, unknown_attribute, unknown_options
from condinst.results.results import Results
from condinst.tiling.tiling import Tiling, predict_by_tiles
from condinst.utils.arguments import check_whole, did_you_mean
from condinst.visualization.selection import check_score_thr

__all__ = ["BasePredictor", "ImageInput", "ImageSource", "SkippedWarning"]

Prepared = TypeVar("Prepared")
T = TypeVar("T")


class _Array(Protocol):
    """An array or tensor of any library that numpy can read."""

    def __array__(self) -> np.ndarray[Any, Any]: ...


# One image, as a caller may pass it, and several. An array is iterable but neither a sequence nor
# an iterator, which keeps the two apart for type checkers.
ImageInput: TypeAlias = str | os.PathLike[str] | Image.Image | _Array | bytes | BinaryIO
ImageInputs: TypeAlias = Sequence[ImageInput] | Iterator[ImageInput] | Set[ImageInput]


class ImageSource(NamedTuple):
    """One image: the path of its file, or its pixels.

    Pixels are (H, W, 3) uint8 RGB, or in the model's own
    :class:`~condinst.images.pixel_format.PixelFormat`.
    """

    path: str | None
    image: np.ndarray | None


class BasePredictor(Generic[Prepared], metaclass=HintingMeta):
    """Split sources into images, and predict them in batches.

    Args:
        batch_size: images per batch.
        score_thr: instances with a lower score are left out.
        channel_order: order of the channels in arrays, "rgb" or "bgr".
        on_error: what to do if a file cannot be read: "raise" or "skip".
        tiling: how to cut images into tiles; None to predict whole images. With tiles,
            ``batch_size`` counts tiles.

    Attributes:
        class_names: the name of every label.
        pixel_format: format of the images that the model takes.

    Raises:
        ValueError: an argument has an invalid value.
    """

    class_names: tuple[str, ...] = ()
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
        self.batch_size = check_whole("batch_size", batch_size)
        self.score_thr = check_score_thr(score_thr)
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
    def _predict(self, batch: list[Prepared], score_thr: float) -> list[Results]:
        """Predict the instances of at most ``batch_size`` images with at least a score."""

    @abstractmethod
    def _origin(self) -> str:
        """Return the model's file and the device, for ``repr``."""

    if not TYPE_CHECKING:  # a type checker must not think that every name exists

        def __getattr__(self, name: str) -> NoReturn:
            text = f"{type(self).__name__!r} object has no attribute {name!r}"
            if hint := unknown_attribute(name):
                raise AttributeError(f"{text}{hint}", name=name, obj=self)
            # without obj, or Python would add a suggestion of its own
            hint = did_you_mean(name, [*dir(type(self)), *vars(self)])
            raise AttributeError(f"{text}{hint}", name=name)

    def __repr__(self) -> str:
        names = ", ".join(self.class_names[:5]) + (", ..." if len(self.class_names) > 5 else "")
        noun = "class" if len(self.class_names) == 1 else "classes"
        return (
            f"{type(self).__name__}({self._origin()}, score_thr={self.score_thr:g}: "
            f"{len(self.class_names)} {noun}: {names})"
        )

    # A path may also be that of a folder or a video, which gives a list: pass it in a list, or to
    # stream(), where a type checker must know. A path is a sequence of texts, too: the overlap.
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, source: ImageInput, *, score_thr: float | None = None
    ) -> Results: ...

    @overload
    def __call__(self, source: ImageInputs, *, score_thr: float | None = None) -> list[Results]: ...

    def __call__(
        self, source: Any, *, score_thr: float | None = None, **unknown: Any
    ) -> Results | list[Results]:
        """Predict the instances of one image or of several; arrays are RGB.

        Args:
            source: one image or several. One image is the path of a file, a PIL image, the bytes of
                an image file, a file that is open for reading bytes, a uint8 array (H, W, 3) in
                RGB (or as ``channel_order`` says: OpenCV's are BGR), (H, W) or (H, W, 4), or such a
                tensor, which may have its channels first. Several
                are the path of a folder or video (with OpenCV), a list or a generator. A model for
                another ``pixel_format`` also takes arrays of that format: (H, W) for one channel,
                (H, W, C) for more.
            score_thr: instances with a lower score are left out; None for the predictor's own
                threshold.

        Returns:
            The results of one image; a list of them for several.

        Raises:
            FileNotFoundError: a file does not exist.
            ValueError: a file or an array is not an image, a file is damaged, or ``score_thr`` is
                not from 0 to 1.
            TypeError: the source is something else, or there is no such argument.
        """
        least = self._threshold(score_thr, unknown)
        if is_single(source):
            opened = self._open(source)
            if self.tiling is not None:
                pixels = _usable(self._pixels, opened)
                return self._predict_by_tiles(opened, pixels, self.tiling, least)
            return self._predict([_usable(self._prepare, opened)], least)[0]
        return list(self._stream(source, least))

    def _threshold(self, score_thr: float | None, unknown: dict[str, Any]) -> float:
        if unknown:
            raise TypeError(unknown_options(type(self), unknown))
        return self.score_thr if score_thr is None else check_score_thr(score_thr)

    @overload  # like that of a call, so that unknown arguments are known to be wrong
    def stream(
        self, source: ImageInput, *, score_thr: float | None = None
    ) -> Iterator[Results]: ...

    @overload
    def stream(
        self, source: ImageInputs, *, score_thr: float | None = None
    ) -> Iterator[Results]: ...

    def stream(
        self, source: Any, *, score_thr: float | None = None, **unknown: Any
    ) -> Iterator[Results]:
        """Predict like a call, but yield the results batch by batch, for long videos and folders.

        The images of files are not kept in memory; drawing reads them again. Arguments and errors
        are those of a call.
        """
        return self._stream(source, self._threshold(score_thr, unknown))

    def _stream(self, source: Any, score_thr: float) -> Iterator[Results]:
        images = single_images(source)
        if self.tiling is not None:
            read = self._without_broken(lambda s: (s, self._pixels(s)), images)
            for item in read:
                try:
                    results = self._predict_by_tiles(*item, self.tiling, score_thr)
                except _UnusableTileError as error:
                    self._skip(error)
                    continue
                yield results
            return
        prepared = self._without_broken(self._prepare, images)
        while True:
            batch, failed = _next_batch(prepared, self.batch_size)
            if batch:
                yield from self._predict(batch, score_thr)
            if failed is not None:
                raise failed
            if not batch:
                return

    def _pixels(self, source: ImageSource) -> np.ndarray:
        if source.image is not None:
            return source.image
        assert source.path is not None
        return self._read(source.path)

    def _predict_by_tiles(
        self, source: ImageSource, pixels: np.ndarray, tiling: Tiling, score_thr: float
    ) -> Results:
        def prepare(tile: np.ndarray) -> Any:
            try:
                return _usable(self._prepare, ImageSource(None, tile))
            except (OSError, ValueError) as error:
                text = str(error).removeprefix("image: ")
                place = "image" if source.path is None else f"image file {source.path}"
                raise _UnusableTileError(f"{place}: {text}") from error

        def predict(images: list[np.ndarray]) -> list[Results]:
            return self._predict([prepare(image) for image in images], score_thr)

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
        return ImageSource(None, from_memory(image, self.pixel_format, self.channel_order))


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
