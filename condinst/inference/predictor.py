"""Prediction in Python programs with a config and a checkpoint."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.structures import InstanceData

from condinst.config.blame import blaming
from condinst.inference import setup as predictor_setup
from condinst.inference.base import BasePredictor, ImageSource
from condinst.masks.crop import Crop
from condinst.results.results import Results
from condinst.tiling.tiling import Tiling
from condinst.visualization.selection import SCORE_THR

__all__ = ["Predictor"]


class Predictor(BasePredictor[dict[str, Any]]):
    """A trained detector that predicts on images from any source; arrays are RGB.

    The config's test pipeline prepares the images, so the answers are those of ``tools/test.py``;
    ``channels_last`` and ``fold_norms`` only change the order of roundings. Several threads may
    call one predictor.

    Args:
        config: path of a config, mmengine's ``Config``, or the name of a model
            (``condinst.list_models()``); None (or the checkpoint's path) for the config that
            training wrote into the checkpoint.
        checkpoint: path, URL or name of a model; None for the weights that ``config`` names.
        device: torch device such as "cuda:0" or "cpu"; None for the GPU if there is one.
        dtype: "bfloat16" or "float16" for mixed precision; None for float32.
        channels_last: use torch's channels-last memory format: usually faster.
        fold_norms: fold batch norms into their convolutions: faster; None to fold where the answers
            do not change.
        compile: compile the network with ``torch.compile``, at the first image.
        batch_size: images per batch. The images of a batch are padded to one size.
        score_thr: instances with a lower score are left out, in addition to those that the config's
            ``model.test_cfg`` leaves out; a call may set another. With 0 the results are those that
            AP is computed from. With tiles, it applies to the detections of each tile.
        channel_order: order of the channels in arrays, "rgb" or "bgr".
        on_error: what to do if a file cannot be read: "raise", or "skip" to warn and give no
            results for it.
        tile: side, or height and width, of the tiles that images are cut into, in image pixels;
            None to predict whole images. Each tile passes the test pipeline like an image, with
            ``batch_size`` tiles per batch.
        tile_overlap, tile_standard_pred, tile_match_threshold: see
            :class:`~condinst.tiling.tiling.Tiling`.

    Raises:
        FileNotFoundError: the config or the checkpoint does not exist.
        ValueError: an argument has an invalid value, or the checkpoint does not fit the config's
            model.
        TypeError: an argument is of another type, or there is no such argument.

    Attributes:
        class_names: the name of every label.
        pixel_format: format of the model's images, from LoadImageFromFile in the test pipeline.
    """

    def __init__(
        self,
        config: str | os.PathLike | Config | None = None,
        checkpoint: str | os.PathLike | None = None,
        *,
        device: str | torch.device | None = None,
        dtype: str | torch.dtype | None = None,
        channels_last: bool = True,
        fold_norms: bool | None = None,
        compile: bool = False,
        batch_size: int = 1,
        score_thr: float = SCORE_THR,
        channel_order: str = "rgb",
        on_error: str = "raise",
        tile: int | Sequence[int] | None = None,
        tile_overlap: float = 0.2,
        tile_standard_pred: bool = False,
        tile_match_threshold: float = 0.5,
    ) -> None:
        super().__init__(
            batch_size=batch_size,
            score_thr=score_thr,
            channel_order=channel_order,
            on_error=on_error,
            tiling=Tiling.of(tile, tile_overlap, tile_standard_pred, tile_match_threshold),
        )
        self.device = predictor_setup.find_device(device)
        cfg, content, file = predictor_setup.load(config, checkpoint)
        self._cfg, self._works, self._file = cfg, False, file
        self._read_file, self._transform = predictor_setup.pipeline(cfg)
        self.pixel_format = self._read_file.pixel_format
        model = predictor_setup.build(cfg, content, file)
        predictor_setup.check_channels(cfg, model, self.pixel_format)
        self.class_names = predictor_setup.class_names(
            cfg, content, model.bbox_head.num_classes, file
        )
        self._model = predictor_setup.make_fast(
            model,
            device=self.device,
            dtype=dtype,
            channels_last=channels_last,
            fold_norms=fold_norms,
            compile=compile,
        )

    def _origin(self) -> str:
        return f"{self._file}, device={str(self.device)!r}"

    def _read(self, path: str) -> np.ndarray:
        return self.pixel_format.to_loaded(self._load(path)["img"])

    def _load(self, path: str) -> dict[str, Any]:
        if os.path.isdir(path):
            raise ValueError(f"image file {path}: is a folder")
        return self._read_file(dict(img_path=path, img_id=0))

    def _prepare(self, source: ImageSource) -> dict[str, Any]:
        """Run the pipeline on one image, and add its ``path``, ``image`` and ``size``."""
        record: dict[str, Any]
        path, image = source
        if image is None:
            assert path is not None
            record = self._load(path)
        else:
            pixels = self.pixel_format.to_loaded(image)
            if self._read_file.to_float32:
                pixels = pixels.astype(np.float32)
            shape = image.shape[:2]
            record = dict(img=pixels, img_shape=shape, ori_shape=shape, img_path=None, img_id=0)
        size = record["ori_shape"]
        with self._blaming():
            record = self._transform(record)
        return {**record, "path": path, "image": image, "size": size}

    @torch.no_grad()
    def _predict(self, batch: list[dict[str, Any]], score_thr: float) -> list[Results]:
        with self._blaming():
            found = self._model.test_step(
                dict(
                    inputs=[item["inputs"] for item in batch],
                    data_samples=[item["data_samples"] for item in batch],
                )
            )
        self._works = True
        return [
            self._to_results(sample.pred_instances, item, score_thr)
            for sample, item in zip(found, batch, strict=True)
        ]

    def _blaming(self) -> AbstractContextManager[None]:
        """Blame the config for errors until the first image has been predicted."""
        return nullcontext() if self._works else blaming(self._cfg, "the first image")

    def _to_results(self, found: InstanceData, item: dict[str, Any], score_thr: float) -> Results:
        scores = found.scores.float().cpu().numpy()
        chosen = np.flatnonzero(scores >= score_thr)
        masks = (found.masks[i] for i in chosen)
        return Results(
            image_size=item["size"],
            boxes=found.bboxes.float().cpu().numpy()[chosen],
            scores=scores[chosen],
            labels=found.labels.cpu().numpy()[chosen],
            crops=[Crop(crop.mask.cpu().numpy(), crop.x, crop.y) for crop in masks],
            class_names=self.class_names,
            path=item["path"],
            image=item["image"],
        )
