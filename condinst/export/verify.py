"""Compare an exported file with its detector on the same images."""

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
from condinst.export.box_graph import SCORE_THR
from condinst.export.compared_runtimes import Runner, find_instances
from condinst.export.padding import Padding
from condinst.export.settings import BoxSettings
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

# Least score of instances that users usually see.
_CONFIDENT = 0.3


@dataclass(frozen=True)
class CheckedImage:
    """An image for the comparison.

    Attributes:
        name: name in the table.
        image: (C, H, W) float32, RGB if C is 3, as resized by the test pipeline.
        out_size: height and width of the original image.
        padding: what the test pipeline adds to the image.
    """

    name: str
    image: np.ndarray
    out_size: tuple[int, int]
    padding: Padding | None = None

    def as_loaded(self) -> torch.Tensor:
        """Return the image as the data preprocessor takes it: padded, and BGR if C is 3."""
        image = self.padding.pad(self.image) if self.padding else self.image
        pixels = image[::-1] if len(image) == 3 else image
        return torch.from_numpy(np.ascontiguousarray(pixels))


@dataclass(frozen=True)
class Row:
    """One row of the table.

    Attributes:
        name: name of the image.
        image_size, out_size: height and width of the input and of the output.
        counts: number of instances of the detector and of the file.
        agreement: their differences.
    """

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
    """Compare the instances of detector and file, image by image.

    Args:
        model: the detector, in evaluation mode on the CPU.
        runner: function that runs the file.
        images: images of any sizes, or of the file's size if that is fixed.
        bounds: bounds of the comparison; only its margin is used here.
        batch: images per run of the file; each image fills the whole batch, and the last copy is
            compared.
        note: text appended to the images' names.
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
    """Run the detector itself; boxes and boolean masks are at the original image's size."""
    height, width = image.image.shape[1:]
    out_height, out_width = image.out_size
    inputs = image.as_loaded()
    sample = DetDataSample(
        metainfo=dict(
            img_shape=tuple(inputs.shape[1:]),
            ori_shape=image.out_size,
            scale_factor=(width / out_width, height / out_height),
        )
    )
    before = model.test_cfg
    model.test_cfg = {**before, "mask_format": "bool", "autocast_dtype": None}
    try:
        batch = dict(inputs=[inputs], data_samples=[sample])
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
    """Stretch an image to a fixed size, without padding; boxes and masks have this size too."""
    height, width = size
    resized = [Image.fromarray(channel).resize((width, height)) for channel in image.image]
    return CheckedImage(image.name, np.stack([np.asarray(channel) for channel in resized]), size)


def thresholds(model: CondInst, image: CheckedImage, counts: Sequence[int]) -> list[float]:
    """Find score thresholds that a given number of an image's pairs of point and class pass.

    Equal scores can make the number inexact. For a count of 0, no pair passes.
    """
    settings = BoxSettings.from_model(model)
    batch = dict(inputs=[image.as_loaded()], data_samples=None)
    with torch.no_grad():
        inputs = model.data_preprocessor(batch, False)["inputs"]
        dense = model.bbox_head(model.extract_feat(inputs))
        levels = []
        for i, cls_scores in enumerate(dense.cls_scores):
            scores = cls_scores[0].sigmoid()
            if settings.threshold_with_centerness and dense.centernesses:
                scores = scores * dense.centernesses[i][0].sigmoid()
            levels.append(scores.flatten())
    ranked = torch.cat(levels).sort(descending=True).values.double()
    bounded = [min(count, len(ranked) - 1) for count in counts]
    return [float((ranked[n - 1] + ranked[n]) / 2) if n > 0 else 1.0 for n in bounded]


@contextlib.contextmanager
def with_threshold(model: CondInst, exported: ModelProto, score_thr: float) -> Iterator[ModelProto]:
    """Change the detector's score threshold temporarily; yield a copy of its file with the same."""
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
    """Format the rows, a row for all pairs, and a row for pairs with high scores.

    The figures are the largest differences of boxes and of scores, and the smallest IoU of masks
    with the mean IoU in brackets.
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
    """Format the worst box, score and IoU, and the mean IoU."""
    if not agreement.matched:
        return "-", "-", "-"
    mean = np.mean(agreement.mask_ious)
    return (
        f"{max(agreement.boxes):.4f}",
        f"{max(agreement.scores):.1e}",
        f"{min(agreement.mask_ious):.4f} ({mean:.4f})",
    )
