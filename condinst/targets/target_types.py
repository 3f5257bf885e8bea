"""Records of the targets that the data workers compute from an image's masks or colors.

Shapes: M objects of one image, h x w samples or cells of a map, E neighbors of a cell.
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
    """The sampled masks of one image, with all that training reads of the masks.

    The record replaces ``PolygonMasks`` or ``BitmapMasks`` as ``gt_masks``, the key that mmdet's
    pipelines carry, and has the methods that mmdet's data samples, preprocessors and
    ``PackDetInputs`` call.

    Attributes:
        samples: (M, h, w) bool, the pixels at ``stride // 2 + i * stride`` of the input image.
        centers: (M, 2) float32, xy mean of each mask's pixels, input-image pixels; (0, 0) for an
            empty mask.
        areas: (M,) int64, pixels of each mask.
        stride: pixels from one sample to the next.
        coarse: the same masks at the stride of the semantic loss, or None.
        size: height and width of the input image.
        box_only: (M,) bool, whether only the box of the object is known, whose ``samples``, center
            and area are then those of the box; None where all objects have masks.
        colors: the colors of the image, where an object has only a box.
    """

    samples: Tensor
    centers: Tensor
    areas: Tensor
    stride: int
    coarse: SampledMasks | None = None
    size: tuple[int, int] | None = None
    box_only: Tensor | None = None
    colors: SimilarColors | None = None

    def __len__(self) -> int:
        return self.samples.shape[0]

    def __getitem__(self, index: slice | Tensor | np.ndarray) -> SampledMasks:
        """Select masks by a slice, by bools or by indices."""
        if isinstance(index, slice):
            return self._map(lambda x: x[index])
        inds = torch.as_tensor(index, device=self.samples.device)
        if inds.dtype == torch.bool:
            inds = inds.nonzero().squeeze(1)
        # index_select copies whole masks; indexing would copy pixel by pixel
        return self._map(lambda x: x.index_select(0, inds))

    def _map(self, function: Callable[[Tensor], Tensor]) -> SampledMasks:
        """Apply a function to every tensor with one row per mask."""
        return replace(
            self,
            samples=function(self.samples),
            centers=function(self.centers),
            areas=function(self.areas),
            coarse=None if self.coarse is None else self.coarse._map(function),
            box_only=None if self.box_only is None else function(self.box_only),
        )

    @staticmethod
    def cat(parts: Sequence[SampledMasks]) -> SampledMasks:
        """Join the masks of all parts, which must be of one image."""
        coarse = [part.coarse for part in parts if part.coarse is not None]
        flags = [
            torch.zeros(len(part), dtype=torch.bool) if part.box_only is None else part.box_only
            for part in parts
        ]
        mixed = any(part.box_only is not None for part in parts)
        colors = next((part.colors for part in parts if part.colors is not None), None)
        return replace(
            parts[0],
            samples=torch.cat([part.samples for part in parts]),
            centers=torch.cat([part.centers for part in parts]),
            areas=torch.cat([part.areas for part in parts]),
            coarse=SampledMasks.cat(coarse) if coarse else None,
            box_only=torch.cat(flags) if mixed else None,
            colors=colors,
        )

    def to(self, device: torch.device | str, non_blocking: bool = False) -> SampledMasks:
        """Copy the tensors to a device."""
        moved = self._map(lambda x: x.to(device, non_blocking=non_blocking))
        if self.colors is not None:
            moved.colors = self.colors.to(device, non_blocking)
        return moved

    def pad(self, out_shape: tuple[int, int], pad_val: int = 0) -> SampledMasks:
        """Return itself: ground truth pads the samples once the size of the logits is known."""
        return self

    def to_ndarray(self) -> np.ndarray:
        """Return (M, H, W) uint8 masks in which each pixel has the value of the next sample.

        mmdet's ``browse_dataset.py`` draws them.
        """
        if self.size is None:
            raise ValueError("the size of the image of these samples is not known")
        places = [
            np.clip(np.arange(side) // self.stride, 0, n - 1)
            for side, n in zip(self.size, self.samples.shape[1:], strict=True)
        ]
        samples = self.samples.cpu().numpy().astype(np.uint8)  # (M, h, w)
        return samples[:, places[0][:, None], places[1]]


@dataclass
class SimilarColors:
    """The pairs of neighboring cells of an image that have similar colors.

    The record replaces masks as ``gt_masks`` in the data samples of BoxInst, which learns from
    boxes.

    Attributes:
        edges: (E, h, w) bool: whether a cell and its e-th neighbor have similar colors. Neighbors
            are numbered row by row, without the cell itself (see
            :func:`condinst.targets.color_similarity.neighbor_offsets`).
        stride: input-image pixels from one cell to the next.
        num_boxes: number of boxes in the image, the length that data samples check.
    """

    edges: Tensor
    stride: int
    num_boxes: int

    def __len__(self) -> int:
        return self.num_boxes

    def __getitem__(self, index: slice | Tensor | np.ndarray) -> SimilarColors:
        """Select some of the image's boxes; the edges are those of the whole image."""
        kept = index if isinstance(index, slice) else np.asarray(index)
        return replace(self, num_boxes=len(np.arange(self.num_boxes)[kept]))

    def to(self, device: torch.device | str, non_blocking: bool = False) -> SimilarColors:
        """Copy the edges to a device."""
        return replace(self, edges=self.edges.to(device, non_blocking=non_blocking))

    def pad(self, out_shape: tuple[int, int], pad_val: int = 0) -> SimilarColors:
        """Return itself: ground truth pads the edges once the size of the logits is known."""
        return self

    def to_ndarray(self) -> np.ndarray:
        """Refuse to be drawn, in words for those who run mmdet's ``browse_dataset.py``."""
        raise TypeError(
            "the masks of BoxInst's training data are similarities of colors, which cannot be "
            "drawn as masks; use condinst browse"
        )
