"""Merge the detections on overlapping tiles into the instances of the image.

Two tiles see the zone in which they overlap equally well, so their masks of one object must agree
there, and only there. Masks are compared by their IoU inside the zone; boxes are not compared.
:func:`merge_views` states the rules.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from condinst.masks.crop import Crop
from condinst.results.results import Results

__all__ = ["Tile", "TileView", "merge_views"]

# An object closer than this to its tile's edge may continue beyond it: masks and boxes are accurate
# to about one cell of the logits. As a fraction of the tile's side, and the minimum in pixels.
_EDGE_FRACTION = 1 / 128
_EDGE_PIXELS = 2

# Detections below this fraction of an object's best score do not shape it: a view often has poor
# duplicates of a good detection, and one that reaches too far would spoil the union.
_TRUSTED_FRACTION = 0.5


class Tile(NamedTuple):
    """A rectangular part of an image: pixels x1 to x2 - 1 and y1 to y2 - 1."""

    x1: int
    y1: int
    x2: int
    y2: int


@dataclass(frozen=True)
class TileView:
    """The detections on one part of an image.

    Attributes:
        tile: the part.
        results: the detections, in the image's coordinates.
        reduced: whether the part was reduced in size for the detector, so that masks are coarse.
    """

    tile: Tile
    results: Results
    reduced: bool = False


@dataclass(frozen=True)
class _Instance:
    """One detection of one view."""

    view: int
    label: int
    score: float
    box: np.ndarray  # (4,) as predicted
    extent: np.ndarray  # (4,) xyxy around box and mask
    crop: Crop
    area: int


class _Pair(NamedTuple):
    """Two detections of different views that share pixels."""

    first: int
    second: int
    shared: int
    iou: float  # inside the zone that both views see


def merge_views(views: Sequence[TileView], match_threshold: float = 0.5) -> Results:
    """Merge the views of one image into its instances, best first.

    - Two detections of one class are the same object if the IoU of their masks, in the zone that
      both views see, is ``match_threshold`` or more. Matches chain, so that an object can span many
      tiles (SAHI's NMM). Pairs with high scores and IoUs are joined first. Two detections of one
      view are never joined.
    - If a view sees the whole object, away from the tile edges inside the image, its detection is
      used; full scale goes before reduced scale, then the higher score. Otherwise box and mask are
      the unions of the parts. The score is the highest of all; detections below half of it are
      ignored.
    - An object that no view sees whole is dropped if better detections of the same class in another
      view cover at least the fraction ``match_threshold`` of each of its parts.

    Args:
        views: one or more views of one image, all with the same ``image_size``.
        match_threshold: see above, in (0, 1].
    """
    found = [_instances(view, index) for index, view in enumerate(views)]
    starts = np.cumsum([0, *map(len, found)])
    instances = [instance for part in found for instance in part]
    extents = np.array([x.extent for x in instances]).reshape(-1, 4)
    pairs = [
        pair
        for i in range(len(views))
        for j in range(i + 1, len(views))
        for pair in _pairs(views[i], views[j], starts[i], starts[j], extents, instances)
    ]
    objects = [
        _Object.of(members, instances, views)
        for members in _groups(instances, pairs, match_threshold)
    ]
    kept = _without_covered(objects, instances, pairs, match_threshold)
    first = views[0].results
    return Results(
        image_size=first.image_size,
        boxes=np.array([x.box for x in kept], np.float32),
        scores=[x.score for x in kept],
        labels=[x.label for x in kept],
        crops=[x.crop for x in kept],
        class_names=first.class_names,
    )


def _instances(view: TileView, index: int) -> list[_Instance]:
    results = view.results
    rows = zip(results.labels, results.scores, results.boxes, results.crops, strict=True)
    return [
        _Instance(
            index, int(label), float(score), box, _extent(box, crop), crop, int(crop.mask.sum())
        )
        for label, score, box, crop in rows
    ]


def _extent(box: np.ndarray, crop: Crop) -> np.ndarray:
    rows, columns = crop.mask.shape
    if not crop.mask.size:
        return box
    frame = [crop.x, crop.y, crop.x + columns, crop.y + rows]
    return np.concatenate([np.minimum(box[:2], frame[:2]), np.maximum(box[2:], frame[2:])])


def _pairs(
    one: TileView,
    other: TileView,
    start: int,
    other_start: int,
    extents: np.ndarray,
    instances: list,
) -> list[_Pair]:
    """Find the pairs of detections of two views that share pixels."""
    zone = Tile(
        *np.maximum(one.tile[:2], other.tile[:2]), *np.minimum(one.tile[2:], other.tile[2:])
    )
    if zone.x1 >= zone.x2 or zone.y1 >= zone.y2:
        return []
    firsts = _reaching(extents[start : start + len(one.results)], zone) + start
    seconds = _reaching(extents[other_start : other_start + len(other.results)], zone) + other_start
    a, b = extents[firsts][:, None], extents[seconds][None]
    apart = (a[..., :2] >= b[..., 2:]).any(axis=-1) | (b[..., :2] >= a[..., 2:]).any(axis=-1)
    crops = {int(i): _inside(instances[i].crop, zone) for i in (*firsts, *seconds)}
    areas = {i: int(np.count_nonzero(crop.mask)) for i, crop in crops.items()}
    pairs = []
    for row, column in np.argwhere(~apart):
        i, j = int(firsts[row]), int(seconds[column])
        shared = _num_shared(crops[i], crops[j])
        if shared:
            pairs.append(_Pair(i, j, shared, shared / (areas[i] + areas[j] - shared)))
    return pairs


def _reaching(extents: np.ndarray, zone: Tile) -> np.ndarray:
    """Return the indices of the (N, 4) xyxy extents that reach into the zone."""
    x1, y1, x2, y2 = extents.T
    return np.flatnonzero((x1 < zone.x2) & (x2 > zone.x1) & (y1 < zone.y2) & (y2 > zone.y1))


def _num_shared(one: Crop, other: Crop) -> int:
    """Count the pixels that two masks share."""
    x1, y1 = max(one.x, other.x), max(one.y, other.y)
    x2 = min(one.x + one.mask.shape[1], other.x + other.mask.shape[1])
    y2 = min(one.y + one.mask.shape[0], other.y + other.mask.shape[0])
    if x1 >= x2 or y1 >= y2:
        return 0
    a, b = (c.mask[y1 - c.y : y2 - c.y, x1 - c.x : x2 - c.x] for c in (one, other))
    return int(np.count_nonzero(a & b))


def _inside(crop: Crop, tile: Tile) -> Crop:
    """Return the part of a crop inside a tile; a crop of no pixels if there is none."""
    rows, columns = crop.mask.shape
    x1, y1 = max(crop.x, tile.x1), max(crop.y, tile.y1)
    x2, y2 = min(crop.x + columns, tile.x2), min(crop.y + rows, tile.y2)
    if x1 >= x2 or y1 >= y2:
        return Crop(np.zeros((0, 0), bool), tile.x1, tile.y1)
    return Crop(crop.mask[y1 - crop.y : y2 - crop.y, x1 - crop.x : x2 - crop.x], x1, y1)


def _groups(
    instances: list[_Instance], pairs: list[_Pair], match_threshold: float
) -> list[list[int]]:
    """Group the detections of each object, at most one of each view."""
    group_of = list(range(len(instances)))
    members = {i: [i] for i in group_of}
    seen_by = {i: {instance.view} for i, instance in enumerate(instances)}

    def importance(pair: _Pair) -> float:
        # a view often has poor duplicates of a good detection, so sure pairs are joined first
        return pair.iou * min(instances[pair.first].score, instances[pair.second].score)

    agreeing = [pair for pair in pairs if pair.iou >= match_threshold]
    for first, second, *_ in sorted(agreeing, key=importance, reverse=True):
        one, other = group_of[first], group_of[second]
        same_class = instances[first].label == instances[second].label
        if one == other or not same_class or seen_by[one] & seen_by[other]:
            continue
        seen_by[one] |= seen_by.pop(other)
        for i in members[other]:
            group_of[i] = one
        members[one] += members.pop(other)
    return list(members.values())


@dataclass(frozen=True)
class _Object:
    """An object of the image, made of the detections ``members``."""

    members: list[int]
    is_whole: bool  # some view sees all of it, away from its tile's edges
    score: float
    label: int
    box: np.ndarray
    crop: Crop

    @classmethod
    def of(
        cls, members: list[int], instances: list[_Instance], views: Sequence[TileView]
    ) -> _Object:
        found = [instances[i] for i in members]
        score = max(part.score for part in found)
        parts = [part for part in found if part.score >= _TRUSTED_FRACTION * score]
        extent = _around([part.extent for part in parts])
        whole = [part for part in parts if _sees_whole(views[part.view], extent)]
        if whole:
            best = min(whole, key=lambda part: (views[part.view].reduced, -part.score))
            return cls(members, True, score, best.label, best.box, best.crop)
        box = _around([part.box for part in parts])
        crop = _union([part.crop for part in parts])
        return cls(members, False, score, parts[0].label, box, crop)


def _sees_whole(view: TileView, extent: np.ndarray) -> bool:
    """Tell whether a (4,) xyxy extent keeps away from the tile's edges inside the image."""
    (x1, y1, x2, y2), (height, width) = view.tile, view.results.image_size
    across = max(_EDGE_PIXELS, (x2 - x1) * _EDGE_FRACTION)
    down = max(_EDGE_PIXELS, (y2 - y1) * _EDGE_FRACTION)
    return bool(
        (x1 == 0 or extent[0] >= x1 + across)
        and (y1 == 0 or extent[1] >= y1 + down)
        and (x2 == width or extent[2] <= x2 - across)
        and (y2 == height or extent[3] <= y2 - down)
    )


def _around(boxes: list[np.ndarray]) -> np.ndarray:
    stacked = np.array(boxes)
    return np.concatenate([stacked[:, :2].min(axis=0), stacked[:, 2:].max(axis=0)])


def _union(crops: list[Crop]) -> Crop:
    crops = [crop for crop in crops if crop.mask.size] or crops[:1]
    if len(crops) == 1:
        return crops[0]
    x, y = min(crop.x for crop in crops), min(crop.y for crop in crops)
    columns = max(crop.x + crop.mask.shape[1] for crop in crops) - x
    rows = max(crop.y + crop.mask.shape[0] for crop in crops) - y
    mask = np.zeros((rows, columns), bool)
    for crop in crops:
        h, w = crop.mask.shape
        mask[crop.y - y : crop.y - y + h, crop.x - x : crop.x - x + w] |= crop.mask
    return Crop(mask, x, y)


def _without_covered(
    objects: list[_Object],
    instances: list[_Instance],
    pairs: list[_Pair],
    match_threshold: float,
) -> list[_Object]:
    """Drop objects that another view sees as part of other objects; return the rest, best first."""
    partners: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for first, second, shared, _ in pairs:
        if instances[first].label == instances[second].label:
            partners[first].append((second, shared))
            partners[second].append((first, shared))
    owner: dict[int, int] = {}  # detection -> number of the kept object

    def is_covered(member: int, number: int) -> bool:
        by_view: dict[int, int] = defaultdict(int)
        for partner, shared in partners[member]:
            if owner.get(partner, number) != number:
                by_view[instances[partner].view] += shared
        return max(by_view.values(), default=0) >= match_threshold * instances[member].area

    kept = []
    for number, found in enumerate(sorted(objects, key=lambda x: -x.score)):
        # a detection without pixels cannot be covered
        parts = [i for i in found.members if instances[i].area]
        if found.is_whole or not parts or not all(is_covered(i, number) for i in parts):
            kept.append(found)
            owner.update(dict.fromkeys(found.members, number))
    return kept
