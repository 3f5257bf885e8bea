"""Cut images into tiles for testing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmcv.transforms import BaseTransform
from mmengine.dataset import Compose

from condinst.registry import TRANSFORMS
from condinst.tiling.tiling import Tiling, reduce_image

__all__ = ["CutTiles"]


@TRANSFORMS.register_module()
class CutTiles(BaseTransform):
    """Cut an image into tiles and transform each tile; the last step of a test pipeline.

    The results are ``inputs``, the T tiles (T, C, H, W); with ``tile_standard_pred`` and an image
    larger than a tile also ``whole_input``, the reduced whole image (C, H', W'); and
    ``data_samples``, the sample of the image with its ground truth and with the metainfo for
    :class:`~condinst.models.CondInstTiles`: ``tiles``, ``tile_meta``, ``reduction`` and
    ``whole_meta``.

    Args:
        transforms: transforms of each tile, ``PackDetInputs`` at the end.
        tile, tile_overlap, tile_standard_pred: see :class:`~condinst.tiling.tiling.Tiling`.

    Raises:
        ValueError: an argument has an invalid value.
    """

    def __init__(
        self,
        transforms: Sequence[dict],
        tile: int | Sequence[int],
        tile_overlap: float = 0.2,
        tile_standard_pred: bool = False,
    ) -> None:
        *steps, pack = [TRANSFORMS.build(step) for step in transforms]
        self._pack = pack
        self._transform = Compose([*steps, pack])
        tiling = Tiling.of(tile, tile_overlap, tile_standard_pred, 0.5)
        if tiling is None:
            raise ValueError("CutTiles: tile=None: expected a side in pixels, or (height, width)")
        self.tiling = tiling

    def transform(self, results: dict) -> dict:
        image = results.pop("img")
        size = (image.shape[0], image.shape[1])
        tiles = self.tiling.tiles(size)
        cut = [self._view(image[tile.y1 : tile.y2, tile.x1 : tile.x2]) for tile in tiles]
        packed = self._pack(results)
        packed["inputs"] = torch.stack([view["inputs"] for view in cut])
        meta = dict(tiles=tiles, tile_meta=cut[0]["data_samples"].metainfo, reduction=1)
        factor = self.tiling.reduction(size)
        if self.tiling.standard_pred and factor > 1:
            whole = self._view(reduce_image(image, factor))
            packed["whole_input"] = whole["inputs"]
            meta |= dict(reduction=factor, whole_meta=whole["data_samples"].metainfo)
        packed["data_samples"].set_metainfo(meta)
        return packed

    def _view(self, pixels: Any) -> dict:
        shape = pixels.shape[:2]
        return self._transform(dict(img=pixels, img_shape=shape, ori_shape=shape))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.tiling}, {self._transform})"
