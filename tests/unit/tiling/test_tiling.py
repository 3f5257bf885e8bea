"""Where tiles lie, and the way of an image through them."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from condinst.masks.crop import Crop
from condinst.results.results import Results
from condinst.tiling.tiling import Tiling, predict_by_tiles, reduce_image


@pytest.mark.parametrize("size", [(1, 1), (64, 64), (65, 64), (200, 333), (1000, 70), (30, 500)])
@pytest.mark.parametrize("overlap", [0.0, 0.2, 0.5, 0.9])
def test_tiles_cover_the_image_and_overlap_as_asked_for(size, overlap):
    tiles = Tiling((64, 48), overlap).tiles(size)
    height, width = size
    covered = np.zeros(size, int)
    for x1, y1, x2, y2 in tiles:
        assert (y2 - y1, x2 - x1) == (min(64, height), min(48, width))
        assert 0 <= x1 < x2 <= width
        assert 0 <= y1 < y2 <= height
        covered[y1:y2, x1:x2] += 1
    assert covered.min() >= 1
    columns = sorted({tile.x1 for tile in tiles})
    rows = sorted({tile.y1 for tile in tiles})
    for starts, side in ((columns, 48), (rows, 64)):
        assert all(b - a <= side - side * overlap for a, b in zip(starts, starts[1:], strict=False))
        assert len(set(starts)) == len(starts)
    assert len(tiles) == len(rows) * len(columns)


def test_no_tile_more_than_needed():
    # a side of 1000 in tiles of 400 with 100 shared: 0 to 400, 300 to 700, 600 to 1000
    assert [tile.x1 for tile in Tiling((400, 400), 0.25).tiles((400, 1000))] == [0, 300, 600]
    assert len(Tiling((400, 400), 0.25).tiles((1001, 1000))) == 4 * 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(tile=0), r"tile=\(0, 0\): expected"),
        (dict(tile=(3, 4, 5)), r"tile=\(3, 4, 5\): expected"),
        (dict(tile="a"), r"tile='a': expected"),
        (dict(tile=9.5), r"tile=9.5: expected"),
        (dict(overlap="x"), r"tile_overlap='x': expected 0 or more, and less than 1"),
        (dict(overlap=1.0), r"tile_overlap=1.0: expected 0 or more, and less than 1"),
        (dict(match_threshold=0.0), r"tile_match_threshold=0.0: expected more than 0, at most 1"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        Tiling.of(
            **{**dict(tile=9, overlap=0.2, standard_pred=False, match_threshold=0.5), **arguments}
        )


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [((300, 203, 3), np.uint8), ((50, 40, 1), np.uint16), ((7, 900, 4), np.float32)],
)
def test_reduced_images_are_means(shape, dtype):
    values = np.random.default_rng(0).integers(0, 256, shape).astype(dtype)
    reduced = reduce_image(values, 3)
    assert reduced.dtype == dtype
    assert reduced.shape == (shape[0] // 3, shape[1] // 3, shape[2])
    for y, x in ((0, 0), (reduced.shape[0] - 1, reduced.shape[1] - 1)):
        square = values[3 * y : 3 * y + 3, 3 * x : 3 * x + 3].astype(float).mean(axis=(0, 1))
        np.testing.assert_allclose(reduced[y, x], square, atol=0.5001)


def test_reduced_as_pillow_reduces():
    values = np.random.default_rng(1).integers(0, 256, (222, 150, 3)).astype(np.uint8)
    expected = np.asarray(Image.fromarray(values).reduce(6))
    assert np.abs(reduce_image(values, 6).astype(int) - expected).max() <= 1


def red_dots(images: list[np.ndarray]) -> list[Results]:
    """A detector: every connected square of one red value is an object; so red is the score."""
    found = []
    for image in images:
        red = image[..., 0]
        crops = [Crop.of(red == value) for value in np.unique(red[red > 0])]
        found.append(
            Results(
                image_size=red.shape,
                boxes=[[c.x, c.y, c.x + c.mask.shape[1], c.y + c.mask.shape[0]] for c in crops],
                scores=[red[c.y, c.x] / 255 for c in crops],
                labels=np.zeros(len(crops)),
                crops=crops,
                class_names=("dot",),
            )
        )
    return found


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_an_image_by_tiles_is_the_image_at_once(batch_size):
    image = np.zeros((300, 410, 3), np.uint8)
    rng = np.random.default_rng(2)
    places = [(y, x) for y in range(0, 300, 30) for x in range(0, 410, 41)]
    for value, (y, x) in enumerate(places, start=1):
        height, width = rng.integers(4, 25, 2)
        image[y : y + height, x : x + width] = value
    sizes = []

    def predict(images):
        sizes.append(len(images))
        return red_dots(images)

    found = predict_by_tiles(image, Tiling((90, 80), 0.2), predict, batch_size)
    (expected,) = red_dots([image])
    expected = expected[np.argsort(-expected.scores)]
    assert max(sizes) <= batch_size
    assert len(found) == len(places)
    assert np.array_equal(found.scores, expected.scores)
    assert np.array_equal(found.boxes, expected.boxes)
    assert np.array_equal(found.masks, expected.masks)


def test_the_whole_image_as_one_more_view():
    image = np.zeros((400, 400, 3), np.uint8)
    image[20:380, 40:360] = 200
    image[148:252, 148:252] = 0
    plain = predict_by_tiles(image, Tiling((100, 100), 0.2), red_dots, 4)
    assert len(plain) == 1  # its parts agree
    small_overlap = Tiling((100, 100), 0.0)
    assert len(predict_by_tiles(image, small_overlap, red_dots, 4)) > 4
    tiling = Tiling((100, 100), 0.0, standard_pred=True)
    found = predict_by_tiles(image, tiling, red_dots, 4)
    assert len(found) == 1
    truth = image[..., 0] > 0
    assert (found.masks[0] & truth).sum() / (found.masks[0] | truth).sum() > 0.97
    np.testing.assert_allclose(found.boxes, [[40, 20, 360, 380]], atol=4)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((0.5, False, 0.5), "tile_overlap=0.5"),
        ((0.2, True, 0.5), "tile_standard_pred=True"),
        ((0.2, False, 0.3), "tile_match_threshold=0.3"),
        (("a", False, 0.5), "tile_overlap='a'"),
    ],
)
def test_settings_without_a_tile(values, message):
    with pytest.raises(ValueError, match=f"^{message}: has no effect without tile, such as tile="):
        Tiling.of(None, *values)
    assert Tiling.of(None, 0.2, False, 0.5) is None
