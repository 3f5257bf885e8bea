"""Test lists of splits beside a dataset: train.txt, val.txt."""

import pytest

from condinst.dataset_converters import import_data
from condinst.dataset_converters.folder import Folder
from condinst.dataset_converters.records import Notes
from condinst.dataset_converters.split_lists import listed_splits


@pytest.fixture
def write(tmp_path):
    """Return write(path=text, ...), which writes lists and returns their folder."""

    def put(lists):
        for name, text in lists.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return Folder.listed(tmp_path)

    return put


FRAMES = ["v/bear/00.jpg", "v/bear/01.jpg", "v/dog/00.jpg", "v/dog/01.jpg"]


@pytest.mark.parametrize(
    ("train", "val"),
    [
        ("bear\n", "dog\n"),
        ("v/bear\n", "v/dog\n"),
        ("bear/00\nbear/01\n", "dog/00\ndog/01\n"),
        (
            "/v/bear/00.jpg /masks/bear/00.png 1\n/v/bear/01.jpg /masks/bear/01.png 1\n",
            "/old/place/v/dog/00.jpg\n.\\v\\dog\\01.jpg\n",
        ),
    ],
)
def test_lists_of_folders_and_of_paths(write, train, val):
    folder, notes = write({"sets/train.txt": train, "sets/val.txt": val}), Notes()
    assert listed_splits(folder, FRAMES, notes) == ["train", "train", "val", "val"]
    assert "splits are those of sets/train.txt, sets/val.txt: 2 train, 2 val" in str(
        notes.sentences()
    )


def test_names_of_masks_with_another_suffix(write):
    """BBBC039's lists name the masks; images with dots and spaces in their names are found too."""
    folder, notes = write({"training.txt": "a.png\nb 1.v2\n", "validation.txt": "c\n"}), Notes()
    names = ["images/a.tif", "images/b 1.v2.tif", "images/c.tif", "images/d.tif"]
    assert listed_splits(folder, names, notes) == ["train", "train", "val", None]
    assert "Images that no list of a split names, left out: 1 (images/d.tif)" in notes.sentences()


@pytest.mark.parametrize(
    ("lists", "text"),
    [
        ({"train.txt": "00\n", "val.txt": "01\n"}, "train.txt has the name of a list"),
        ({"train.txt": "Epoch 1 loss 0.3\n"}, "is not used: its lines do not name images"),
        ({"train.txt": "bear\ndog\n", "val.txt": "dog\n"}, "put 2 images, such as v/dog/00.jpg"),
        ({"test.txt": "dog\n"}, "name no images for training"),
    ],
)
def test_other_lists_are_named_and_not_used(write, lists, text):
    notes = Notes()
    assert listed_splits(write(lists), FRAMES, notes) is None
    assert text in str(notes.sentences())


def test_other_texts_are_no_lists(write):
    """YOLO's labels may have such names."""
    notes = Notes()
    folder = write({"train_001.txt": "0 0.5 0.5 0.2 0.2\n", "README.txt": "bear\n"})
    assert listed_splits(folder, FRAMES, notes) is None
    folder = write({"train.txt": "\n".join(FRAMES)})  # of all images
    assert listed_splits(folder, FRAMES, notes) is None
    assert notes.sentences() == ()


def test_masks_and_coco_are_split_by_lists(tmp_path, draw, write, write_json, objects):
    from coco_dicts import triangles_dict

    names = [draw(tmp_path / f"data/images/{i}.png", value=i).name for i in range(10)]
    write({"data/train.txt": "0\n1\n2\n", "data/val.txt": "3\n4\n", "data/test.txt": "5\n"})
    write_json(tmp_path / "data/ann.json", triangles_dict(names))
    imported = import_data(tmp_path / "data", tmp_path / "out")
    found = [sorted(objects(s)) for s in (imported.train, imported.val, imported.test)]
    assert found == [["0.png", "1.png", "2.png"], ["3.png", "4.png"], ["5.png"]]
    assert imported.seed is None


def test_folders_of_label_maps_are_split_by_lists(tmp_path, write, write_png, objects, note):
    import numpy as np

    mask = np.zeros((30, 40), np.uint8)
    mask[2:8, 3:9] = 1
    mask[12:20, 20:30] = 2
    for number, name in enumerate(("a", "b", "c")):
        for frame in ("00", "01"):
            image = np.full((30, 40, 3), 10 * number + int(frame), np.uint8)
            write_png(tmp_path / f"data/images/{name}/{frame}.png", image)
            write_png(tmp_path / f"data/masks/{name}/{frame}.png", mask)
    imported = import_data(tmp_path / "data", tmp_path / "out1")
    assert "such as images/a: if these are frames of videos" in note(imported, "numbered")
    write({"data/sets/train.txt": "a\nb\n", "data/sets/val.txt": "c\n"})
    imported = import_data(tmp_path / "data", tmp_path / "out2")
    assert sorted(objects(imported.train)) == ["a/00.png", "a/01.png", "b/00.png", "b/01.png"]
    assert sorted(objects(imported.val)) == ["00.png", "01.png"]
    assert not [text for text in imported.notes if "numbered" in text]
