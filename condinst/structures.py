"""Typed records that flow between the stages, one way.

Letters used in shapes here and in the models:
    B images, L levels, P points of all levels, C classes, K parameters of one dynamic network,
    M objects of one picture, N instances, H and W rows and columns of a map.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


class DensePredictions(NamedTuple):
    """What the box head says at every point, one tensor per pyramid level.

    Attributes:
        cls_scores: (B, C, H, W) class logits.
        bbox_preds: (B, 4, H, W) distances left, top, right, bottom from the point to the box, not
            negative. In units of the level's stride while training with ``norm_on_bbox``, in
            input-image pixels otherwise.
        centernesses: (B, 1, H, W) logits.
        param_feats: (B, X, H, W) features that the controller reads, at the points of instances
            only: at all others its K channels would be thrown away.
    """

    cls_scores: list[Tensor]
    bbox_preds: list[Tensor]
    centernesses: list[Tensor]
    param_feats: list[Tensor]


@dataclass
class GroundTruth:
    """The annotations of one picture, in input-image pixels.

    Attributes:
        bboxes: (M, 4) xyxy.
        labels: (M,) class indices.
        centers: (M, 2) xy, the point around which locations become positive: the centroid of the
            mask, or the centre of the box where there is no mask.
        masks: (M, H, W) bool, the masks read at every ``mask_out_stride``-th pixel, or None.
        semantic: (H', W') class index of every cell of the semantic logits, -1 for background;
            None without a semantic head.
        similar: (E, H, W) bool, which neighbours are alike in colour, where boxes supervise the
            masks; ``masks`` are the filled boxes then. None otherwise.
    """

    bboxes: Tensor
    labels: Tensor
    centers: Tensor
    masks: Tensor | None
    semantic: Tensor | None = None
    similar: Tensor | None = None


@dataclass
class SampledMasks:
    """The masks of one picture as far as training reads them, made where the picture is loaded.

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
        """The masks of all parts, which are of one picture."""
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
    """Which neighbouring cells of a picture are alike in colour, made where the picture is loaded.

    It takes the place of masks in the data samples of BoxInst, which learns from boxes.

    Attributes:
        edges: (E, h, w) bool: whether a cell and its E-th neighbour are alike. Neighbours are
            counted row by row, without the cell itself (see
            :func:`condinst.color_similarity.neighbor_offsets`).
        stride: input-image pixels from one cell to the next.
        num_boxes: of the picture.
    """

    edges: Tensor
    stride: int
    num_boxes: int

    def __len__(self) -> int:
        return self.num_boxes

    def __getitem__(self, index: slice | Tensor | np.ndarray) -> SimilarColors:
        """The same picture with some of its boxes."""
        kept = index if isinstance(index, slice) else np.asarray(index)
        return replace(self, num_boxes=len(np.arange(self.num_boxes)[kept]))

    def to(self, device: torch.device | str, non_blocking: bool = False) -> SimilarColors:
        """The same on a device."""
        return replace(self, edges=self.edges.to(device, non_blocking=non_blocking))

    def pad(self, out_shape: tuple[int, int], pad_val: int = 0) -> SimilarColors:
        """Itself: edges are padded to the size of the mask logits, when that is known."""
        return self


@dataclass
class Assignment:
    """What every point of a batch has to learn.

    Attributes:
        labels: (B, P) class index, C for background.
        img_inds: (N,) index of the image of each positive point, ascending.
        point_inds: (N,) index of the point among all P, ascending within an image.
        gt_inds: (N,) index of its object in its picture.
        bbox_targets: (N, 4) distances to that object's box in input-image pixels.
        counts: positive points of each of the B images; they sum to N.
    """

    labels: Tensor
    img_inds: Tensor
    point_inds: Tensor
    gt_inds: Tensor
    bbox_targets: Tensor
    counts: list[int]


@dataclass
class Instances:
    """Instances whose masks are to be drawn: training positives or detections, all images.

    Attributes:
        params: (N, K) parameters of each instance's dynamic network, ordered by image.
        points: (N, 2) xy of the point that predicted it, input-image pixels.
        strides: (N,) stride of that point's level, pixels.
        counts: instances of each image of the batch; they sum to N.
        gt_inds: (N,) index of the object in its picture; None for detections.
    """

    params: Tensor
    points: Tensor
    strides: Tensor
    counts: list[int]
    gt_inds: Tensor | None = None

    def __len__(self) -> int:
        return self.params.shape[0]

    def chunks(self, size: int) -> Iterator[tuple[slice, Instances]]:
        """At most ``size`` instances at a time, of all the images: their range, and they."""
        ends = list(accumulate(self.counts))
        for start in range(0, len(self), size):
            part = slice(start, min(start + size, len(self)))
            counts = [
                max(min(end, part.stop) - max(end - count, part.start), 0)
                for end, count in zip(ends, self.counts, strict=True)
            ]
            yield (
                part,
                Instances(
                    params=self.params[part],
                    points=self.points[part],
                    strides=self.strides[part],
                    counts=counts,
                    gt_inds=None if self.gt_inds is None else self.gt_inds[part],
                ),
            )


class MaskCrop(NamedTuple):
    """The part of a mask around its pixels; everything outside is background.

    Attributes:
        mask: (h, w) bool; (0, 0) for an empty mask.
        x, y: its upper left corner in the picture, pixels.
    """

    mask: Tensor
    x: int
    y: int
