"""Several COCO files of one dataset are joined, with values by hand."""

import json

import pytest

from condinst.dataset_converters import import_data


def entry(number, image, category, x, size):
    """Return an annotation of a square of size x size pixels."""
    corners = [x, 2, x + size, 2, x + size, 2 + size, x, 2 + size]
    return dict(
        id=number,
        image_id=image,
        category_id=category,
        bbox=[x, 2, size, size],
        area=size * size,
        iscrowd=0,
        segmentation=[corners],
    )


def one_file(name, categories, *objects, image=1):
    """Return the COCO file of one image of 40 x 30 pixels; objects are (category, x, size)."""
    return dict(
        images=[dict(id=image, file_name=name, width=40, height=30)],
        categories=[dict(id=number, name=text) for number, text in categories.items()],
        annotations=[entry(n, image, *values) for n, values in enumerate(objects, 1)],
    )


@pytest.fixture
def four(tmp_path, draw, write_json):
    """Write a file for each of four images; equal ids stand for other things in each file."""
    contents = [
        one_file("0.png", {1: "cat", 2: "dog"}, (1, 3, 5), (2, 20, 8)),
        one_file("1.png", {1: "dog", 2: "bird"}, (1, 3, 6), (2, 20, 9)),
        one_file("2.png", {7: "bird"}, (7, 3, 7), (7, 20, 10), image=99),
        one_file("3.png", {1: "cat", 2: "dog"}),
    ]
    for i, content in enumerate(contents):
        draw(tmp_path / f"data/images/{i}.png", value=i)
        write_json(tmp_path / f"data/labels/{i}.json", content)
    return tmp_path / "data"


RIGHT = {
    "0.png": [("cat", 25), ("dog", 64)],
    "1.png": [("bird", 81), ("dog", 36)],
    "2.png": [("bird", 49), ("bird", 100)],
    "3.png": [],
}


def found(objects):
    return {
        name: sorted((label, int(mask.sum())) for label, _, mask in there)
        for name, there in objects.items()
    }


def test_a_file_for_each_image(four, tmp_path, all_objects, note):
    imported = import_data(four, tmp_path / "out", val_fraction=0.5)
    assert found(all_objects(imported)) == RIGHT
    assert imported.classes == ("cat", "dog", "bird")
    assert "categories by their names" in note(imported, "4 COCO files are joined")
    assert (imported.train.num_annotations + imported.val.num_annotations) == 6
    for split in (imported.train, imported.val):
        content = json.loads(split.ann_file.read_text())
        for key in ("images", "annotations"):
            assert [e["id"] for e in content[key]] == list(range(1, len(content[key]) + 1))


def test_folders_of_splits_with_several_files(four, tmp_path, objects):
    """The images keep the split of their folder: 0 and 1 in train, 2 and 3 in val."""
    for i, part in enumerate(("train", "train", "val", "val")):
        (four / part).mkdir(exist_ok=True)
        (four / f"labels/{i}.json").rename(four / part / f"{i}.json")
        (four / f"images/{i}.png").rename(four / part / f"{i}.png")
    imported = import_data(four, tmp_path / "out")
    assert imported.seed is None
    assert found(objects(imported.train)) == {k: RIGHT[k] for k in ("0.png", "1.png")}
    assert found(objects(imported.val)) == {k: RIGHT[k] for k in ("2.png", "3.png")}
    assert imported.test is None


def test_bare_names_beside_each_file(tmp_path, draw, write_json, objects):
    """Each folder has an image 0.png of its own, as CVAT's tasks do."""
    for i in range(3):
        draw(tmp_path / f"data/task{i}/images/0.png", value=i)
        content = one_file("0.png", {1: "cat"}, (1, 3, 5 + i))
        write_json(tmp_path / f"data/task{i}/annotations/instances_default.json", content)
    imported = import_data(tmp_path / "data", tmp_path / "out")
    there = {**found(objects(imported.train)), **found(objects(imported.val))}
    assert there == {f"task{i}/images/0.png": [("cat", (5 + i) ** 2)] for i in range(3)}


def test_crowds_and_missing_images_are_counted_over_all_files(four, tmp_path, note):
    content = json.loads((four / "labels/3.json").read_text())
    content["annotations"] = [entry(1, 1, 1, 3, 5) | {"iscrowd": 1}]
    (four / "labels/3.json").write_text(json.dumps(content))
    (four / "images/2.png").unlink()
    imported = import_data(four, tmp_path / "out")
    assert "1 of 7 annotations are crowds" in note(imported, "are crowds")
    assert "that are missing, left out: 1 (2.png)" in note(imported, "that are missing")


def test_an_image_in_two_files_is_refused(four, tmp_path, write_json):
    write_json(four / "other.json", one_file("1.png", {1: "cat"}, (1, 3, 6)))
    message = (
        r"1 images are in several COCO files: images/1.png in labels/1.json and other.json. "
        "Use --data FILE"
    )
    with pytest.raises(ValueError, match=message):
        import_data(four, tmp_path / "out")


def test_spellings_of_one_name_are_refused(four, tmp_path, write_json):
    write_json(four / "labels/3.json", one_file("3.png", {1: "Cat "}, (1, 3, 6)))
    with pytest.raises(ValueError, match="'cat' in labels/0.json, 'Cat ' in labels/3.json"):
        import_data(four, tmp_path / "out")


def test_names_with_and_without_a_split_are_refused(four, tmp_path):
    (four / "labels/3.json").rename(four / "labels/val.json")
    message = (
        "some name no split(.|\n)*labels/0.json: no split in its name(.|\n)*labels/val.json: val"
    )
    with pytest.raises(ValueError, match=message):
        import_data(four, tmp_path / "out")


def test_a_broken_file_among_them_is_named(four, tmp_path, note):
    (four / "labels/2.json").write_text(
        '{"images": [{"id": 1, "file_name": "2.png"}], "categories":['
    )
    with pytest.raises(ValueError, match=r"labels/2.json: not JSON"):
        import_data(four, tmp_path / "out")
    (four / "labels/2.json").write_text('{"images": ')
    imported = import_data(four, tmp_path / "two")
    assert "1 (labels/2.json)" in note(imported, "JSON files that are no annotations")


def test_classes_spelled_otherwise_in_another_split_are_refused(tmp_path, draw, write_json):
    for i, split in enumerate(("train", "train", "val", "val")):
        draw(tmp_path / f"data/{split}/{i}.png", value=i)
    for split, name in (("train", "cat"), ("val", "Cat ")):
        content = one_file(f"{2 * (split == 'val')}.png", {1: name}, (1, 3, 5))
        write_json(tmp_path / f"data/{split}.json", content)
    with pytest.raises(ValueError, match="'cat' in train.json, 'Cat ' in val.json; give them one"):
        import_data(tmp_path / "data", tmp_path / "out")


def test_alike_classes_of_one_file_are_kept_with_a_warning(tmp_path, draw, write_json, note):
    for split, i in (("train", 0), ("val", 1)):
        draw(tmp_path / f"data/{split}/{i}.png", value=i)
        content = one_file(f"{i}.png", {1: "cat", 2: "Cat"}, (1, 3, 5), (2, 20, 5))
        write_json(tmp_path / f"data/{split}.json", content)
    imported = import_data(tmp_path / "data", tmp_path / "out")
    assert imported.classes == ("cat", "Cat")
    assert "'cat', 'Cat' are read as different classes" in note(imported, "Warning")


def test_a_list_of_detections_is_not_taken_for_a_dataset(four, tmp_path, write_json, note):
    write_json(
        four / "predictions.json", [dict(image_id=1, category_id=1, score=0.5, bbox=[1] * 4)]
    )
    imported = import_data(four, tmp_path / "out")
    assert imported.train.num_images + imported.val.num_images == 4
    assert "predictions.json" in note(imported, "not read")
