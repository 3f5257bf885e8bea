"""What the data workers prepare of an image's masks or colors, as typed records.

Letters in the shapes: M = objects of one image, H, W = rows and columns of a map.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

__all__ = ["SampledMasks", "SimilarColors"]


@dataclass
class SampledMasks:
    """The masks of one image as far as training reads them, made where the image is loaded.

    It takes the place of ``PolygonMasks`` and ``BitmapMasks`` in a data sample, and does what
    data samples, preprocessors and ``PackDetInputs`` ask of them.

    Attributes:
        samples: (M, h, w) bool, the pixels at ``stride // 2 + i * stride`` of the input image.
        centers: (M, 2) float32, xy mean of each mask's pixels, input-image pixels; (0, 0) for an
            empty mask.
        areas: (M,) int64, pixels of each mask.
        stride: pixels from one sample to the next.
        coarse: the same masks at the stride of the semantic loss, or None.
    """

    samples: Tensor
    centers: Tensor
    areas: Tensor
    stride: int
    coarse: SampledMasks | None = None

    def __len__(self) -> int:
        return self.samples.shape[0]

    def __getitem__(self, index: slice | Tensor | np.ndarray) -> SampledMasks:
        """The masks of a slice, of bools or of indices."""
        if isinstance(index, slice):
            return self._map(lambda x: x[index])
        inds = torch.as_tensor(index, device=self.samples.device)
        if inds.dtype == torch.bool:
            inds = inds.nonzero().squeeze(1)
        # copies whole masks, where indexing copies pixel by pixel
        return self._map(lambda x: x.index_select(0, inds))

    def _map(self, function: Callable[[Tensor], Tensor]) -> SampledMasks:
        """The same function for everything that there is one of per mask."""
        return replace(
            self,
            samples=function(self.samples),
            centers=function(self.centers),
            areas=function(self.areas),
            coarse=None if self.coarse is None else self.coarse._map(function),
        )

    @staticmethod
    def cat(parts: Sequence[SampledMasks]) -> SampledMasks:
        """The masks of all parts, which are of one image."""
        coarse = [part.coarse for part in parts if part.coarse is not None]
        return replace(
            parts[0],
            samples=torch.cat([part.samples for part in parts]),
            centers=torch.cat([part.centers for part in parts]),
            areas=torch.cat([part.areas for part in parts]),
            coarse=SampledMasks.cat(coarse) if coarse else None,
        )

    def to(self, device: torch.device | str, non_blocking: bool = False) -> SampledMasks:
        """The same on a device."""
        return self._map(lambda x: x.to(device, non_blocking=non_blocking))

    def pad(self, out_shape: tuple[int, int], pad_val: int = 0) -> SampledMasks:
        """Itself: samples are padded to the size of the mask logits, when that is known."""
        return self


@dataclass
class SimilarColors:
    """Which neighboring cells of an image are alike in color, made where the image is loaded.

    It takes the place of masks in the data samples of BoxInst, which learns from boxes.

    Attributes:
        edges: (E, h, w) bool: whether a cell and its E-th neighbor are alike. Neighbors are
            counted row by row, without the cell itself (see
            :func:`condinst.targets.color_similarity.neighbor_offsets`).
        stride: input-image pixels from one cell to the next.
        num_boxes: of the image.
    """

    edges: Tensor
    stride: int
    num_boxes: int

    def __len__(self) -> int:
        return self.num_boxes

    def __getitem__(self, index: slice | Tensor | np.ndarray) -> SimilarColors:
        """The same image with some of its boxes."""
        kept = index if isinstance(index, slice) else np.asarray(index)
        return replace(self, num_boxes=len(np.arange(self.num_boxes)[kept]))

    def to(self, device: torch.device | str, non_blocking: bool = False) -> SimilarColors:
        """The same on a device."""
        return replace(self, edges=self.edges.to(device, non_blocking=non_blocking))

    def pad(self, out_shape: tuple[int, int], pad_val: int = 0) -> SimilarColors:
        """Itself: edges are padded to the size of the mask logits, when that is known."""
        return self
