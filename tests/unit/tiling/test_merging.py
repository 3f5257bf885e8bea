"""What tiles found becomes one set of instances; every case is drawn by hand."""

from __future__ import annotations

import numpy as np
import pytest

from condinst.masks.crop import Crop
from condinst.results.results import Results
from condinst.tiling.merging import Tile, TileView, merge_views

HEIGHT, WIDTH = 100, 180
LEFT, RIGHT = Tile(0, 0, 100, 100), Tile(80, 0, 180, 100)  # they share x 80 to 100


def rectangle(x1, y1, x2, y2):
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[y1:y2, x1:x2] = True
    return mask


def view(tile, *found, reduced=False):
    """``found``: (mask of the image, score) or (mask, score, label); the tile cuts it."""
    seen = np.zeros((HEIGHT, WIDTH), bool)
    seen[tile.y1 : tile.y2, tile.x1 : tile.x2] = True
    crops = [Crop.of(mask & seen) for mask, *_ in found]
    boxes = [[c.x, c.y, c.x + c.mask.shape[1], c.y + c.mask.shape[0]] for c in crops]
    results = Results(
        image_size=(HEIGHT, WIDTH),
        boxes=boxes,
        scores=[rest[0] for _, *rest in found],
        labels=[rest[1] if len(rest) > 1 else 0 for _, *rest in found],
        crops=crops,
        class_names=("cell", "dust"),
    )
    return TileView(tile, results, reduced)


def merge(*views, **kwargs):
    results = merge_views(views, **kwargs)
    return [
        (round(float(score), 3), mask)
        for score, mask in zip(results.scores, results.masks, strict=True)
    ], results


def test_an_object_that_no_tile_sees_whole_is_put_together():
    long = rectangle(40, 20, 140, 50)
    found, results = merge(view(LEFT, (long, 0.6)), view(RIGHT, (long, 0.8)))
    assert [score for score, _ in found] == [0.8]
    assert np.array_equal(found[0][1], long)
    assert results.boxes.tolist() == [[40, 20, 140, 50]]


def test_the_tile_that_sees_an_object_whole_has_the_last_word():
    """It begins outside the right tile, whose part of it is sloppy and has the better score."""
    whole = rectangle(70, 20, 95, 50)
    sloppy = rectangle(70, 18, 97, 50)
    found, results = merge(view(LEFT, (whole, 0.6)), view(RIGHT, (sloppy, 0.9)))
    assert [score for score, _ in found] == [0.9]
    assert np.array_equal(found[0][1], whole)
    assert results.boxes.tolist() == [[70, 20, 95, 50]]


def test_seen_whole_by_both_the_better_one_is_taken():
    one, other = rectangle(85, 20, 94, 40), rectangle(85, 20, 95, 40)
    found, _ = merge(view(LEFT, (one, 0.7)), view(RIGHT, (other, 0.9)))
    assert len(found) == 1
    assert np.array_equal(found[0][1], other)


def test_a_mask_just_short_of_the_tile_s_edge_is_not_whole():
    """The left tile's mask ends 2 pixels before its edge at 100; the object goes on."""
    short, long = rectangle(70, 20, 98, 50), rectangle(70, 20, 120, 50)
    found, _ = merge(view(LEFT, (short, 0.9)), view(RIGHT, (long, 0.5)))
    assert len(found) == 1
    assert np.array_equal(found[0][1], long)


@pytest.mark.parametrize("turn", [0, 1, 2, 3])
def test_a_mask_just_short_of_any_edge_is_not_whole(turn):
    """What two tiles see ends too close to the edge of the near one, at each of its four edges."""
    near, far = Tile(40, 40, 140, 140), Tile(120, 40, 220, 140)  # they share x 120 to 140
    side = 260
    short, long = np.zeros((2, side, side), bool)
    short[80:100, 110:138] = True
    long[80:100, 110:139] = True  # ends a pixel before the near tile does

    def turned(tile: Tile) -> Tile:
        corners = np.zeros((side, side), bool)
        corners[tile.y1 : tile.y2, tile.x1 : tile.x2] = True
        mask, x, y = Crop.of(np.rot90(corners, turn))
        return Tile(x, y, x + mask.shape[1], y + mask.shape[0])

    views = []
    for tile, mask, score in ((near, short, 0.9), (far, long, 0.5)):
        tile, mask = turned(tile), np.rot90(mask, turn)
        seen = np.zeros((side, side), bool)
        seen[tile.y1 : tile.y2, tile.x1 : tile.x2] = True
        crop = Crop.of(mask & seen)
        box = [crop.x, crop.y, crop.x + crop.mask.shape[1], crop.y + crop.mask.shape[0]]
        results = Results(
            image_size=(side, side),
            boxes=[box],
            scores=[score],
            labels=[0],
            crops=[crop],
            class_names=("cell",),
        )
        views.append(TileView(tile, results))
    found = merge_views(views)
    assert len(found) == 1
    assert np.array_equal(found.masks[0], np.rot90(long, turn))


def test_neighbors_stay_apart():
    """Their boxes overlap by far more than half; their masks do not share a pixel."""
    below = np.tri(40, 42, dtype=bool)
    one, other = np.zeros((2, HEIGHT, WIDTH), bool)
    one[20:60, 70:112] = below
    other[20:60, 72:112] = ~below[:, 2:]
    assert not (one & other).any()
    found, _ = merge(view(LEFT, (one, 0.9), (other, 0.8)), view(RIGHT, (one, 0.7), (other, 0.85)))
    assert [score for score, _ in found] == [0.9, 0.85]
    assert np.array_equal(found[0][1], one)
    assert np.array_equal(found[1][1], other)


def test_what_one_tile_sees_as_two_stays_two():
    """The right tile takes both for one, whose IoU with each is about one half."""
    upper, lower = rectangle(40, 20, 140, 40), rectangle(40, 40, 140, 59)
    left, right = view(LEFT, (upper, 0.9), (lower, 0.8)), view(RIGHT, (upper | lower, 0.7))
    found, _ = merge(left, right, match_threshold=0.4)
    assert [score for score, _ in found] == [0.9, 0.8]
    assert np.array_equal(found[1][1], lower & rectangle(0, 0, 100, 100))


def test_poor_doubles_take_no_places():
    """The right tile's double agrees best with the left tile's detection, but is hardly sure."""
    long, smaller = rectangle(40, 20, 140, 50), rectangle(40, 20, 140, 46)
    far = long | rectangle(110, 10, 170, 90)
    found, _ = merge(view(LEFT, (long, 0.9)), view(RIGHT, (smaller, 0.8), (far, 0.1)))
    assert np.array_equal(
        found[0][1], (long & rectangle(0, 0, 100, 100)) | (smaller & rectangle(80, 0, 180, 100))
    )
    assert [score for score, _ in found] == [0.9, 0.1]


def test_poor_doubles_do_not_spoil_the_union():
    long = rectangle(40, 20, 140, 50)
    far = long | rectangle(110, 10, 170, 90)
    found, results = merge(view(LEFT, (long, 0.9)), view(RIGHT, (far, 0.4)))
    assert [score for score, _ in found] == [0.9]
    assert np.array_equal(found[0][1], long & rectangle(0, 0, 100, 100))
    assert results.boxes.tolist() == [[40, 20, 100, 50]]
    found, _ = merge(view(LEFT, (long, 0.9)), view(RIGHT, (far, 0.5)))
    assert np.array_equal(found[0][1], far)


def test_other_classes_are_other_objects():
    long = rectangle(40, 20, 140, 50)
    found, results = merge(view(LEFT, (long, 0.6, 0)), view(RIGHT, (long, 0.8, 1)))
    assert len(found) == 2
    assert results.names.tolist() == ["dust", "cell"]


def test_a_sloppy_sliver_of_what_another_tile_sees_whole_is_dropped():
    """At its edge the left tile sees 5 columns of the object, 25 rows of it in place of 30."""
    whole = rectangle(95, 20, 140, 50)
    sliver = rectangle(92, 23, 100, 48)
    zone_iou = 5 * 25 / (8 * 25 + 5 * 30 - 5 * 25)
    assert zone_iou < 0.6
    found, _ = merge(view(LEFT, (sliver, 0.3)), view(RIGHT, (whole, 0.8)), match_threshold=0.6)
    assert [score for score, _ in found] == [0.8]
    # covered by 5 of its 8 columns: with a higher threshold it stays
    found, _ = merge(view(LEFT, (sliver, 0.3)), view(RIGHT, (whole, 0.8)), match_threshold=0.7)
    assert len(found) == 2


def test_what_lies_clear_of_the_edges_is_never_dropped():
    small, large = rectangle(85, 30, 93, 38), rectangle(82, 10, 170, 90)
    found, _ = merge(view(LEFT, (small, 0.3)), view(RIGHT, (large, 0.8)))
    assert len(found) == 2


@pytest.mark.parametrize("reduced_score", [0.2, 0.99])
def test_the_reduced_image_gives_what_no_tile_sees_whole(reduced_score):
    whole = Tile(0, 0, WIDTH, HEIGHT)
    large, small = rectangle(10, 10, 170, 90), rectangle(20, 92, 40, 100)
    coarse = small | rectangle(18, 91, 42, 100)
    found, _ = merge(
        view(LEFT, (large, 0.5), (small, 0.6)),
        view(RIGHT, (large, 0.4)),
        view(whole, (large, 0.3), (coarse, reduced_score), reduced=True),
    )
    assert len(found) == 2
    by_size = sorted((mask.sum(), score) for score, mask in found)
    assert by_size == [(small.sum(), max(0.6, reduced_score)), (large.sum(), 0.5)]


def test_an_object_across_four_tiles():
    tiles = [Tile(x, y, x + 100, y + 60) for y in (0, 40) for x in (0, 80)]
    ring = rectangle(30, 20, 150, 80) & ~rectangle(50, 30, 130, 70)
    found, _ = merge(*(view(tile, (ring, 0.5 + i / 10)) for i, tile in enumerate(tiles)))
    assert [score for score, _ in found] == [0.8]
    assert np.array_equal(found[0][1], ring)


def test_tiles_that_do_not_meet():
    left, right = Tile(0, 0, 90, 100), Tile(90, 0, 180, 100)
    long = rectangle(40, 20, 140, 50)
    found, _ = merge(view(left, (long, 0.6)), view(right, (long, 0.8)))
    assert len(found) == 2  # nothing says that they belong together


def test_detections_without_a_pixel_are_kept_and_nothing_found_is_no_error():
    nothing = rectangle(0, 0, 0, 0)
    found, _ = merge(view(LEFT, (nothing, 0.6)), view(RIGHT))
    assert [score for score, _ in found] == [0.6]
    found, results = merge(view(LEFT), view(RIGHT))
    assert found == []
    assert results.image_size == (HEIGHT, WIDTH)
    assert results.class_names == ("cell", "dust")
