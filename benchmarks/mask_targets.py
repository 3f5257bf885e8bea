"""Benchmark of mask targets inside the training step.

mmdet draws the masks of every image twice at full size, computes centroids and reads every fourth
pixel. Our training step moves what the data workers prepared to the device.
"""

from __future__ import annotations

from typing import Any

import torch
from mmdet.structures.mask import PolygonMasks
from mmengine.structures import InstanceData
from torch import Tensor

from benchmarks.measure import Comparison, compare
from benchmarks.pipeline import load_image, training_set
from condinst.models.task_modules.ground_truth import prepare_ground_truth

__all__ = ["run"]

_STRIDE, _DIVISOR = 4, 32
_MAX_BATCHES = 10


def run(context: Any) -> list[Comparison]:
    """Measure on batches of two images at training scale.

    ``context`` has root, device, rounds and num_images.
    """
    sets = [training_set(context.root, scope) for scope in ("mmdet", "condinst")]
    num_batches = max(1, min(context.num_images // 2, _MAX_BATCHES))
    theirs, ours, sizes = [], [], []
    for start in range(0, 2 * num_batches, 2):
        pairs = [[load_image(data, i) for i in (start, start + 1)] for data in sets]
        sides = torch.tensor([item["inputs"].shape[1:] for item in pairs[0]]).amax(dim=0)
        height, width = (-(-sides // _DIVISOR) * _DIVISOR).tolist()
        sizes.append((height, width))
        theirs.append([_objects(item, context.device) for item in pairs[0]])
        ours.append([_objects(item, context.device) for item in pairs[1]])
        for objects in theirs[-1]:
            objects.masks = objects.masks.pad((height, width))
    _check_equal(theirs, ours, sizes)
    num_objects = sum(len(objects) for batch in theirs for objects in batch)
    return [
        compare(
            "mask targets inside the training step",
            lambda: [_theirs(objects) for batch in theirs for objects in batch],
            lambda: [
                _ours(objects, size)
                for batch, size in zip(ours, sizes, strict=True)
                for objects in batch
            ],
            rounds=context.rounds,
            device=context.device,
            note=f"{num_batches} batches of 2 images, {num_objects} objects; the same targets",
            bar=10.0,
        )
    ]


def _objects(item: dict[str, Any], device: str) -> InstanceData:
    """Return the annotations as the model receives them, but with the masks on the CPU.

    So the time to move masks to the device counts, for ours and for mmdet's.
    """
    truth = item["data_samples"].gt_instances
    objects = truth.to(device)
    objects.bboxes = objects.bboxes.tensor
    objects.masks = truth.masks
    return objects


def _theirs(objects: InstanceData) -> tuple[Tensor, Tensor]:
    """Compute centroids and targets of one image's masks, as mmdet's two heads do."""
    return _their_centroids(objects.masks, objects.bboxes.device), _their_targets(objects)


def _their_centroids(masks: PolygonMasks, device: torch.device) -> Tensor:
    bitmaps = masks.to_tensor(dtype=torch.bool, device=device)
    y = torch.arange(masks.height, dtype=torch.float32, device=device)
    x = torch.arange(masks.width, dtype=torch.float32, device=device)
    area = bitmaps.sum(dim=-1).sum(dim=-1).clamp(min=1e-6)
    x_sum = (bitmaps * x).sum(dim=-1).sum(dim=-1)
    y_sum = (bitmaps * y[:, None]).sum(dim=-1).sum(dim=-1)
    return torch.stack([x_sum / area, y_sum / area], dim=1)


def _their_targets(objects: InstanceData) -> Tensor:
    bitmaps = objects.masks.to_tensor(dtype=torch.bool, device=objects.bboxes.device).float()
    return bitmaps[:, _STRIDE // 2 :: _STRIDE, _STRIDE // 2 :: _STRIDE].gt(0.5).float()


def _ours(objects: InstanceData, size: tuple[int, int]) -> tuple[Tensor, Tensor | None]:
    mask_size = size[0] // _STRIDE, size[1] // _STRIDE
    truth = prepare_ground_truth(objects, mask_size=mask_size, mask_stride=_STRIDE)
    return truth.centers, truth.mask_targets


def _check_equal(
    theirs: list[list[InstanceData]], ours: list[list[InstanceData]], sizes: list[tuple[int, int]]
) -> None:
    """Assert that targets are equal, and centroids equal up to mmdet's float32 sums."""
    for their_batch, our_batch, size in zip(theirs, ours, sizes, strict=True):
        for a, b in zip(their_batch, our_batch, strict=True):
            (their_centers, their_masks), (centers, masks) = _theirs(a), _ours(b, size)
            assert masks is not None
            assert torch.equal(their_masks.bool(), masks)
            torch.testing.assert_close(centers, their_centers, rtol=1e-4, atol=1e-2)
