"""Test the import of COCO json: used as it is, written again, split."""

import json
import shutil

import pytest
from coco_dicts import CATEGORIES, coco_dict, triangles_dict

from condinst.dataset_converters import import_data


@pytest.fixture
def images(tmp_path, draw):
    """Draw ten images in ``images``."""
    return [draw(tmp_path / f"data/images/{i}.png", value=i).name for i in range(10)]


def test_a_split_is_used_where_it_is(datasets, tmp_path):
    imported = import_data(datasets / "coco_tiny", tmp_path)
    assert imported.format == "coco"
    assert imported.seed is None
    assert imported.test is None
    for split, part, number in ((imported.train, "train2017", 80), (imported.val, "val2017", 80)):
        path = datasets / f"coco_tiny/annotations/instances_{part}.json"
        assert split.ann_file == path
        assert split.img_dir == datasets / "coco_tiny" / part
        assert (split.num_images, split.num_annotations) == (
            number,
            len(json.loads(path.read_text())["annotations"]),
        )
    names = [c["name"] for c in json.loads(path.read_text())["categories"]]
    assert list(imported.classes) == names
    assert not list(tmp_path.iterdir())


def test_one_file_is_split_and_its_entries_are_kept(tmp_path, images, write_json):
    source = coco_dict(images)
    path = write_json(tmp_path / "data/labels.json", source)
    before = path.read_bytes()
    imported = import_data(path, tmp_path / "out", val_fraction=0.3)
    assert (imported.train.num_images, imported.val.num_images, imported.seed) == (7, 3, 0)
    parts = [json.loads(split.ann_file.read_text()) for split in (imported.train, imported.val)]
    for key in ("images", "annotations"):
        merged = sorted((e for part in parts for e in part[key]), key=lambda entry: entry["id"])
        assert merged == source[key]
    for part, split in zip(parts, (imported.train, imported.val), strict=True):
        ids = {image["id"] for image in part["images"]}
        assert {a["image_id"] for a in part["annotations"]} <= ids
        assert part["categories"] == [c | {"supercategory": c["name"]} for c in CATEGORIES]
        assert part["info"] == {"year": 2024}
        assert split.img_dir == tmp_path / "data/images"
    assert path.read_bytes() == before
    assert any("3 are for validation and 7 for training" in note for note in imported.notes)


def test_the_same_split_every_time_and_from_the_folder(tmp_path, images, write_json):
    path = write_json(tmp_path / "data/labels.json", coco_dict(images))
    texts = set()
    for number, source in enumerate((path, path.parent, path.parent)):
        imported = import_data(source, tmp_path / f"out{number}", seed=5)
        texts.add(imported.val.ann_file.read_text())
    assert len(texts) == 1
    assert import_data(path, tmp_path / "other", seed=6).val.ann_file.read_text() not in texts


def test_equal_images_go_to_one_part_and_are_named(tmp_path, images, write_json, note):
    img_dir = tmp_path / "data/images"
    copies = [shutil.copy(img_dir / f"{i}.png", img_dir / f"copy{i}.png").name for i in range(5)]
    path = write_json(tmp_path / "data/labels.json", coco_dict(images + copies))
    imported = import_data(path, tmp_path / "out", val_fraction=0.4)
    val = {i["file_name"] for i in json.loads(imported.val.ann_file.read_text())["images"]}
    for i in range(5):
        assert (f"{i}.png" in val) == (f"copy{i}.png" in val)
    assert "5 (images/0.png = images/copy0.png" in note(imported, "byte for byte")


def test_an_image_in_both_splits_of_a_given_split_is_named(tmp_path, draw, write_json, note):
    for part in ("train", "val"):
        names = [draw(tmp_path / f"{part}/{part}{i}.png", value=50 * i).name for i in range(2)]
        draw(tmp_path / f"{part}/{part}0.png", value=ord(part[0]))
        write_json(tmp_path / f"annotations/{part}.json", coco_dict(names))
    imported = import_data(tmp_path, tmp_path / "out")
    text = note(imported, "in more than one split")
    assert "1 (train: train/train1.png, val: val/val1.png)" in text


def test_roboflow_folders(tmp_path, draw, write_json, note):
    categories = [{"id": 0, "name": "things"}, {"id": 1, "name": "cell"}, {"id": 2, "name": "dot"}]
    for part in ("train", "valid", "test"):
        names = [draw(tmp_path / f"{part}/{part}{i}.png").name for i in range(4)]
        source = coco_dict(names, categories=categories[1:]) | {"categories": categories}
        write_json(tmp_path / part / "_annotations.coco.json", source)
    imported = import_data(tmp_path, tmp_path / "out")
    assert imported.classes == ("cell", "dot")
    assert imported.val.ann_file == tmp_path / "valid/_annotations.coco.json"
    assert imported.test.img_dir == tmp_path / "test"
    assert "'things'" in note(imported, "Roboflow")
    assert not (tmp_path / "out").exists()


def test_missing_images_are_left_out_of_a_new_file(tmp_path, images, draw, write_json, note):
    write_json(tmp_path / "data/train.json", coco_dict([*images, "lost.png"]))
    draw(tmp_path / "data/images/v.png", value=99)
    write_json(tmp_path / "data/val.json", coco_dict(["v.png"]))
    imported = import_data(tmp_path / "data", tmp_path / "out")
    assert imported.train.num_images == imported.train.num_annotations == 10
    assert imported.train.ann_file.parent.parent == tmp_path / "out"
    assert imported.val.ann_file == tmp_path / "data/val.json"
    assert "1 (lost.png)" in note(imported, "that are missing")


def test_paths_of_another_machine_are_found_by_name(tmp_path, images, write_json, objects):
    names = ["C:\\data\\" + name if i % 2 else name for i, name in enumerate(images)]
    path = write_json(tmp_path / "data/labels.json", coco_dict(names))
    imported = import_data(path, tmp_path / "out")
    found = objects(imported.train) | objects(imported.val)
    assert set(found) == set(images)


def test_files_that_number_categories_differently_get_one_list(tmp_path, draw, write_json, objects):
    turned = [{"id": 1, "name": "dot"}, {"id": 2, "name": "cell"}]
    for part, categories in (("train", CATEGORIES), ("val", turned)):
        names = [draw(tmp_path / f"{part}/{part}{i}.png").name for i in range(2)]
        write_json(tmp_path / f"annotations/{part}.json", coco_dict(names, categories=categories))
    imported = import_data(tmp_path, tmp_path / "out")
    assert imported.classes == ("cell", "dot")
    assert [found[0][0] for found in objects(imported.train).values()] == ["cell", "dot"]
    assert [found[0][0] for found in objects(imported.val).values()] == ["dot", "cell"]
    lists = [
        json.loads(s.ann_file.read_text())["categories"] for s in (imported.train, imported.val)
    ]
    assert lists[0] == lists[1]


def test_a_test_part_is_kept_and_not_split(tmp_path, draw, write_json):
    for part in ("train", "test"):
        names = [draw(tmp_path / f"{part}/{part}{i}.png", value=i).name for i in range(5)]
        write_json(tmp_path / f"annotations/instances_{part}.json", coco_dict(names))
    imported = import_data(tmp_path, tmp_path / "out")
    assert imported.test.ann_file == tmp_path / "annotations/instances_test.json"
    assert (imported.train.num_images, imported.val.num_images) == (4, 1)


def test_other_tasks_beside_the_instances_are_passed_over(tmp_path, draw, write_json):
    for part in ("train2017", "val2017"):
        names = [draw(tmp_path / f"{part}/{part}.png").name]
        for task in ("instances", "person_keypoints", "captions"):
            write_json(tmp_path / f"annotations/{task}_{part}.json", coco_dict(names))
    imported = import_data(tmp_path, tmp_path / "out")
    assert imported.train.ann_file.name == "instances_train2017.json"


def test_two_files_without_a_part_are_refused(tmp_path, images, write_json):
    for name in ("one", "two"):
        write_json(tmp_path / f"data/{name}.json", coco_dict(images) | {"info": name})
    with pytest.raises(
        ValueError, match="10 images are in several COCO files: images/0.png in one"
    ):
        import_data(tmp_path / "data", tmp_path / "out")


def test_no_image_is_there(tmp_path, write_json):
    path = write_json(tmp_path / "labels.json", coco_dict(["a.png"]))
    with pytest.raises(ValueError, match=r"labels.json: none of its images.*expected a.png"):
        import_data(path, tmp_path / "out")


def test_images_of_a_kind_that_is_not_read_are_named(tmp_path, images, write_json):
    content = coco_dict(images)
    for number, image in enumerate(content["images"]):
        image["file_name"] = f"{number}.heic"
        (tmp_path / f"phone/{number}.heic").parent.mkdir(exist_ok=True)
        (tmp_path / f"phone/{number}.heic").write_bytes(b"ftypheic")
    write_json(tmp_path / "phone/labels.json", content)
    with pytest.raises(ValueError, match=r"labels.json: none of its images .*\.heic; convert them"):
        import_data(tmp_path / "phone", tmp_path / "out")


def test_a_folder_with_a_broken_json_alone(tmp_path, images):
    (tmp_path / "data/labels.json").write_text('{"images": [')
    with pytest.raises(ValueError, match=r"data: labels.json: not JSON: .* line 1"):
        import_data(tmp_path / "data", tmp_path / "out")


def test_broken_json_is_named(tmp_path, images):
    path = tmp_path / "data/labels.json"
    path.write_text('{"images": [], "annotations": [{"id": 1,')
    with pytest.raises(ValueError, match=r"labels.json: not JSON: .* line 1"):
        import_data(path, tmp_path / "out")


def test_the_datasets_own_file_is_not_replaced(tmp_path, images, write_json):
    path = write_json(tmp_path / "data/annotations/instances_train.json", coco_dict(images))
    before = path.read_bytes()
    with pytest.raises(
        ValueError, match="instances_train.json exists and was not written by condinst"
    ):
        import_data(tmp_path / "data", tmp_path / "data")
    assert path.read_bytes() == before


def test_a_failure_while_writing_leaves_no_file(tmp_path, images, write_json, monkeypatch):
    path = write_json(tmp_path / "data/labels.json", coco_dict(images))
    (tmp_path / "out").write_text("a file where the folder should be")
    with pytest.raises(OSError, match="out"):
        import_data(path, tmp_path / "out")


def test_equal_names_in_several_folders_are_refused(tmp_path, draw, write_json):
    for place in ("s0", "s1"):
        for i in range(3):
            draw(tmp_path / place / f"{i}.png", value=i + 9 * (place == "s1"))
    write_json(tmp_path / "ann.json", coco_dict(["0.png", "1.png", "2.png"]))
    with pytest.raises(ValueError, match="its images may be those of s0/ or of s1/"):
        import_data(tmp_path, tmp_path / "out")
    (tmp_path / "s0/2.png").unlink()
    (tmp_path / "s1/0.png").unlink()
    draw(tmp_path / "s1/3.png", value=77)
    write_json(tmp_path / "ann.json", coco_dict([f"{i}.png" for i in range(4)]))
    with pytest.raises(ValueError, match=r"ann.json: .* may be"):
        import_data(tmp_path, tmp_path / "out")
    write_json(tmp_path / "ann.json", coco_dict(["s0/0.png", "s0/1.png", "s1/1.png", "s1/2.png"]))
    assert import_data(tmp_path, tmp_path / "out").train.num_images == 3


def test_a_repeated_file_name_is_refused(tmp_path, images, write_json):
    write_json(tmp_path / "data/ann.json", coco_dict([*images, images[0]]))
    with pytest.raises(ValueError, match="1 file names are those of several images: 0.png"):
        import_data(tmp_path / "data", tmp_path / "out")


@pytest.mark.parametrize("name", ["3.PNG", "3.jpg", "images/3.jpeg"])
def test_names_that_differ_by_case_or_suffix_are_named(tmp_path, images, write_json, name):
    write_json(tmp_path / "data/ann.json", coco_dict([name if n == "3.png" else n for n in images]))
    with pytest.raises(ValueError, match=r"is missing, but images/3.png is there"):
        import_data(tmp_path / "data", tmp_path / "out")


@pytest.mark.parametrize("first", [True, False])
def test_an_unused_double_of_a_class_is_dropped(tmp_path, draw, write_json, note, objects, first):
    group, real = {"id": 0, "name": "cell"}, {"id": 1, "name": "cell"}
    for split, start in (("train", 1), ("valid", 9)):
        names = [draw(tmp_path / split / f"{i}.png", value=start + i).name for i in range(4)]
        data = coco_dict(names, categories=[real])
        data["categories"] = [group, real] if first else [real, group]
        write_json(tmp_path / split / "_annotations.coco.json", data)
    imported = import_data(tmp_path, tmp_path / "out")
    assert imported.classes == ("cell",)
    assert note(imported, "'cell': those not used are dropped")
    made = json.loads(imported.train.ann_file.read_text())
    assert [category["name"] for category in made["categories"]] == ["cell"]
    assert len(objects(imported.val)) == 4


def test_utf_16_is_recognized(tmp_path, images):
    (tmp_path / "data/ann.json").write_text(json.dumps(coco_dict(images)), encoding="utf-16")
    assert import_data(tmp_path / "data", tmp_path / "out").train.num_images == 8


@pytest.mark.parametrize(
    ("there", "stated"),
    [
        ("Gr\u00f6\u00dfe 1.png", "Gro\u0308\u00dfe 1.png"),
        ("an image.png", "an%20image.png"),
        ("a.png", "C:\\photos\\a.png"),
        ("a.png", "file:///photos/a.png"),
    ],
)
def test_names_as_other_systems_write_them(tmp_path, draw, write_json, there, stated):
    draw(tmp_path / f"data/{there}")
    draw(tmp_path / "data/other.png", value=9)
    write_json(tmp_path / "data/ann.json", triangles_dict([stated, "other.png"]))
    imported = import_data(tmp_path / "data", tmp_path / "out")
    files = [json.loads(s.ann_file.read_text())["images"] for s in (imported.train, imported.val)]
    assert {entry["file_name"] for part in files for entry in part} == {there, "other.png"}


def test_the_name_of_an_upload_is_named(tmp_path, draw, write_json):
    draw(tmp_path / "data/a.png")
    write_json(tmp_path / "data/ann.json", triangles_dict(["3f2a1b9c-a.png"]))
    with pytest.raises(ValueError, match="3f2a1b9c-a.png is missing, but a.png is there"):
        import_data(tmp_path / "data", tmp_path / "out")


def test_crowds_are_counted(tmp_path, images, write_json, note):
    path = write_json(tmp_path / "data/labels.json", coco_dict(images))
    said = note(import_data(tmp_path / "data", tmp_path / "out"), "crowds")
    assert f"{path}: 5 of 10 annotations are crowds (iscrowd 1)" in said
    assert "set iscrowd to 0" in said


def test_a_few_crowds_are_not_explained(tmp_path, images, write_json, note):
    data = coco_dict(images)
    data["annotations"] = [
        dict(data["annotations"][0], id=i, image_id=1 + i % 9) for i in range(30)
    ]
    data["annotations"][0]["iscrowd"] = 1
    write_json(tmp_path / "data/labels.json", data)
    assert note(import_data(tmp_path / "data", tmp_path / "out"), "crowds").endswith(
        "learned from."
    )


def test_a_file_of_crowds_is_refused(tmp_path, images, write_json):
    data = coco_dict(images)
    for entry in data["annotations"]:
        entry["iscrowd"] = 1
    path = write_json(tmp_path / "data/labels.json", data)
    with pytest.raises(ValueError, match="all of its 10 annotations are crowds.*iscrowd to 0") as e:
        import_data(tmp_path / "data", tmp_path / "out")
    assert str(e.value).startswith(str(path))


def test_images_with_crowds_alone_are_not_all_that_validation_gets(tmp_path, images, write_json):
    data = coco_dict(images)
    for entry in data["annotations"]:
        entry |= {"category_id": 3, "iscrowd": int(entry["id"] not in (103, 107))}
    write_json(tmp_path / "data/labels.json", data)
    for seed in range(5):
        imported = import_data(tmp_path / "data", tmp_path / f"out{seed}", seed=seed)
        for split in (imported.train, imported.val):
            written = json.loads(split.ann_file.read_text())["annotations"]
            assert sum(not entry["iscrowd"] for entry in written) == 1


def test_equal_files_are_read_once(tmp_path, images, write_json, note):
    path = write_json(tmp_path / "data/labels.json", coco_dict(images))
    for name in ("labels (1).json", "a/labels.json"):
        (tmp_path / "data" / name).parent.mkdir(exist_ok=True)
        shutil.copy(path, tmp_path / "data" / name)
    imported = import_data(tmp_path / "data", tmp_path / "out")
    assert imported.train.num_images + imported.val.num_images == 10
    assert note(imported, "labels (1).json equals") == (
        f"{tmp_path}/data/labels (1).json equals {path}, byte for byte: read once."
    )
    (tmp_path / "data/a/labels.json").write_text(path.read_text() + " ")
    with pytest.raises(ValueError, match="several COCO files"):
        import_data(tmp_path / "data", tmp_path / "out2")


def test_equal_files_of_two_splits_are_both_read(tmp_path, images, write_json):
    for name in ("train", "val"):
        write_json(tmp_path / f"data/{name}.json", coco_dict(images))
    imported = import_data(tmp_path / "data", tmp_path / "out")
    assert imported.train.num_images == imported.val.num_images == 10
