"""Testing by tiles: the detections on an image's tiles are merged into its instances."""

from __future__ import annotations

from typing import Any

import torch
from mmdet.structures import DetDataSample
from mmengine.model import BaseTTAModel
from mmengine.structures import InstanceData
from torch import Tensor

from condinst.masks.crop import Crop
from condinst.models.condinst import CondInst
from condinst.registry import MODELS
from condinst.results.results import Results
from condinst.tiling.merging import merge_views
from condinst.tiling.tiling import Tile, view_of_tile, view_of_whole

__all__ = ["CondInstTiles"]


@MODELS.register_module()
class CondInstTiles(BaseTTAModel):
    """Detect on the tiles that ``CutTiles`` makes, and merge the detections.

    The answers equal those of ``Predictor(..., tile=...)``. ``test_cfg.max_per_img`` limits the
    instances of a tile, not of an image.

    Args:
        module: the detector, or its config, with ``test_cfg.mask_format`` "crop".
        tile_match_threshold: see :class:`~condinst.tiling.tiling.Tiling`.
        batch_size: tiles that run at a time.
        mask_format: format of the returned masks, "rle" or "bool".

    Raises:
        ValueError: ``module`` is no CondInst, or ``mask_format`` has another value.
    """

    def __init__(
        self,
        tile_match_threshold: float = 0.5,
        batch_size: int = 1,
        mask_format: str = "rle",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not isinstance(self.module, CondInst):
            raise ValueError(
                "CondInstTiles: module: expected condinst.CondInst or condinst.BoxInst, got "
                f"{type(self.module).__name__}"
            )
        if mask_format not in ("rle", "bool"):
            raise ValueError(f"CondInstTiles: mask_format={mask_format!r}: expected rle or bool")
        self.tile_match_threshold = tile_match_threshold
        self.batch_size = batch_size
        self.mask_format = mask_format

    @torch.no_grad()
    def test_step(self, data: dict[str, Any]) -> list[DetDataSample]:
        """Detect the instances of a batch of images.

        Args:
            data: a batch from a pipeline with ``CutTiles``.

        Returns:
            The images' samples with ``pred_instances``.
        """
        wholes = data.get("whole_input") or [None] * len(data["inputs"])
        images = zip(data["inputs"], wholes, data["data_samples"], strict=True)
        return self.merge_preds([self._predict_views(*image) for image in images])

    def _predict_views(
        self, inputs: Tensor, whole: Tensor | None, image: DetDataSample
    ) -> list[DetDataSample]:
        """Return the image's own sample, then the samples of its views with their predictions."""
        meta = image.metainfo
        views = [DetDataSample(metainfo={**meta["tile_meta"], "tile": t}) for t in meta["tiles"]]
        found = [image]
        for start in range(0, len(views), self.batch_size):
            part = slice(start, start + self.batch_size)
            batch = dict(inputs=list(inputs[part]), data_samples=views[part])
            found += self.module.test_step(batch)
        if whole is not None:
            sample = DetDataSample(metainfo=meta["whole_meta"])
            found += self.module.test_step(dict(inputs=[whole], data_samples=[sample]))
        return found

    def merge_preds(self, data_samples_list: list[list[DetDataSample]]) -> list[DetDataSample]:
        """Merge the predictions of each image's views.

        Args:
            data_samples_list: per image, its own sample and the samples of its views.

        Returns:
            The images' samples with ``pred_instances``.
        """
        return [self._merge(image, found) for image, *found in data_samples_list]

    def _merge(self, image: DetDataSample, found: list[DetDataSample]) -> DetDataSample:
        size = tuple(image.ori_shape[:2])
        views = [
            view_of_tile(self._results(sample), Tile(*sample.tile), size)
            if "tile" in sample
            else view_of_whole(self._results(sample), image.reduction, size)
            for sample in found
        ]
        merged = merge_views(views, self.tile_match_threshold)
        image.pred_instances = InstanceData(
            bboxes=torch.from_numpy(merged.boxes),
            scores=torch.from_numpy(merged.scores),
            labels=torch.from_numpy(merged.labels),
            masks=_rles(merged) if self.mask_format == "rle" else torch.from_numpy(merged.masks),
        )
        return image

    def _results(self, sample: DetDataSample) -> Results:
        found = sample.pred_instances
        return Results(
            image_size=sample.ori_shape[:2],
            boxes=found.bboxes.float().cpu().numpy(),
            scores=found.scores.float().cpu().numpy(),
            labels=found.labels.cpu().numpy(),
            crops=[Crop(crop.mask.cpu().numpy(), crop.x, crop.y) for crop in found.masks],
            class_names=[str(i) for i in range(self.module.bbox_head.num_classes)],
        )


def _rles(results: Results) -> list[dict]:
    """Return RLEs in pycocotools' form, with counts as bytes."""
    return [{**rle, "counts": rle["counts"].encode()} for rle in results.rles]
