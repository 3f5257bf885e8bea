"""An exported file beside the detector it comes from, on the same images."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from mmdet.structures import DetDataSample
from onnx import ModelProto, numpy_helper
from PIL import Image

from condinst.export.agreement import Agreement, Bounds, compare_instances
from condinst.export.box_graph import SCORE_THR, BoxSettings
from condinst.export.compared_runtimes import Runner, find_instances
from condinst.models import CondInst

__all__ = [
    "CheckedImage",
    "Row",
    "check",
    "format_table",
    "resize_to",
    "thresholds",
    "with_threshold",
]

# From this score on, an instance is mostly shown to somebody.
_CONFIDENT = 0.3


@dataclass(frozen=True)
class CheckedImage:
    """What a detector is given.

    Attributes:
        name: for the table.
        image: (C, H, W) float32, RGB if C is 3, as resized by the test pipeline.
        out_size: height and width of the original image.
    """

    name: str
    image: np.ndarray
    out_size: tuple[int, int]

    def as_loaded(self) -> torch.Tensor:
        """The image as the data preprocessor takes it: BGR if C is 3."""
        pixels = self.image[::-1] if len(self.image) == 3 else self.image
        return torch.from_numpy(np.ascontiguousarray(pixels))


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    name: str
    image_size: tuple[int, int]
    out_size: tuple[int, int]
    counts: tuple[int, int]
    agreement: Agreement


def check(
    model: CondInst,
    runner: Runner,
    images: Iterable[CheckedImage],
    bounds: Bounds,
    *,
    batch: int = 1,
    note: str = "",
) -> list[Row]:
    """Compare the instances image by image.

    Args:
        model: the detector, in evaluation mode on the CPU.
        runner: the file.
        images: of any sizes; of the file's size if that is fixed.
        batch: images that the file takes at a time; each image is repeated so many times, and
            the last one is compared.
        note: put behind the images' names.
    """
    settings = BoxSettings.from_model(model)
    rows = []
    for image in images:
        expected = run_eager(model, image)
        inputs = np.repeat(image.image[None], batch, axis=0)
        out_size = np.array(image.out_size, np.int64)
        found = find_instances(runner(inputs, out_size), batch - 1)
        agreement = compare_instances(
            expected,
            found,
            score_thr=settings.score_thr,
            max_per_img=settings.max_per_img,
            sqrt_scores=settings.sqrt_scores,
            margin=bounds.margin,
        )
        counts = len(expected["scores"]), len(found["scores"])
        size = image.image.shape[1], image.image.shape[2]
        rows.append(Row(image.name + note, size, image.out_size, counts, agreement))
    return rows


@torch.no_grad()
def run_eager(model: CondInst, image: CheckedImage) -> dict[str, np.ndarray]:
    """The detector's own answer at the original image's size, with boolean masks."""
    height, width = image.image.shape[1:]
    out_height, out_width = image.out_size
    sample = DetDataSample(
        metainfo=dict(
            img_shape=(height, width),
            ori_shape=image.out_size,
            scale_factor=(width / out_width, height / out_height),
        )
    )
    before = model.test_cfg
    model.test_cfg = {**before, "mask_format": "bool", "autocast_dtype": None}
    try:
        batch = dict(inputs=[image.as_loaded()], data_samples=[sample])
        found = model.test_step(batch)[0].pred_instances
    finally:
        model.test_cfg = before
    return dict(
        boxes=found.bboxes.float().numpy(),
        scores=found.scores.float().numpy(),
        labels=found.labels.numpy(),
        masks=found.masks.numpy(),
    )


def resize_to(image: CheckedImage, size: tuple[int, int]) -> CheckedImage:
    """The image at a fixed size, whatever its shape; boxes and masks are of that size too."""
    height, width = size
    resized = [Image.fromarray(channel).resize((width, height)) for channel in image.image]
    return CheckedImage(image.name, np.stack([np.asarray(channel) for channel in resized]), size)


def thresholds(model: CondInst, image: CheckedImage, counts: Sequence[int]) -> list[float]:
    """Score thresholds that so many pairs of point and class of an image pass, as nearly as scores
    that are equal allow; 0 passes none."""
    settings = BoxSettings.from_model(model)
    batch = dict(inputs=[image.as_loaded()], data_samples=None)
    with torch.no_grad():
        inputs = model.data_preprocessor(batch, False)["inputs"]
        dense = model.bbox_head(model.extract_feat(inputs))
        levels = []
        for cls_scores, centernesses in zip(dense.cls_scores, dense.centernesses, strict=True):
            scores = cls_scores[0].sigmoid()
            if settings.threshold_with_centerness:
                scores = scores * centernesses[0].sigmoid()
            levels.append(scores.flatten())
    ranked = torch.cat(levels).sort(descending=True).values.double()
    bounded = [min(count, len(ranked) - 1) for count in counts]
    return [float((ranked[n - 1] + ranked[n]) / 2) if n > 0 else 1.0 for n in bounded]


@contextlib.contextmanager
def with_threshold(model: CondInst, exported: ModelProto, score_thr: float) -> Iterator[ModelProto]:
    """The detector and a copy of its file with another score threshold, for the time being."""
    changed = copy.deepcopy(exported)
    for tensor in changed.graph.initializer:
        if tensor.name == SCORE_THR:
            tensor.CopyFrom(numpy_helper.from_array(np.asarray(np.float32(score_thr)), SCORE_THR))
    before = model.bbox_head.test_cfg
    model.bbox_head.test_cfg = {**before, "score_thr": float(np.float32(score_thr))}
    try:
        yield changed
    finally:
        model.bbox_head.test_cfg = before


def format_table(rows: Sequence[Row]) -> str:
    """The rows, a line of all of them and one of the pairs that matter most.

    Figures are the largest difference of boxes and of scores, the smallest IoU of masks, and in
    brackets their mean.
    """
    header = ("image", "input", "output", "detector", "file", "box px", "score", "mask IoU")
    lines: list[Any] = [header]
    for row in rows:
        sizes = (f"{width} x {height}" for height, width in (row.image_size, row.out_size))
        lines.append((row.name, *sizes, *map(str, row.counts), *_figures(row.agreement)))
    total = sum((row.agreement for row in rows), Agreement())
    lines.append((f"{total.matched} pairs, {total.missing} alone", *[""] * 4, *_figures(total)))
    sure = total.confident(_CONFIDENT)
    name = f"{sure.matched} pairs of score {_CONFIDENT:g} or more"
    lines.append((name, *[""] * 4, *_figures(sure)))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = []
    for line in lines:
        cells = [
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        text.append("  ".join(cells).rstrip())
    return "\n".join(text)


def _figures(agreement: Agreement) -> tuple[str, str, str]:
    """The worst of each, and the mean IoU."""
    if not agreement.matched:
        return "-", "-", "-"
    mean = np.mean(agreement.mask_ious)
    return (
        f"{max(agreement.boxes):.4f}",
        f"{max(agreement.scores):.1e}",
        f"{min(agreement.mask_ious):.4f} ({mean:.4f})",
    )
