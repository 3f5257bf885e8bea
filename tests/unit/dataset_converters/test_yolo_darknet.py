"""Test YOLO labels in Darknet's layout, beside the images."""

import json

import pytest

from condinst.dataset_converters import import_data

BOX = "1 0.5 0.4 0.5 0.4\n"  # of 40 x 30: 10, 6, 20, 12 as x, y, width, height


@pytest.fixture
def beside(tmp_path, draw):
    """Return write(folder), which writes four images, three with labels beside them."""

    def write(place):
        for i, label in enumerate([BOX, BOX * 2, "", None]):
            draw(tmp_path / place / f"{i}.jpg", value=i * 20)
            if label is not None:
                (tmp_path / place / f"{i}.txt").write_text(label)
        return tmp_path

    return write


def boxes(*splits):
    """Return {first letter of the image's name: [(class, box)]}."""
    found = {}
    for split in splits:
        data = json.loads(split.ann_file.read_text())
        names = {category["id"]: category["name"] for category in data["categories"]}
        for image in data["images"]:
            found[image["file_name"][0]] = [
                (names[entry["category_id"]], entry["bbox"])
                for entry in data["annotations"]
                if entry["image_id"] == image["id"]
            ]
    return found


@pytest.mark.parametrize("names", ["classes.txt", "_darknet.labels"])  # the latter is Roboflow's
@pytest.mark.parametrize("place", [".", "photos", "images", "a/images/b"])
def test_labels_beside_images_as_labelimg_writes_them(beside, place, names, note):
    folder = beside(place)
    (folder / place / names).write_text("cat\ndog\n")
    imported = import_data(folder, folder / "out")
    assert (imported.format, imported.classes) == ("yolo", ("cat", "dog"))
    one = ("dog", [10, 6, 20, 12])
    found = boxes(imported.train, imported.val)
    if "images" not in place:
        assert "(3.jpg)" in note(imported, "left out").replace("photos/", "")
    else:
        assert found.pop("3") == []
    assert found == {"0": [one], "1": [one, one], "2": []}


def test_texts_beside_images_need_class_names_and_rows(beside):
    folder = beside(".")
    with pytest.raises(ValueError, match="no known annotations"):
        import_data(folder, folder / "out")
    (folder / "classes.txt").write_text("cat\ndog\n")
    for i in range(3):
        (folder / f"{i}.txt").write_text("1 dog on a chair\n")
    with pytest.raises(ValueError, match="no known annotations"):
        import_data(folder, folder / "out")


@pytest.mark.parametrize("given", [".", "obj.data"])
def test_cvats_yolo_1_1(beside, given):
    folder = beside("obj_train_data")
    names = "".join(f"data/obj_train_data/{i}.jpg\n" for i in range(4))
    (folder / "train.txt").write_text(names)
    (folder / "obj.names").write_text("cat\ndog\n")
    text = "classes = 2\ntrain = data/train.txt\nnames = data/obj.names\nbackup = backup/\n"
    (folder / "obj.data").write_text(text)
    imported = import_data(folder / given, folder / "out")
    assert (imported.format, imported.classes) == ("yolo", ("cat", "dog"))
    one = ("dog", [10, 6, 20, 12])
    assert boxes(imported.train, imported.val) == {"0": [one], "1": [one, one], "2": [], "3": []}


def test_a_data_file_with_two_lists(beside):
    folder = beside("pool")
    (folder / "train.txt").write_text("pool/0.jpg\npool/2.jpg\n")
    (folder / "valid.txt").write_text("pool/1.jpg\n")
    (folder / "obj.names").write_text("cat\ndog\n")
    text = "train = train.txt\nvalid = valid.txt\nnames = obj.names\n"
    (folder / "obj.data").write_text(text)
    imported = import_data(folder, folder / "out")
    assert imported.seed is None
    one = ("dog", [10, 6, 20, 12])
    assert boxes(imported.train) == {"0": [one], "2": []}
    assert boxes(imported.val) == {"1": [one, one]}
    outside = folder.parent / "outside.txt"
    outside.write_text("cat\ndog\n")
    for name in ("lost.names", "../outside.txt", str(outside)):
        (folder / "obj.data").write_text(text.replace("obj.names", name))
        with pytest.raises(ValueError, match=f"obj.data: names: the file {name} does not exist"):
            import_data(folder, folder / "out")
