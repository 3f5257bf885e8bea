"""Measure how well the instances of a file agree with the detector's, and check bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

__all__ = ["BOUNDS", "Agreement", "Bounds", "compare_instances"]

# Least IoU of the boxes of a pair.
_MIN_BOX_IOU = 0.5


@dataclass(frozen=True)
class Bounds:
    """The accuracy that an exported file must have.

    Attributes:
        matched: least fraction of the instances that must have a partner.
        box: largest distance between the sides of two boxes, pixels.
        mask_iou: least IoU of two masks; a difference of one pixel is always allowed.
        score: largest difference of scores.
        margin: instances whose scores are this close to the threshold, or to the last score of an
            image with ``max_per_img`` instances, need no partner.
        worst: whether the worst pair must be within the bounds, or only the mean of all pairs.
    """

    matched: float
    box: float
    mask_iou: float
    score: float
    margin: float
    worst: bool


# By precision. float32 must give the same answers up to rounding. The others compute with less
# precision, so only their average loss is bounded.
BOUNDS = {
    "float32": Bounds(1.0, box=0.05, mask_iou=0.995, score=1e-3, margin=1e-4, worst=True),
    "float16": Bounds(0.95, box=1.0, mask_iou=0.97, score=0.02, margin=0.02, worst=False),
    "int8": Bounds(0.80, box=6.0, mask_iou=0.85, score=0.10, margin=0.10, worst=False),
}


@dataclass
class Agreement:
    """The differences of all pairs so far.

    Attributes:
        expected: number of instances that should be found.
        missing: number of instances without a partner.
        boxes: per pair, largest distance between the sides of the boxes, pixels.
        scores: per pair, difference of the scores.
        mask_ious: per pair, IoU of the masks.
        pixels: per pair, pixels that differ.
        confidences: per pair, score of the detector.
    """

    expected: int = 0
    missing: int = 0
    boxes: list[float] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    mask_ious: list[float] = field(default_factory=list)
    pixels: list[int] = field(default_factory=list)
    confidences: list[float] = field(default_factory=list)

    def __add__(self, other: Agreement) -> Agreement:
        return Agreement(
            self.expected + other.expected,
            self.missing + other.missing,
            self.boxes + other.boxes,
            self.scores + other.scores,
            self.mask_ious + other.mask_ious,
            self.pixels + other.pixels,
            self.confidences + other.confidences,
        )

    def confident(self, least: float) -> Agreement:
        """Select the pairs with at least this score of the detector."""
        kept = [i for i, score in enumerate(self.confidences) if score >= least]
        return Agreement(
            len(kept),
            0,
            [self.boxes[i] for i in kept],
            [self.scores[i] for i in kept],
            [self.mask_ious[i] for i in kept],
            [self.pixels[i] for i in kept],
            [self.confidences[i] for i in kept],
        )

    @property
    def matched(self) -> int:
        """The number of pairs."""
        return len(self.boxes)

    @property
    def matched_fraction(self) -> float:
        """The fraction of the expected instances that have a partner."""
        return 1 - self.missing / self.expected if self.expected else 1.0

    def failures(self, bounds: Bounds) -> list[str]:
        """Describe what is out of bounds; empty if nothing is."""
        ious = [
            iou if pixels > 1 else 1.0
            for iou, pixels in zip(self.mask_ious, self.pixels, strict=True)
        ]
        over = max if bounds.worst else _mean
        found = [
            (
                self.matched_fraction < bounds.matched,
                f"{self.missing} of {self.expected} without a partner",
            ),
            (over(self.boxes or [0.0]) > bounds.box, f"boxes, more than {bounds.box:g} pixels"),
            (over(self.scores or [0.0]) > bounds.score, f"scores, more than {bounds.score:g}"),
            (
                (min if bounds.worst else _mean)(ious or [1.0]) < bounds.mask_iou,
                f"masks, IoU below {bounds.mask_iou:g}",
            ),
        ]
        return [text for failed, text in found if failed]


def _mean(values: list[float]) -> float:
    return float(np.mean(values))


def compare_instances(
    expected: Mapping[str, np.ndarray],
    found: Mapping[str, np.ndarray],
    *,
    score_thr: float,
    max_per_img: int,
    sqrt_scores: bool,
    margin: float,
) -> Agreement:
    """Pair the instances of one image and measure their differences.

    Each instance of ``expected``, best first, is paired with the instance of ``found`` with the
    same label whose box overlaps most. Instances of either side without a partner count as missing,
    unless their scores are within the margin.

    Args:
        expected, found: ``boxes`` (N, 4) xyxy pixels, ``scores`` (N,), ``labels`` (N,), ``masks``
            (N, H, W) bool; by falling score.
        score_thr, max_per_img, sqrt_scores: settings of the detector.
        margin: see :class:`Bounds`.
    """
    result = Agreement()
    ious = _box_ious(expected["boxes"], found["boxes"])
    ious *= expected["labels"][:, None] == found["labels"]
    free = np.ones(len(found["scores"]), bool)
    unpaired = []
    for i in range(len(expected["scores"])):
        j = int(np.argmax(ious[i] * free)) if free.any() else -1
        if j < 0 or not free[j] or ious[i, j] < _MIN_BOX_IOU:
            unpaired.append(i)
            continue
        free[j] = False
        a, b = expected["masks"][i], found["masks"][j].astype(bool)
        union = np.count_nonzero(a | b)
        result.boxes.append(float(np.abs(expected["boxes"][i] - found["boxes"][j]).max()))
        result.scores.append(float(abs(expected["scores"][i] - found["scores"][j])))
        result.mask_ious.append(np.count_nonzero(a & b) / union if union else 1.0)
        result.confidences.append(float(expected["scores"][i]))
        result.pixels.append(int(np.count_nonzero(a ^ b)))
    sure = []
    for side, alone in ((expected["scores"], unpaired), (found["scores"], np.flatnonzero(free))):
        scores = np.asarray(side, np.float64) ** (2 if sqrt_scores else 1)
        least = score_thr + margin
        if len(scores) >= max_per_img:
            least = max(least, scores.min() * (1 + margin) + (margin if margin > 1e-3 else 0))
        sure.append(int(np.count_nonzero(scores[alone] > least)))
    result.missing = sum(sure)
    result.expected = result.matched + sure[0] + sure[1]
    return result


def _box_ious(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Compute the (N, M) IoUs of (N, 4) and (M, 4) xyxy boxes."""
    upper, lower = np.maximum(a[:, None, :2], b[:, :2]), np.minimum(a[:, None, 2:], b[:, 2:])
    common = np.clip(lower - upper, 0, None).prod(axis=2)
    areas = [np.clip(x[:, 2:] - x[:, :2], 0, None).prod(axis=1) for x in (a, b)]
    union = areas[0][:, None] + areas[1] - common
    return common / np.maximum(union, 1e-9)
