import numpy as np
import pytest
from pycocotools import mask as coco_mask

from condinst.masks.rle import checked_rle, crop_of_rle, read_counts, read_many_counts


def run_lengths(mask: np.ndarray) -> list[int]:
    """Runs of equal pixels in column order, background first, counted one by one."""
    runs, current = [0], 0
    for pixel in mask.T.ravel():
        if pixel == current:
            runs[-1] += 1
        else:
            runs.append(1)
            current = pixel
    return runs


def masks() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    shapes = [(1, 1), (1, 90), (90, 1), (37, 53)]
    found = [np.zeros((9, 700), np.uint8), np.ones((9, 700), np.uint8)]
    for shape in shapes:
        found += [(rng.random(shape) < share).astype(np.uint8) for share in (0.02, 0.5, 0.98)]
    return found


@pytest.mark.parametrize("mask", masks())
def test_both_kinds_of_counts_give_the_mask_back(mask):
    height, width = mask.shape
    encoded = coco_mask.encode(np.asfortranarray(mask))
    runs = run_lengths(mask)
    assert read_counts(encoded["counts"]).tolist() == runs
    for counts in (encoded["counts"], encoded["counts"].decode(), runs):
        rle = checked_rle({"size": [height, width], "counts": counts}, height, width)
        assert (coco_mask.decode(rle) == mask).all()


def test_several_rles_are_read_at_once():
    counts = [coco_mask.encode(np.asfortranarray(mask))["counts"] for mask in masks()]
    runs, num_runs = read_many_counts(counts)
    expected = [run_lengths(mask) for mask in masks()]
    assert num_runs.tolist() == [len(one) for one in expected]
    assert runs.tolist() == sum(expected, [])


@pytest.mark.parametrize("broken", [b"", b"5o", b"\xff"])
def test_a_broken_code_among_others_is_refused(broken):
    good = coco_mask.encode(np.asfortranarray(masks()[-1]))["counts"]
    with pytest.raises(ValueError, match="not compressed RLE"):
        read_many_counts([good, broken, good])


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        ({"size": [4, 5]}, "needs the keys counts and size"),
        ({"size": [5, 4], "counts": [20]}, r"size \[5, 4\].*\[4, 5\]"),
        ({"size": [4, 5], "counts": [19]}, "cover 19 pixels, the image has 20"),
        ({"size": [4, 5], "counts": [25, -5]}, "negative"),
        ({"size": [4, 5], "counts": ["x"]}, "neither a string nor a list of integers"),
        ({"size": [4, 5], "counts": 20}, "counts cover 20 pixels|neither"),
        ({"size": [4, 5], "counts": ""}, "not compressed RLE"),
        ({"size": [4, 5], "counts": "\xff\xff"}, "not compressed RLE"),
        ({"size": [4, 5], "counts": "oooooooooooooooo0"}, "not compressed RLE"),
    ],
)
def test_a_malformed_code_is_refused(segmentation, message):
    with pytest.raises(ValueError, match=message):
        checked_rle(segmentation, 4, 5)


def test_an_rle_cut_short_is_refused_where_pycocotools_decodes_it():
    mask = np.zeros((40, 50), np.uint8)
    mask[10:30, 5:45] = 1
    rle = coco_mask.encode(np.asfortranarray(mask))
    rle["counts"] = rle["counts"][:-40]
    assert coco_mask.decode(rle).shape == (40, 50)  # no error, but memory noise from there on
    with pytest.raises(ValueError, match="the image has 2000"):
        checked_rle(rle, 40, 50)


@pytest.mark.parametrize("mask", masks())
def test_a_crop_holds_the_mask_that_pycocotools_decodes(mask):
    rle = coco_mask.encode(np.asfortranarray(mask))
    crop = crop_of_rle(rle)
    whole = np.zeros(mask.shape, bool)
    rows, columns = crop.mask.shape
    whole[crop.y : crop.y + rows, crop.x : crop.x + columns] = crop.mask
    assert np.array_equal(whole, mask.astype(bool))
    if mask.any():  # nothing but background lies around it
        assert all(crop.mask.any(axis=axis)[[0, -1]].all() for axis in (0, 1))
