"""Prediction with exported files, in ONNX Runtime and OpenVINO."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np

from condinst.deploy.metadata import FileInfo, decode
from condinst.deploy.preprocess import to_input
from condinst.deploy.runtimes import Arrays, OnnxRuntime, OpenVino
from condinst.images.sources import read_image
from condinst.inference.base import BasePredictor, ImageSource
from condinst.masks.resize import draw_crop
from condinst.results.results import Results
from condinst.tiling.tiling import Tiling
from condinst.utils.arguments import check_path, check_whole
from condinst.visualization.selection import SCORE_THR

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["OnnxPredictor", "OpenVinoPredictor"]

# 100 masks of this size take 3 GB.
MAX_MASK_PIXELS = 2**22


class _Settings(TypedDict, total=False):
    """Keyword arguments of every predictor of files; see :class:`OnnxPredictor`."""

    score_thr: float
    channel_order: str
    on_error: str
    max_mask_pixels: int | None
    tile: int | Sequence[int] | None
    tile_overlap: float
    tile_standard_pred: bool
    tile_match_threshold: float


@dataclass(frozen=True)
class _Image:
    """One prepared image.

    Attributes:
        pixels: (C, H', W') float32, the file's input.
        inner_size: height and width of the image within the input, without padding.
        size: height and width of the image itself.
        mask_size: height and width at which the file draws masks.
        path, image: as in :class:`~condinst.results.results.Results`.
    """

    pixels: np.ndarray
    inner_size: tuple[int, int]
    size: tuple[int, int]
    mask_size: tuple[int, int]
    path: str | None
    image: np.ndarray | None


class _FilePredictor(BasePredictor[_Image]):
    """Base class of the predictors of exported files, for any runtime."""

    def __init__(
        self,
        path: Path,
        runtime: OnnxRuntime | OpenVino,
        *,
        score_thr: float = SCORE_THR,
        channel_order: str = "rgb",
        on_error: str = "raise",
        max_mask_pixels: int | None = MAX_MASK_PIXELS,
        tile: int | Sequence[int] | None = None,
        tile_overlap: float = 0.2,
        tile_standard_pred: bool = False,
        tile_match_threshold: float = 0.5,
    ) -> None:
        tiling = Tiling.of(tile, tile_overlap, tile_standard_pred, tile_match_threshold)
        if max_mask_pixels is not None:
            check_whole("max_mask_pixels", max_mask_pixels, more=", or None")
        try:
            self.metadata = decode(runtime.metadata)
            self._info = FileInfo.from_metadata(self.metadata)
        except ValueError as error:
            raise ValueError(f"model file {path}: {error}") from error
        if self._info.fixed_size is None and (self._info.batch or 1) > 1:
            raise ValueError(
                f"model file {path}: metadata condinst.batch: expected 1 or null where sizes vary, "
                f"got {self._info.batch}: images have sizes of their own"
            )
        super().__init__(
            batch_size=self._info.batch or 1,
            score_thr=score_thr,
            channel_order=channel_order,
            on_error=on_error,
            tiling=tiling,
        )
        self._path, self._runtime = path, runtime
        self.class_names = self._info.class_names
        self.pixel_format = self._info.pixel_format
        self.max_mask_pixels = max_mask_pixels

    def _origin(self) -> str:
        return str(self._path)

    def _read(self, path: str) -> np.ndarray:
        return read_image(path, pixel_format=self.pixel_format)

    def _prepare(self, source: ImageSource) -> _Image:
        path, kept = source
        image = kept
        if image is None:
            assert path is not None
            image = self._read(path)
        size: tuple[int, int] = (image.shape[0], image.shape[1])
        pixels, inner_size = to_input(image, self._info)
        return _Image(pixels, inner_size, size, self._mask_size(size), path, kept)

    def _mask_size(self, size: tuple[int, int]) -> tuple[int, int]:
        height, width = size
        if self.max_mask_pixels is None or height * width <= self.max_mask_pixels:
            return size
        factor = (self.max_mask_pixels / (height * width)) ** 0.5
        return max(int(height * factor), 1), max(int(width * factor), 1)

    def _predict(self, batch: list[_Image], score_thr: float) -> list[Results]:
        images = np.stack([image.pixels for image in batch])
        missing = self.batch_size - len(batch)
        if missing:  # fill the last batch up to the size that the file needs
            images = np.concatenate([images, np.zeros((missing, *images.shape[1:]), np.float32)])
        out_size = np.array(batch[0].mask_size, np.int64)
        outputs = self._runtime.run(dict(images=images, out_size=out_size))
        if self._info.fixed_size is None:
            return [self._to_results(outputs, batch[0], batch[0].mask_size, score_thr)]
        return [
            self._to_results(
                {key: value[i] for key, value in outputs.items()},
                image,
                image.inner_size,
                score_thr,
            )
            for i, image in enumerate(batch)
        ]

    def _to_results(
        self, outputs: Arrays, source: _Image, drawn_size: tuple[int, int], score_thr: float
    ) -> Results:
        """Convert the outputs of one image to results.

        Args:
            outputs: boxes (N, 4), scores and labels (N,), masks (N, h, w); label -1 where there is
                no instance.
            source: the prepared image.
            drawn_size: height and width of the image within the masks, without padding; boxes are
                in its pixels.
            score_thr: instances with a lower score are left out.
        """
        (height, width), (rows, columns) = source.size, drawn_size
        boxes, masks = outputs["boxes"], outputs["masks"]
        found = (outputs["labels"] >= 0) & (outputs["scores"] >= score_thr)
        if drawn_size != source.size:
            boxes = boxes * np.array([width / columns, height / rows] * 2, np.float32)
        if drawn_size != masks.shape[1:]:  # drop instances in the padding
            boxes = np.clip(boxes, 0, np.array([width, height] * 2, np.float32))
            found &= (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
        return Results(
            image_size=source.size,
            boxes=boxes[found],
            scores=outputs["scores"][found],
            labels=outputs["labels"][found],
            crops=[draw_crop(mask[:rows, :columns], source.size) for mask in masks[found]],
            class_names=self.class_names,
            path=source.path,
            image=source.image,
        )


class OnnxPredictor(_FilePredictor):
    """Prediction with a file of ``condinst export``, in ONNX Runtime.

    The predictor is called like :class:`condinst.Predictor`, and prepares images as the config's
    test pipeline does, without PyTorch. Several threads may call one predictor.

    Args:
        file: path of the .onnx file, for any size or for a fixed one.
        providers: ONNX Runtime's execution providers, best first; None for the CPU.
        threads: threads of one prediction; None for one per core.
        score_thr: instances with a lower score are left out; a call may set another.
        channel_order: order of the channels in arrays, "rgb" or "bgr".
        on_error: what to do if an image file cannot be read: "raise", or "skip" to warn and give no
            results for it.
        max_mask_pixels: masks of larger images are drawn at this many pixels and enlarged. The file
            draws all masks of an image at once, which takes 8 bytes per pixel and instance: 10 GB
            for 100 masks of 12 megapixels. None for no limit.
        tile, tile_overlap, tile_standard_pred, tile_match_threshold: as for
            :class:`condinst.Predictor`.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: the file is damaged or was not written by ``condinst export``, or an argument
            has an invalid value.
        ImportError: onnxruntime is not installed.

    Attributes:
        class_names: the name of every label.
        metadata: the file's metadata, see :func:`condinst.deploy.metadata.decode`.
    """

    def __init__(
        self,
        file: str | os.PathLike,
        *,
        providers: Sequence[Any] | None = None,
        threads: int | None = None,
        **settings: Unpack[_Settings],
    ) -> None:
        path = Path(check_path("file", file, "the path of an .onnx file"))
        super().__init__(path, OnnxRuntime(path, providers, threads), **settings)


class OpenVinoPredictor(_FilePredictor):
    """Prediction with a file of ``condinst export --format openvino``, in OpenVINO.

    Errors and attributes are those of :class:`OnnxPredictor`.

    Args:
        file: path of the .xml file; its .bin must be in the same folder.
        device: OpenVINO's name of the device, such as "CPU" or "GPU".
        threads, score_thr, channel_order, on_error, max_mask_pixels: see :class:`OnnxPredictor`.
        tile, tile_overlap, tile_standard_pred, tile_match_threshold: see :class:`OnnxPredictor`.
    """

    def __init__(
        self,
        file: str | os.PathLike,
        *,
        device: str = "CPU",
        threads: int | None = None,
        **settings: Unpack[_Settings],
    ) -> None:
        path = Path(check_path("file", file, "the path of an .xml file"))
        super().__init__(path, OpenVino(path, device, threads), **settings)
