"""Test the reader of YOLO segmentation labels."""

import json

import numpy as np
import pytest
from PIL import Image

from condinst.dataset_converters import import_data

SQUARE = "0.25 0.2 0.75 0.2 0.75 0.6 0.25 0.6"  # of 40 x 30: (10, 6) to (30, 18)


@pytest.fixture
def data(tmp_path, draw):
    """Write two splits of three images with a square each."""

    def write(split, number=3, label=f"1 {SQUARE}\n"):
        for i in range(number):
            draw(tmp_path / f"images/{split}/{split}{i}.png", value=i + 10 * len(split))
            path = tmp_path / f"labels/{split}/{split}{i}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(label)

    return write


@pytest.fixture
def two_parts(tmp_path, data):
    data("train")
    data("val")
    text = "path: .\ntrain: images/train\nval: images/val\ntest:\nnames:\n  0: cat\n  1: dog\n"
    (tmp_path / "data.yaml").write_text(text)
    return tmp_path


def test_polygons_in_pixels(two_parts, objects):
    imported = import_data(two_parts, two_parts / "out")
    assert imported.format == "yolo"
    assert imported.classes == ("cat", "dog")
    assert imported.seed is None
    assert imported.train.img_dir == two_parts / "images/train"
    expected = np.zeros((30, 40), bool)
    expected[6:18, 10:30] = True
    for split in (imported.train, imported.val):
        found = objects(split)
        assert len(found) == 3
        for ((name, annotation, mask),) in found.values():
            assert name == "dog"
            assert annotation["bbox"] == [10, 6, 20, 12]
            assert annotation["area"] == 240
            assert annotation["segmentation"] == [[10, 6, 30, 6, 30, 18, 10, 18]]
            np.testing.assert_array_equal(mask, expected)


def test_round_trip_of_real_polygons(datasets, tmp_path, objects, iou):
    source = json.loads((datasets / "coco_tiny/annotations/instances_val2017.json").read_text())
    names = {category["id"]: i for i, category in enumerate(source["categories"])}
    (tmp_path / "labels").mkdir()
    (tmp_path / "images").mkdir()
    expected = {}
    for image in source["images"][:20]:
        rows = []
        for a in source["annotations"]:
            if a["image_id"] == image["id"] and not a["iscrowd"] and len(a["segmentation"]) == 1:
                points = np.reshape(a["segmentation"][0], (-1, 2))
                points = points / (image["width"], image["height"])
                rows.append(
                    f"{names[a['category_id']]} {' '.join(f'{v:.6f}' for v in points.flat)}"
                )
                expected.setdefault(image["file_name"], []).append(a)
        stem = image["file_name"][:-4]
        (tmp_path / f"labels/{stem}.txt").write_text("\n".join(rows))
        real = datasets / "coco_tiny/val2017" / image["file_name"]
        (tmp_path / "images" / image["file_name"]).write_bytes(real.read_bytes())
    listed = [category["name"] for category in source["categories"]]
    text = f"train: images\nval: images\nnames: {json.dumps(listed)}\n"
    (tmp_path / "data.yaml").write_text(text)
    imported = import_data(tmp_path, tmp_path / "out")
    found = {**objects(imported.train), **objects(imported.val)}
    assert imported.classes == tuple(listed)
    compared = 0
    for name, annotations in expected.items():
        original = [_mask_of(a, *found[name][0][2].shape) for a in annotations]
        assert len(original) == len(found[name])
        for (label, _, mask), truth, a in zip(found[name], original, annotations, strict=True):
            assert label == listed[names[a["category_id"]]]
            assert iou(mask, truth) > 0.99
            compared += 1
    assert compared > 100


def _mask_of(annotation, height, width):
    from pycocotools import mask as coco_mask

    rles = coco_mask.frPyObjects(annotation["segmentation"], height, width)
    return coco_mask.decode(coco_mask.merge(rles)).astype(bool)


def test_without_val_the_training_part_is_split(two_parts, all_objects, note):
    (two_parts / "data.yaml").write_text("train: images\nnames: [cat, dog]\n")
    imported = import_data(two_parts, two_parts / "out", val_fraction=0.5)
    assert (imported.train.num_images, imported.val.num_images, imported.seed) == (3, 3, 0)
    assert len(all_objects(imported)) == 6
    assert note(imported, "3 are for validation")


def test_lists_of_images_and_roboflows_paths(two_parts):
    listed = "".join(f"./images/train/train{i}.png\n" for i in range(2))
    (two_parts / "train.txt").write_text(listed)
    (two_parts / "data.yaml").write_text(
        "train: train.txt\nval: ../images/val\nnames: [cat, dog]\n"
    )
    imported = import_data(two_parts, two_parts / "out")
    assert (imported.train.num_images, imported.val.num_images) == (2, 3)


def test_absolute_paths_of_another_machine(two_parts):
    text = "train: /home/me/set/images/train\nval: D:\\set\\images\\val\nnames: [cat, dog]\n"
    (two_parts / "data.yaml").write_text(text)
    assert import_data(two_parts, two_parts / "out").val.img_dir == two_parts / "images/val"


def test_without_yaml_classes_txt_names_them(tmp_path, data, all_objects):
    data("any", number=4)
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    imported = import_data(tmp_path, tmp_path / "out")
    assert imported.classes == ("cat", "dog")
    assert {found[0][0] for found in all_objects(imported).values()} == {"dog"}
    (tmp_path / "classes.txt").unlink()
    assert import_data(tmp_path, tmp_path / "out2").classes == ("class_1",)


def test_what_is_wrong_is_counted(two_parts, draw, objects, note):
    labels, images = two_parts / "labels/train", two_parts / "images/train"
    (labels / "train0.txt").write_text(
        f"0 {SQUARE}\n5 {SQUARE}\n1 0.1 0.1\n\n1 0.5 0.5 0.501 0.5 0.501 0.501\n0 {SQUARE} 0.9\n"
    )
    (labels / "alone.txt").write_text(f"0 {SQUARE}\n")
    (labels / "train1.txt").write_text("")
    draw(images / "unlabeled.png", value=77)
    imported = import_data(two_parts, two_parts / "out")
    found = objects(imported.train)
    assert [name for name, *_ in found["train0.png"]] == ["cat", "class_5", "cat"]
    assert found["train1.png"] == found["unlabeled.png"] == []
    assert imported.classes == ("cat", "dog", "class_5")
    assert "named class_5: 1 (images/train/train0.png, row 2)" in note(imported, "class 5")
    assert "row 3" in note(imported, "fewer than three points")
    assert "row 5" in note(imported, "no pixel")
    assert "row 6" in note(imported, "confidence")
    assert "alone.txt" in note(imported, "without an image")
    assert "train1.png" in note(imported, "without objects")
    assert "unlabeled.png" in note(imported, "without a label file")


def test_boxes_alone_stay_boxes(two_parts, note):
    for path in two_parts.glob("labels/*/*.txt"):
        path.write_text("0 0.5 0.5 0.25 0.2\n")
    imported = import_data(two_parts, two_parts / "out")
    (annotation,) = json.loads(imported.val.ann_file.read_text())["annotations"][:1]
    assert annotation["bbox"] == [15, 12, 10, 6]
    assert (annotation["area"], annotation["iscrowd"]) == (60, 0)
    assert "segmentation" not in annotation
    assert note(imported, "All 6 objects are boxes")


def test_boxes_among_polygons_stay_boxes(two_parts, objects, note):
    (two_parts / "labels/val/val0.txt").write_text(f"0 0.5 0.5 0.25 0.2\n1 {SQUARE}\n")
    imported = import_data(two_parts, two_parts / "out")
    (_, box, mask), (_, polygon, _) = objects(imported.val)["val0.png"]
    assert (box["iscrowd"], polygon["iscrowd"]) == (0, 0)
    assert "segmentation" not in box
    assert "segmentation" in polygon
    assert mask.sum() == 60
    assert note(imported, "1 objects have a box and no outline, 6 have an outline")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("0 10 10 20 10 20 20", r"train1.txt: line 2: expected coordinates from 0 to 1.*got 10"),
        ("dog 0.1 0.1 0.2 0.1 0.2 0.2", r"line 2: expected a class number and coordinates"),
        ("0.5 0.1 0.1 0.2 0.1 0.2 0.2", r"line 2: expected a class number, got '0.5'"),
        ("0 nan 0.1 0.2 0.1 0.2 0.2", r"line 2: expected coordinates"),
    ],
)
def test_broken_rows_are_named(two_parts, row, message):
    (two_parts / "labels/train/train1.txt").write_text(f"1 {SQUARE}\n{row}\n")
    with pytest.raises(ValueError, match=message):
        import_data(two_parts, two_parts / "out")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train: nowhere\nval: images/val\nnames: [a]\n", "data.yaml: train: nowhere is neither"),
        ("train: images/train\nnames: [a\n", "data.yaml: not YAML"),
        (
            "train: images/train\nnames: 3\n",
            "data.yaml: expected the class names under the key names",
        ),
        ("train: images/train\nnames: [a, b, a]\n", "data.yaml: names: classes 0 and 2 are both"),
        ("train: images/train\nnames: [a, '']\n", "data.yaml: names: class 1 has an empty name"),
        ("train: images/train\nnames: [a]\nkpt_shape: [17, 3]\n", "data.yaml: .*keypoints"),
    ],
)
def test_broken_descriptions_are_named(two_parts, text, message):
    (two_parts / "data.yaml").write_text(text)
    with pytest.raises(ValueError, match=message):
        import_data(two_parts, two_parts / "out")


def test_a_broken_image_is_named(two_parts):
    (two_parts / "images/train/train1.png").write_bytes(b"not an image")
    with pytest.raises(ValueError, match=r"train1.png: not an image"):
        import_data(two_parts, two_parts / "out")


def test_sizes_are_those_of_the_turned_image(two_parts, objects):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("L", (40, 30), 3).save(two_parts / "images/val/val9.jpg", exif=exif)
    (two_parts / "labels/val/val9.txt").write_text(f"0 {SQUARE}\n")
    imported = import_data(two_parts, two_parts / "out")
    ((_, annotation, mask),) = objects(imported.val)["val9.jpg"]
    assert mask.shape == (40, 30)
    assert annotation["bbox"] == [7.5, 8, 15, 16]


def test_a_second_time_into_a_folder_of_the_dataset(two_parts):
    first = import_data(two_parts, two_parts / "new")
    text = first.train.ann_file.read_text()
    assert import_data(two_parts, two_parts / "new") == first
    assert first.train.ann_file.read_text() == text


def test_splits_that_the_yaml_names_and_that_are_missing(two_parts, all_objects, note):
    (two_parts / "data.yaml").write_text(
        "train: images/train\nval: ../valid/images\ntest: ../test/images\nnames: [cat, dog]\n"
    )
    imported = import_data(two_parts, two_parts / "out")
    assert len(all_objects(imported)) == 3
    assert note(imported, "the val split ../valid/images does not exist")
    assert note(imported, "the test split ../test/images does not exist")
    assert "3 (images/val/" in note(imported, "data.yaml does not name")


def test_labels_whose_name_differs_by_case_are_named(two_parts):
    label = next((two_parts / "labels/train").glob("*.txt"))
    label.rename(label.with_name(f"{label.stem}.TXT"))
    with pytest.raises(ValueError, match=r"\.TXT: no image has this name"):
        import_data(two_parts, two_parts / "out")


def test_classes_counted_from_one_are_refused(two_parts):
    for i, path in enumerate(sorted(two_parts.glob("labels/*/*.txt"))):
        path.write_text(f"{1 + i % 2} {SQUARE}\n")
    with pytest.raises(ValueError, match="classes 1 to 2.*numbered 0 to 1.*from 0"):
        import_data(two_parts, two_parts / "out")


def test_folders_in_capitals(two_parts, all_objects):
    (two_parts / "images").rename(two_parts / "Images")
    (two_parts / "labels").rename(two_parts / "Labels")
    (two_parts / "data.yaml").write_text(
        "train: Images/train\nval: Images/val\nnames: [cat, dog]\n"
    )
    found = all_objects(import_data(two_parts, two_parts / "out"))
    assert [len(objects) for objects in found.values()] == [1] * 6


def test_lists_of_images_of_another_machine(two_parts):
    (two_parts / "val.txt").write_bytes(b"D:\\set\\images\\val\\val0.png\r\n")
    (two_parts / "data.yaml").write_text("train: images/train\nval: val.txt\nnames: [cat, dog]\n")
    assert import_data(two_parts, two_parts / "out").val.num_images == 1


def test_a_yaml_with_a_number_of_classes(two_parts, note):
    text = "path: .\ntrain: images/train\nval: images/val\nnc: 3\n"
    (two_parts / "data.yaml").write_text(text)
    imported = import_data(two_parts, two_parts / "out")
    assert imported.classes == ("class_0", "class_1", "class_2")
    assert note(imported, "has no names: its 3 classes")
