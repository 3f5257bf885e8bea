"""Test the readers of PNG masks: one per instance, or one label map per image."""

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from condinst.dataset_converters import import_data


def _squares(*places, shape=(30, 40), dtype=np.uint8, value=None):
    """Draw 5 x 5 squares at (x, y), numbered from 1, or all of one value."""
    labels = np.zeros(shape, dtype)
    for number, (x, y) in enumerate(places, 1):
        labels[y : y + 5, x : x + 5] = number if value is None else value
    return labels


@pytest.fixture
def bowl(tmp_path, draw, write_png):
    """Return bowl(id, masks, split=""), which writes ID/images/ID.png and ID/masks."""

    def write(name, masks, split=""):
        folder = tmp_path / split / name
        draw(folder / "images" / f"{name}.png", value=sum(map(ord, name)) % 256)
        (folder / "masks").mkdir()
        for number, mask in enumerate(masks):
            write_png(folder / "masks" / f"{number}.png", mask)

    return write


@pytest.fixture
def maps(tmp_path, draw, write_png):
    """Return maps(name, labels), which writes images/NAME.jpg and masks/NAME.png."""

    def write(name, labels, masks="masks/{}.png", images="images/{}.jpg"):
        path = draw(tmp_path / images.format(name), value=sum(map(ord, name)) % 256)
        if labels is not None:
            write_png(tmp_path / masks.format(name), labels)
        return path

    return write


def _areas(found):
    return sorted((annotation["area"], annotation["bbox"]) for _, annotation, _ in found)


def test_a_file_per_instance(bowl, tmp_path, all_objects, note):
    apart = _squares((2, 3), (20, 20), value=255)  # one instance in two pieces
    overlapping = _squares((4, 3), value=255)
    bowl("a", [apart, overlapping])
    bowl("b", [])
    imported = import_data(tmp_path, tmp_path / "out")
    assert (imported.format, imported.classes) == ("masks", ("object",))
    found = all_objects(imported)
    assert found["b/images/b.png"] == []
    (_, first, mask), (_, second, _) = found["a/images/a.png"]
    np.testing.assert_array_equal(mask, apart > 0)
    assert (first["area"], first["bbox"]) == (50, [2, 3, 23, 22])
    assert second["bbox"] == [4, 3, 5, 5]
    assert "1 (b/images/b.png)" in note(imported, "negatives")


def test_issues_of_mask_files(bowl, tmp_path, draw, note, all_objects):
    bowl("a", [_squares((2, 3)), _squares()])
    bowl("b", [_squares((2, 3))])
    draw(tmp_path / "c/images/c.png", value=7)
    (tmp_path / "b/images/b.png").unlink()
    bowl("d", [_squares((2, 3))])
    imported = import_data(tmp_path, tmp_path / "out")
    assert set(all_objects(imported)) == {"a/images/a.png", "d/images/d.png"}
    assert "1 (a/masks/1.png)" in note(imported, "Empty masks")
    assert "1 (b)" in note(imported, "without an image")
    assert "1 (c/images/c.png)" in note(imported, "without a folder of masks")


def test_parts_of_mask_files(bowl, tmp_path):
    for split, names in (("stage1_train", "ab"), ("stage1_val", "c")):
        for name in names:
            bowl(name, [_squares((2, 3))], split)
    imported = import_data(tmp_path, tmp_path / "out")
    assert (imported.train.num_images, imported.val.num_images, imported.seed) == (2, 1, None)


def test_a_mask_of_another_size_is_named(bowl, tmp_path):
    bowl("a", [_squares((2, 3), shape=(30, 41))])
    bowl("b", [_squares((2, 3))])
    with pytest.raises(ValueError, match=r"a/masks/0.png: 41 x 30 .*a/images/a.png is 40 x 30"):
        import_data(tmp_path, tmp_path / "out")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_each_value_is_an_instance(maps, tmp_path, all_objects, dtype, note):
    labels = _squares((0, 0), (5, 0), (30, 24), dtype=dtype)  # two that touch
    labels[labels == 3] = 200 if dtype == np.uint8 else 60000
    labels[10:12, 10:12] = 1  # a second piece
    maps("a", labels)
    maps("b", _squares(dtype=dtype))
    imported = import_data(tmp_path, tmp_path / "out")
    found = all_objects(imported)
    assert _areas(found["a.jpg"]) == [
        (25, [5, 0, 5, 5]),
        (25, [30, 24, 5, 5]),
        (29, [0, 0, 12, 12]),
    ]
    assert found["b.jpg"] == []
    assert note(imported, "Each value in a mask is one instance")


def test_binary_masks_are_taken_apart(maps, tmp_path, all_objects, note):
    maps("a", _squares((0, 0), (5, 5), (20, 20), value=255))  # the first two touch at a corner
    maps("b", _squares((1, 2), value=255))
    imported = import_data(tmp_path, tmp_path / "out")
    assert _areas(all_objects(imported)["a.jpg"]) == [(25, [20, 20, 5, 5]), (50, [0, 0, 10, 10])]
    assert note(imported, "each connected piece")


def test_one_instance_per_image_is_not_binary_where_another_has_two(maps, tmp_path, all_objects):
    maps("a", _squares((0, 0), (20, 20), value=1))
    maps("b", _squares((1, 2), (9, 9)))
    assert len(all_objects(import_data(tmp_path, tmp_path / "out"))["a.jpg"]) == 1


def test_palettes_bits_and_gray_colors(tmp_path, maps, all_objects):
    labels = _squares((0, 0), (20, 20))
    for name in ("palette", "colors", "alpha"):
        maps(name, None)
    (tmp_path / "masks").mkdir()
    palette = Image.fromarray(labels).convert("P")
    palette.putdata(labels.ravel().tolist())
    palette.putpalette([9, 9, 9, 200, 0, 0, 0, 200, 0])
    palette.save(tmp_path / "masks/palette.png")
    Image.fromarray(np.stack([labels] * 3, 2)).save(tmp_path / "masks/colors.png")
    Image.merge("LA", [Image.fromarray(labels), Image.new("L", (40, 30), 255)]).save(
        tmp_path / "masks/alpha.png"
    )
    found = all_objects(import_data(tmp_path, tmp_path / "out"))
    assert len(found) == 3
    for objects in found.values():
        assert _areas(objects) == [(25, [0, 0, 5, 5]), (25, [20, 20, 5, 5])]


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        ("train/images/{}.jpg", "train/masks/{}.png"),
        ("img/{}.png", "labels/{}_label.png"),
        ("images/train/{}.jpg", "masks/train/{}.png"),
        ("set/raw/{}.jpg", "set/gt/{}_cp_masks.png"),
    ],
)
def test_names_of_folders_and_files(maps, tmp_path, all_objects, images, masks):
    for name in ("a", "b"):
        maps(name, _squares((0, 0), (20, 20)), images=images, masks=masks)
    found = all_objects(import_data(tmp_path, tmp_path / "out"))
    assert [len(objects) for objects in found.values()] == [2, 2]


def test_images_and_masks_alone_are_counted(maps, tmp_path, write_png, all_objects, note):
    for name in ("a", "b"):
        maps(name, _squares((0, 0), (20, 20)))
    maps("c", None)
    write_png(tmp_path / "masks/d.png", _squares((0, 0)))
    imported = import_data(tmp_path, tmp_path / "out")
    assert set(all_objects(imported)) == {"a.jpg", "b.jpg"}
    assert "1 (images/c.jpg)" in note(imported, "without a mask")
    assert "1 (masks/d.png)" in note(imported, "Masks without an image")


def test_values_in_many_pieces_may_be_classes(maps, tmp_path):
    dots = np.zeros((30, 40), np.uint8)
    dots[::4, :20:4], dots[::4, 20::4] = 1, 2
    maps("a", dots)
    maps("b", dots)
    with pytest.raises(ValueError, match="instances or classes: 4 of 4 values .*--masks classes"):
        import_data(tmp_path, tmp_path / "out")


def test_a_broken_mask_is_named(maps, tmp_path):
    for name in ("a", "b"):
        maps(name, _squares((0, 0), (20, 20)))
    path = tmp_path / "masks/b.png"
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(ValueError, match=r"mask file .*masks/b.png: not readable"):
        import_data(tmp_path, tmp_path / "out")


def test_real_nuclei_come_back(datasets, tmp_path, bowl, all_objects, write_png):
    """Masks of real images, written as one file per instance, give the original RLEs."""
    coco = COCO(str(datasets / "nuclei/annotations/instances_val.json"))
    expected = {}
    for image_id in sorted(coco.imgs)[:3]:
        image = coco.imgs[image_id]
        stem = image["file_name"][:-4]
        rles = [a["segmentation"] for a in coco.imgToAnns[image_id]]
        bowl(stem, [coco_mask.decode(rle) * 255 for rle in rles])
        real = datasets / "nuclei/val" / image["file_name"]
        (tmp_path / stem / "images" / f"{stem}.png").write_bytes(real.read_bytes())
        expected[f"{stem}/images/{stem}.png"] = sorted(rle["counts"] for rle in rles)
    found = all_objects(import_data(tmp_path, tmp_path / "out"))
    got = {
        name: sorted(annotation["segmentation"]["counts"] for _, annotation, _ in objects)
        for name, objects in found.items()
    }
    assert got == expected
    assert sum(map(len, got.values())) > 50


def test_the_only_folder_below_that_of_the_masks(maps, tmp_path, all_objects):
    for name in "ab":
        maps(f"{name}_1", _squares((2, 3), (20, 20)), masks="annotations/inst_maps/{}.png")
    imported = import_data(tmp_path, tmp_path / "out")
    assert imported.classes == ("object",)
    for found in all_objects(imported).values():
        assert _areas(found) == [(25, [2, 3, 5, 5]), (25, [20, 20, 5, 5])]


def test_the_only_folder_below_that_of_the_masks_names_the_class(maps, tmp_path, all_objects, note):
    for name in "ab":
        maps(name, _squares((2, 3), (20, 20), value=255), masks="masks/cat/{}.png")
    imported = import_data(tmp_path, tmp_path / "out")
    assert imported.classes == ("cat",)
    for found in all_objects(imported).values():
        assert _areas(found) == [(25, [2, 3, 5, 5]), (25, [20, 20, 5, 5])]
    assert "only class is 'cat'" in note(imported, "No mask has more than one value")


@pytest.mark.parametrize("asked", [None, "classes", "instances"])
def test_several_values_in_a_file_of_one_class_are_not_merged(maps, tmp_path, asked):
    for label in ("cat", "dog"):
        for name in "ab":
            maps(name, _squares((2, 3), (20, 20)), masks=f"masks/{label}/{{}}.png")
    with pytest.raises(ValueError, match=r"one value besides 0, found 2 values: 1, 2"):
        import_data(tmp_path, tmp_path / "out", masks=asked)


def test_masks_without_background_are_not_binary(maps, tmp_path):
    for name in "ab":
        maps(name, _squares((2, 3)) + 1)
    with pytest.raises(ValueError, match="no pixel of its 2 masks is 0, so each whole image"):
        import_data(tmp_path, tmp_path / "out", masks="binary")


def test_satellite_images_with_masks_in_one_folder(maps, tmp_path, all_objects):
    for name in "ab":
        maps(name, _squares((2, 3)), masks="{}_mask.png", images="{}_sat.jpg")
    found = all_objects(import_data(tmp_path, tmp_path / "out"))
    assert {name: _areas(there) for name, there in found.items()} == {
        f"{name}_sat.jpg": [(25, [2, 3, 5, 5])] for name in "ab"
    }
