"""Images to be tested by tiles."""

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
    """The last step of a test pipeline: every tile goes through what follows the loading.

    Hands out ``inputs``, (T, C, H, W), the tiles; with ``tile_standard_pred`` and an image larger
    than a tile ``whole_input``, (C, H', W'), the whole image reduced; and ``data_samples``, one
    sample of the image itself, with its ground truth, and with what
    :class:`~condinst.models.CondInstTiles` needs to know of the tiles: ``tiles``, ``tile_meta``,
    ``reduction`` and ``whole_meta``.

    Args:
        transforms: what an image of a tile's size goes through, ``PackDetInputs`` at the end.
        tile, tile_overlap, tile_standard_pred: see :class:`~condinst.tiling.tiling.Tiling`.
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
