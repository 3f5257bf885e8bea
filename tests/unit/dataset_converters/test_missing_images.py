"""Annotations of images most of which are missing: a wrong folder, or half of a download."""

import json

import numpy as np
import pytest
from coco_dicts import coco_dict

from condinst.dataset_converters import import_data


@pytest.fixture
def images(tmp_path, draw):
    """Draw twelve images in ``data/images``."""
    return [draw(tmp_path / f"data/images/{i:02d}.png", value=i).name for i in range(12)]


def lost(number):
    return [f"lost{i:03d}.png" for i in range(number)]


def test_many_missing_images_are_a_warning(tmp_path, images, write_json):
    """588 of 600 are 98%."""
    path = write_json(tmp_path / "data/labels.json", coco_dict([*images, *lost(588)]))
    imported = import_data(path, tmp_path / "out")
    assert imported.train.num_images + imported.val.num_images == 12
    (warning,) = imported.warnings
    assert warning.startswith(
        "588 of the 600 images that the annotations name (98%) are missing, such as lost000.png"
    )
    folder = tmp_path / "data"
    assert f"looked for in {folder} and below, where 12 image files are: 12 images are" in warning


@pytest.mark.parametrize(("number", "warns"), [(1, False), (2, True)])
def test_a_few_missing_images_are_a_note(tmp_path, images, write_json, note, number, warns):
    """1 of 13 is less than a tenth, 2 of 14 are more."""
    path = write_json(tmp_path / "data/labels.json", coco_dict([*images, *lost(number)]))
    imported = import_data(path, tmp_path / "out")
    assert bool(imported.warnings) is warns
    assert f"left out: {number} (lost000.png" in note(imported, "that are missing")


@pytest.mark.parametrize("split", [False, True])
def test_too_few_images_to_train_on(tmp_path, images, write_json, split):
    """3 of 200, in one file, or 2 of 196 for training and 1 of 4 for validation."""
    names = [*images[:3], *lost(197)]
    if split:
        write_json(tmp_path / "data/train.json", coco_dict([*names[:2], *names[6:]]))
        path = write_json(tmp_path / "data/val.json", coco_dict(names[2:6])).parent
    else:
        path = write_json(tmp_path / "data/labels.json", coco_dict(names))
    message = r"197 of the 200 .* \(98%\) are missing.*12 image files are: the 3 found are too few"
    with pytest.raises(ValueError, match=message):
        import_data(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_small_dataset_of_which_a_part_is_there(tmp_path, images, write_json):
    """3 of 20 images: as many as a user may try with."""
    path = write_json(tmp_path / "data/labels.json", coco_dict([*images[:3], *lost(17)]))
    (warning,) = import_data(path, tmp_path / "out").warnings
    assert warning.startswith("17 of the 20 images that the annotations name (85%) are missing")


@pytest.mark.parametrize("kind", ["labelme", "geojson", "rle-csv", "masks"])
def test_formats_with_a_file_for_each_image(tmp_path, images, write_png, kind):
    """Each of 40 images has an annotation; 28 images are missing."""
    names = [name[:-4] for name in [*images, *lost(28)]]
    ring = [[2, 2], [12, 2], [12, 12], [2, 12]]
    if kind == "rle-csv":
        rows = "".join(f"{name}.png,35 5\n" for name in names)
        (tmp_path / "data/train.csv").write_text(f"ImageId,EncodedPixels\n{rows}")
    for name in names if kind != "rle-csv" else ():
        path = tmp_path / f"data/images/{name}"
        if kind == "labelme":
            shapes = [dict(label="a", points=ring, shape_type="polygon")]
            sizes = dict(imageHeight=30, imageWidth=40, imageData=None)
            content = dict(shapes=shapes, imagePath=f"{name}.png", version="5", flags={}, **sizes)
            path.with_suffix(".json").write_text(json.dumps(content))
        elif kind == "geojson":
            area = dict(type="Polygon", coordinates=[[*ring, ring[0]]])
            feature = dict(type="Feature", geometry=area, properties={})
            path.with_suffix(".geojson").write_text(json.dumps([feature]))
        else:
            pixels = np.zeros((30, 40), np.uint8)
            pixels[2:9, 2:9] = 1
            write_png(tmp_path / f"data/masks/{name}.png", pixels)
    meaning = "instances" if kind == "masks" else None
    imported = import_data(tmp_path / "data", tmp_path / "out", fmt=kind, masks=meaning)
    (warning,) = imported.warnings
    assert warning.startswith("28 of the 40 images that the annotations name (70%) are missing")


@pytest.mark.parametrize("name", ["train/0.png", "0.png"])
def test_an_image_of_another_split_is_no_substitute(tmp_path, draw, write_json, name):
    """Both splits number their images from 0, and train/0.png is missing."""
    for number in range(1, 30):
        draw(tmp_path / f"data/train/{number}.png", value=number)
    for number in range(5):
        draw(tmp_path / f"data/val/{number}.png", value=100 + number)
    folder = name[:-5]
    write_json(
        tmp_path / "data/train.json", coco_dict([f"{folder}{number}.png" for number in range(30)])
    )
    write_json(
        tmp_path / "data/val.json",
        coco_dict([f"{folder and 'val/'}{number}.png" for number in range(5)]),
    )
    imported = import_data(tmp_path / "data", tmp_path / "out")
    content = json.loads(imported.train.ann_file.read_text())
    files = {imported.train.img_dir / image["file_name"] for image in content["images"]}
    assert files == {tmp_path / f"data/train/{number}.png" for number in range(1, 30)}
    assert imported.val.num_images == 5


def test_a_folder_of_another_split_is_no_substitute(tmp_path, draw, write_json):
    """The folder val/ has more images of the names in train.json than train/ has."""
    for name in ("train/8.png", "train/9.png", *(f"val/{number}.png" for number in range(8))):
        draw(tmp_path / "data" / name, value=len(name) * 20 + int(name[-5]))
    write_json(tmp_path / "data/train.json", coco_dict([f"{number}.png" for number in range(10)]))
    write_json(tmp_path / "data/val.json", coco_dict([f"{number}.png" for number in range(8)]))
    imported = import_data(tmp_path / "data", tmp_path / "out")
    assert imported.train.img_dir == tmp_path / "data/train"
    assert imported.train.num_images == 2
    for number in (8, 9):
        (tmp_path / f"data/train/{number}.png").unlink()
    with pytest.raises(ValueError, match="train.json: none of its images is in"):
        import_data(tmp_path / "data", tmp_path / "out2")


def test_a_part_of_the_images_of_another_split(tmp_path, draw, write_json):
    """As COCO's minival, which lies in the folder of training images; one of its images is lost."""
    for number in range(20):
        draw(tmp_path / f"data/train/{number:02d}.png", value=number)
    names = [f"{number:02d}.png" for number in range(21)]
    write_json(tmp_path / "data/train.json", coco_dict(names[:15]))
    write_json(tmp_path / "data/val.json", coco_dict(names[15:]))
    imported = import_data(tmp_path / "data", tmp_path / "out")
    assert (imported.train.num_images, imported.val.num_images) == (15, 5)


def test_an_image_of_one_file_stands_for_one_entry(tmp_path, draw, write_json):
    """a/0.png is missing, and b/0.png is another image."""
    names = [f"{folder}/{number}.png" for folder in "ab" for number in range(6)]
    for value, name in enumerate(names[1:]):
        draw(tmp_path / "data" / name, value=value)
    write_json(tmp_path / "data/labels.json", coco_dict(names))
    imported = import_data(tmp_path / "data", tmp_path / "out")
    assert imported.train.num_images + imported.val.num_images == 11
