"""Prediction on large images by overlapping tiles: place tiles, cut images, move detections.

The module needs numpy alone, so that predictors without PyTorch can use it. The terms are those of
SAHI (Akyon, Altinuc and Temizel, ICIP 2022), with "tile" for its "slice". SAHI itself is not used
for two reasons: it stores masks as filled polygons, which lose holes, and it matches detections by
boxes, which merges neighbors in a crowd (docs/large_images.md has the figures).
:mod:`condinst.tiling.merging` compares masks.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from numbers import Real

import numpy as np

from condinst.masks.crop import Crop
from condinst.masks.resize import draw_crop
from condinst.results.results import Results
from condinst.tiling.merging import Tile, TileView, merge_views
from condinst.utils.arguments import shown

__all__ = ["Tile", "Tiling", "predict_by_tiles", "reduce_image"]

# Rows of the reduced image that are averaged at a time.
_ROWS_AT_A_TIME = 64


@dataclass(frozen=True)
class Tiling:
    """The settings by which images are cut into tiles and the detections of tiles are matched.

    Attributes:
        size: height and width of a tile, pixels of the image.
        overlap: least overlap of neighboring tiles, as a fraction of their side. Some tile sees the
            whole of every object up to this size.
        standard_pred: whether to predict on the whole image too, reduced to the size of a tile, for
            objects that no tile sees whole (SAHI's ``perform_standard_pred``).
        match_threshold: least IoU of two masks of one object, in the zone that both tiles see; and
            least fraction of a cut object that another tile's detections must cover to replace it.

    Raises:
        ValueError: a value is outside its range.
    """

    size: tuple[int, int]
    overlap: float = 0.2
    standard_pred: bool = False
    match_threshold: float = 0.5

    def __post_init__(self) -> None:
        if len(self.size) != 2 or min(self.size) < 1:
            raise ValueError(_wrong_size(self.size))
        overlap, threshold = self.overlap, self.match_threshold
        if not (isinstance(overlap, Real) and 0 <= overlap < 1):
            raise ValueError(f"tile_overlap={shown(overlap)}: expected 0 or more, and less than 1")
        if not (isinstance(threshold, Real) and 0 < threshold <= 1):
            raise ValueError(
                f"tile_match_threshold={shown(threshold)}: expected more than 0, at most 1"
            )

    @classmethod
    def of(
        cls,
        tile: int | Sequence[int] | None,
        overlap: float,
        standard_pred: bool,
        match_threshold: float,
    ) -> Tiling | None:
        """Create a tiling from the arguments of a predictor; None if ``tile`` is None.

        Raises:
            ValueError: a value is no number, or outside its range, or there is no tile that it
                could be for.
        """
        if tile is None:
            for name, value, default in (
                ("overlap", overlap, cls.overlap),
                ("standard_pred", standard_pred, cls.standard_pred),
                ("match_threshold", match_threshold, cls.match_threshold),
            ):
                if value is not default and value != default:
                    raise ValueError(
                        f"tile_{name}={shown(value)}: has no effect without tile, such as tile=1024"
                    )
            return None
        try:
            sides = tuple(map(operator.index, tile if isinstance(tile, Iterable) else (tile, tile)))
        except TypeError:
            raise ValueError(_wrong_size(tile)) from None
        return cls(sides, overlap, standard_pred, match_threshold)  # type: ignore[arg-type]

    def tiles(self, image_size: tuple[int, int]) -> list[Tile]:
        """List tiles of one size, row by row, that cover an image of (height, width).

        There are as few tiles as the overlap allows, evenly spread; one along a side that is
        shorter than a tile's.
        """
        (rows, height), (columns, width) = (
            (_starts(image, tile, self.overlap), min(image, tile))
            for image, tile in zip(image_size, self.size, strict=True)
        )
        return [Tile(x, y, x + width, y + height) for y in rows for x in columns]

    def reduction(self, image_size: tuple[int, int]) -> int:
        """Return the least whole factor by which an image must shrink to fit into one tile."""
        return max(math.ceil(p / t) for p, t in zip(image_size, self.size, strict=True))


def _wrong_size(size: object) -> str:
    return f"tile={shown(size)}: expected a side in pixels, or (height, width)"


def _starts(length: int, tile: int, overlap: float) -> list[int]:
    if length <= tile:
        return [0]
    step = max(tile - math.ceil(tile * overlap), 1)
    steps = math.ceil((length - tile) / step)
    return [round(i * (length - tile) / steps) for i in range(steps + 1)]


def reduce_image(image: np.ndarray, factor: int) -> np.ndarray:
    """Reduce an image from (H, W, C) to (H // factor, W // factor, C) by averaging squares.

    Pixels at the right and at the bottom that fill no square are left out. The type does not
    change.
    """
    rows, columns = (max(side // factor, 1) for side in image.shape[:2])
    down, across = (min(factor, side) for side in image.shape[:2])
    reduced = np.empty((rows, columns, *image.shape[2:]), image.dtype)
    for start in range(0, rows, _ROWS_AT_A_TIME):
        part = image[start * down : min(start + _ROWS_AT_A_TIME, rows) * down, : columns * across]
        squares = part.reshape(-1, down, columns, across, *image.shape[2:])
        means = squares.mean(axis=(1, 3), dtype=np.float32)
        if np.issubdtype(image.dtype, np.integer):
            means = np.rint(means)
        reduced[start : start + _ROWS_AT_A_TIME] = means
    return reduced


def predict_by_tiles(
    image: np.ndarray,
    tiling: Tiling,
    predict: Callable[[list[np.ndarray]], list[Results]],
    batch_size: int,
) -> Results:
    """Predict the instances of one image by its tiles.

    Args:
        image: (H, W, C).
        tiling: how to cut the image.
        predict: function from a list of images to their results.
        batch_size: number of tiles per call of ``predict``.
    """
    size = (image.shape[0], image.shape[1])
    tiles = tiling.tiles(size)
    views = []
    for start in range(0, len(tiles), batch_size):
        batch = tiles[start : start + batch_size]
        found = predict([image[tile.y1 : tile.y2, tile.x1 : tile.x2] for tile in batch])
        views += [view_of_tile(r, tile, size) for tile, r in zip(batch, found, strict=True)]
    factor = tiling.reduction(size)
    if tiling.standard_pred and factor > 1:
        (results,) = predict([reduce_image(image, factor)])
        views.append(view_of_whole(results, factor, size))
    return merge_views(views, tiling.match_threshold)


def view_of_tile(results: Results, tile: Tile, image_size: tuple[int, int]) -> TileView:
    """Move the results of a tile to the tile's place in the image."""
    crops = []
    for crop in results.crops:
        tight = Crop.of(crop.mask)
        # copied: a view would keep the whole array in memory
        place = (crop.x + tight.x + tile.x1, crop.y + tight.y + tile.y1)
        crops.append(Crop(tight.mask.copy(), *place) if tight.mask.size else tight)
    corner = np.array([tile.x1, tile.y1] * 2, np.float32)
    return TileView(tile, _moved(results, results.boxes + corner, crops, image_size))


def view_of_whole(results: Results, factor: int, image_size: tuple[int, int]) -> TileView:
    """Enlarge the results of a reduced image (see :func:`reduce_image`) to the image itself."""
    height, width = image_size
    rows, columns = results.image_size
    down, across = (min(factor, side) for side in image_size)
    drawn_size = (rows * down, columns * across)
    crops = [draw_crop(mask, drawn_size) for mask in results.masks]
    boxes = results.boxes * np.array([across, down] * 2, np.float32)
    whole = Tile(0, 0, width, height)
    return TileView(whole, _moved(results, boxes, crops, image_size), reduced=True)


def _moved(
    results: Results, boxes: np.ndarray, crops: list[Crop], image_size: tuple[int, int]
) -> Results:
    return Results(
        image_size=image_size,
        boxes=boxes,
        scores=results.scores,
        labels=results.labels,
        crops=crops,
        class_names=results.class_names,
    )
