"""Number the instances of a video's frames: one number for one object, by ByteTrack.

The tracker is that of the package ``trackers``, which takes detections of ``supervision``. It
matches boxes, and its Kalman filter predicts where they move.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from condinst.images.sources import FRAME_RATE
from condinst.results.results import Results
from condinst.utils.optional import import_failure
from condinst.visualization.selection import SCORE_THR

__all__ = ["LEAST_SCORE", "track"]

LEAST_SCORE = 0.1
"""Instances with lower scores do not continue a track either."""


def track(
    stream: Iterable[Results],
    frame_rate: float = FRAME_RATE,
    *,
    score_thr: float = SCORE_THR,
    lost_seconds: float = 1.0,
) -> Iterator[Results]:
    """Number the instances of one video's frames.

    The stream should hold low scores too: ``predictor.stream(video, score_thr=LEAST_SCORE)``.

    Args:
        stream: the results of the frames, in order. It is read one frame ahead, because ByteTrack
            confirms an object when it is seen a second time.
        frame_rate: frames per second.
        score_thr: a track begins with at least this score; one that has begun goes on with lower
            scores. CondInst's scores are products, lower than those that ByteTrack's own
            thresholds are made for.
        lost_seconds: how long a track waits for an object that is not seen.

    Returns:
        Each frame's instances that belong to a track, with ``track_ids``. Numbers begin at 1, in
        the order in which the tracks begin, best first.

    Raises:
        ImportError: ``trackers`` or ``supervision`` is not installed.
    """
    try:
        from trackers import ByteTrackTracker
    except ImportError as error:
        raise import_failure(
            "tracking needs trackers", "trackers", 'pip install "condinst[track]"', error
        ) from error
    tracker = ByteTrackTracker(
        lost_track_buffer=max(1, round(30 * lost_seconds)),  # counted at 30 frames a second
        frame_rate=frame_rate,
        track_activation_threshold=score_thr,
        high_conf_det_threshold=score_thr,
        minimum_consecutive_frames=1,
    )
    return _track(stream, tracker, score_thr)


def _track(stream: Iterable[Results], tracker: Any, score_thr: float) -> Iterator[Results]:
    numbers: dict[int, int] = {}  # those of the tracker -> ours
    known: set[int] = set()
    before: tuple[Results, NDArray[np.int64]] | None = None
    for results in stream:
        ids = _update(tracker, results)
        if before is not None:
            _number_first_sights(*before, results, ids, set(ids.tolist()) - known - {-1}, score_thr)
            yield _tracked(*before, numbers)
        known.update(ids.tolist())
        before = results, ids
    if before is not None:
        yield _tracked(*before, numbers)


def _update(tracker: Any, results: Results) -> NDArray[np.int64]:
    """Return the tracker's number of each instance of the next frame, (N,); -1 for none."""
    import supervision

    found = tracker.update(
        supervision.Detections(
            xyxy=results.boxes.copy(),
            confidence=results.scores.copy(),
            class_id=results.labels.copy(),
            data={"place": np.arange(len(results))},
        )
    )
    ids = np.full(len(results), -1, np.int64)
    if len(found):
        ids[found.data["place"]] = found.tracker_id
    return ids


def _number_first_sights(
    before: Results,
    ids_before: NDArray[np.int64],
    results: Results,
    ids: NDArray[np.int64],
    new: set[int],
    score_thr: float,
) -> None:
    """Give a new track's number to the detection of the frame before that began it.

    The tracker has matched the track's box, which is that detection's, with one of this frame.
    """
    beginners = np.flatnonzero((ids_before < 0) & (before.scores >= np.float32(score_thr)))
    places = np.flatnonzero(np.isin(ids, list(new)))
    overlaps = _iou(results.boxes[places], before.boxes[beginners])  # (new, beginners)
    while overlaps.size and overlaps.max() > 0:
        row, column = np.unravel_index(overlaps.argmax(), overlaps.shape)
        ids_before[beginners[column]] = ids[places[row]]
        overlaps[row], overlaps[:, column] = 0, 0


def _iou(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the IoU of (N, 4) and (M, 4) boxes, xyxy: (N, M)."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=2)
    areas = [np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (first, second)]
    return shared / np.maximum(areas[0][:, None] + areas[1][None] - shared, 1e-9)


def _tracked(results: Results, ids: NDArray[np.int64], numbers: dict[int, int]) -> Results:
    """Return the instances that have a number, numbered from 1 in the order of appearance."""
    kept = ids >= 0
    for number in ids[kept].tolist():
        numbers.setdefault(number, len(numbers) + 1)
    tracked = results[kept]
    tracked.track_ids = np.array([numbers[number] for number in ids[kept].tolist()], np.int64)
    return tracked
