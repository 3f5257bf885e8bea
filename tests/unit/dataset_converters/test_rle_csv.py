"""Test the reader of csv files with RLE, as in Kaggle's competitions."""

import csv

import numpy as np
import pytest
from two_images import FIRST, SECOND, WITH_HOLE, H, W, check

from condinst.dataset_converters import import_data


def _rle(mask, by_rows):
    flat = np.concatenate([[0], mask.ravel() if by_rows else mask.T.ravel(), [0]]).astype(int)
    edges = np.flatnonzero(np.diff(flat)) + 1
    return " ".join(f"{a} {b - a}" for a, b in edges.reshape(-1, 2))


@pytest.mark.parametrize("by_rows", [True, False])
@pytest.mark.parametrize(
    ("header", "row"),
    [
        (["ImageId", "EncodedPixels"], lambda n, r, c: [n, r]),
        (["id", "annotation", "width", "height", "cell_type"], lambda n, r, c: [n, r, W, H, c]),
        (["ImageId", "ClassId", "EncodedPixels"], lambda n, r, c: [f"{n}.png", c, r]),
        (["Image_Label", "EncodedPixels"], lambda n, r, c: [f"{n}.png_{c}", r]),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_kaggles_csv(tmp_path, two_images, all_objects, header, row, by_rows, encoding):
    two_images("train/{}.png")
    with open(tmp_path / "train.csv", "w", newline="", encoding=encoding) as file:
        writer = csv.writer(file)
        writer.writerow(header)
        for n in "ab":
            writer.writerow(row(n, _rle(FIRST, by_rows), "cort"))
            writer.writerow(row(n, _rle(WITH_HOLE, by_rows), "astro"))
    imported = import_data(tmp_path, tmp_path / "out")
    classes = ("cort", "astro") if len(header) > 2 or "_" in header[0] else ("object", "object")
    check(all_objects, imported, list(zip(classes, (FIRST, WITH_HOLE), strict=True)))


def test_rows_that_are_classes_are_asked_for(tmp_path, two_images, all_objects):
    two_images()
    with open(tmp_path / "train.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["ImageId", "ClassId", "EncodedPixels"])
        for n in "ab":
            writer.writerow([f"{n}.png", "3", _rle(FIRST | SECOND, False)])
    with pytest.raises(ValueError, match="--masks classes"):
        import_data(tmp_path, tmp_path / "out")
    imported = import_data(tmp_path, tmp_path / "out", masks="classes")
    check(all_objects, imported, [("class_3", FIRST), ("class_3", SECOND)])


def _write_split(tmp_path, splits):
    with open(tmp_path / "train.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["filename", "rle", "split"])
        for name, split in splits:
            writer.writerow([f"{name}.png", _rle(FIRST, False), split])
            writer.writerow([f"{name}.png", _rle(SECOND, False), split])


def test_a_column_of_splits(tmp_path, two_images, objects):
    two_images()
    _write_split(tmp_path, [("a", "Validation"), ("b", "train")])
    imported = import_data(tmp_path, tmp_path / "out")
    assert set(objects(imported.train)) == {"b.png"}
    assert set(objects(imported.val)) == {"a.png"}
    _write_split(tmp_path, [("a", "val"), ("b", "train"), ("a", "train")])
    with pytest.raises(ValueError, match="a.png is in the splits val and train"):
        import_data(tmp_path, tmp_path / "out2")


def test_ids_that_name_no_image_are_refused_with_the_way_out(tmp_path, two_images):
    """As UW-Madison's ids, which join the names of folders and of slices."""
    two_images("case1/day2/{}_266_266.png")
    rows = [f"case1_day2_{name},1 3" for name in "ab"]
    (tmp_path / "train.csv").write_text("\n".join(["id,segmentation", *rows]))
    with pytest.raises(ValueError, match="found; an id in the csv must be the name of an image"):
        import_data(tmp_path, tmp_path / "out")
