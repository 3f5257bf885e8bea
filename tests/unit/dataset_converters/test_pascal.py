"""Test the reader of Pascal VOC's segmentations."""

import numpy as np
import pytest
from PIL import Image

from condinst.dataset_converters import import_data

VOC_COLORS = [(0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0), (0, 0, 128)]


@pytest.fixture
def voc(tmp_path, draw):
    """Return voc(name, objects, classes, root), which writes a 40 x 30 image and palette masks."""

    def palette(path, labels):
        image = Image.fromarray(labels)
        image = image.convert("P")
        image.putdata(labels.ravel().tolist())
        image.putpalette([c for color in VOC_COLORS for c in color] + [9] * 3 * 251)
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path)

    def write(name, instances, classes, root="VOC2012"):
        draw(tmp_path / root / f"JPEGImages/{name}.jpg", value=ord(name[-1]))
        palette(tmp_path / root / f"SegmentationObject/{name}.png", instances)
        palette(tmp_path / root / f"SegmentationClass/{name}.png", classes)

    return write


def _two():
    """Draw two objects of classes 15 and 9 with a void border between them."""
    instances, classes = np.zeros((2, 30, 40), np.uint8)
    instances[2:12, 2:12], classes[2:12, 2:12] = 1, 15
    instances[12:22, 2:12], classes[12:22, 2:12] = 2, 9
    instances[11:13, 2:12] = classes[11:13, 2:12] = 255
    return instances, classes


def _lists(root, **names):
    (root / "ImageSets/Segmentation").mkdir(parents=True)
    for split, listed in names.items():
        (root / f"ImageSets/Segmentation/{split}.txt").write_text("\n".join(listed) + "\n")


def _xml(root, *names):
    (root / "Annotations").mkdir()
    objects = "".join(f"<object>\n  <name>{name}</name></object>" for name in names)
    (root / "Annotations/a.xml").write_text(f"<annotation>{objects}</annotation>")


def test_instances_classes_void_and_lists(voc, tmp_path, objects):
    for name in ("a", "b", "c"):
        voc(name, *_two())
    root = tmp_path / "VOC2012"
    _lists(root, train=["a", "b"], val=["c"], trainval=["a", "b", "c"])
    _xml(root, "person", "chair")
    imported = import_data(tmp_path, tmp_path / "out")
    assert imported.format == "pascal"
    assert imported.classes == ("chair", "person")
    assert (imported.train.num_images, imported.val.num_images, imported.seed) == (2, 1, None)
    assert imported.train.img_dir == root / "JPEGImages"
    (person, first, _), (chair, second, _) = objects(imported.val)["c.jpg"]
    assert (person, first["bbox"], first["area"]) == ("person", [2, 2, 10, 9], 90)
    assert (chair, second["bbox"], second["area"]) == ("chair", [2, 13, 10, 9], 90)


def test_the_class_is_that_of_most_pixels_that_have_one(voc, tmp_path, all_objects):
    instances, classes = np.zeros((2, 30, 40), np.uint8)
    instances[:10, :10] = 1
    classes[:10, :2], classes[:1, 2:10] = 3, 4  # 20 pixels, 8, and 72 of background
    for name in ("a", "b"):
        voc(name, instances, classes)
    ((name, _, _),) = all_objects(import_data(tmp_path, tmp_path / "out"))["a.jpg"]
    assert name == "class_3"


def test_numbers_of_others_are_not_given_vocs_names(voc, tmp_path):
    for name in ("a", "b"):
        voc(name, *_two())
    assert import_data(tmp_path, tmp_path / "out").classes == ("class_9", "class_15")


def test_cvats_label_map_and_colors(tmp_path, draw, all_objects):
    instances, classes = np.zeros((2, 30, 40, 3), np.uint8)
    instances[2:12, 2:12], classes[2:12, 2:12] = (128, 0, 0), (250, 50, 83)
    instances[15:25, 2:12], classes[15:25, 2:12] = (0, 128, 0), (51, 221, 255)
    for name in ("a", "b"):
        draw(tmp_path / f"JPEGImages/{name}.jpg", value=ord(name))
        for folder, pixels in (("Object", instances), ("Class", classes)):
            path = tmp_path / f"Segmentation{folder}/{name}.png"
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(pixels).save(path)
    text = (
        "# label:color_rgb:parts:actions\nbackground:0,0,0::\nleaf:51,221,255::\nstem:250,50,83::\n"
    )
    (tmp_path / "labelmap.txt").write_text(text)
    _lists(tmp_path, default=["a", "b"])
    imported = import_data(tmp_path, tmp_path / "out")
    assert imported.classes == ("leaf", "stem")
    found = {name: a["bbox"] for name, a, _ in all_objects(imported)["a.jpg"]}
    assert found == {"stem": [2, 2, 10, 10], "leaf": [2, 15, 10, 10]}
    (tmp_path / "labelmap.txt").unlink()
    with pytest.raises(ValueError, match="a.png: its pixels are colors"):
        import_data(tmp_path, tmp_path / "out")


@pytest.mark.parametrize("place", ["images/{}.jpg", "{}.jpg"])
def test_images_beside_cvats_masks(voc, tmp_path, all_objects, place):
    """CVAT's export of masks has no images unless asked: users put them where they have them."""
    for name in ("a", "b"):
        voc(name, *_two(), root=".")
        path = tmp_path / place.format(name)
        path.parent.mkdir(exist_ok=True)
        (tmp_path / f"JPEGImages/{name}.jpg").rename(path)
    _lists(tmp_path, default=["a", "b"])
    assert sorted(map(len, all_objects(import_data(tmp_path, tmp_path / "out")).values())) == [2, 2]


def test_what_is_left_out_is_counted(voc, tmp_path, all_objects, note):
    instances, classes = _two()
    classes[instances == 2] = 0
    for name in ("a", "b", "c", "d"):
        voc(name, instances, classes)
    root = tmp_path / "VOC2012"
    (root / "SegmentationClass/c.png").unlink()
    (root / "JPEGImages/d.jpg").unlink()
    imported = import_data(tmp_path, tmp_path / "out")
    assert {name: len(found) for name, found in all_objects(imported).items()} == {
        "a.jpg": 1,
        "b.jpg": 1,
    }
    assert "2 (a, value 2, b, value 2)" in note(imported, "background or void")
    assert "1 (c)" in note(imported, "without a mask")
    assert "1 (d)" in note(imported, "without an image")


def test_two_years_have_to_be_chosen(voc, tmp_path):
    for root in ("VOC2007", "VOC2012"):
        for name in ("a", "b"):
            voc(name, *_two(), root=root)
    with pytest.raises(ValueError, match="use --data FOLDER with one of them: VOC2007, VOC2012"):
        import_data(tmp_path, tmp_path / "out")
    assert import_data(tmp_path / "VOC2007", tmp_path / "out").train.num_images == 1
