"""Test folders of classes above and below those of splits, and names of folders and files."""

import numpy as np
import pytest
from two_images import H, W

from condinst.dataset_converters import import_data
from condinst.dataset_converters.records import SPLITS


@pytest.fixture
def write(tmp_path, draw, write_png):
    """Write two images and a mask for each class and split, in folders with {s} and {c}."""

    def make(images, masks, classes):
        for number, split in enumerate(("train", "val")):
            for name in "ab":
                draw(tmp_path / images.format(s=split) / f"{split}{name}.png", (W, H), value=number)
                for place, label in enumerate(classes):
                    mask = np.zeros((H, W), np.uint8)
                    mask[4:10, 4 + 12 * place : 12 + 12 * place] = 255
                    write_png(
                        tmp_path / masks.format(s=split, c=label) / f"{split}{name}.png", mask
                    )
        return import_data(tmp_path, tmp_path / "out")

    return make


@pytest.mark.parametrize("classes", [("cells",), ("cat", "dog")])
@pytest.mark.parametrize(
    ("images", "masks"),
    [
        ("images/{s}", "masks/{s}/{c}"),
        ("images/{s}", "masks/{c}/{s}"),
        ("{s}/images", "{s}/masks/{c}"),
    ],
)
def test_folders_of_classes(write, all_objects, images, masks, classes):
    imported = write(images, masks, classes)
    assert imported.classes == classes
    assert (imported.train.num_images, imported.val.num_images) == (2, 2)
    for found in all_objects(imported).values():
        assert [(name, mask.sum()) for name, _, mask in found] == [(c, 48) for c in classes]


@pytest.fixture
def write_files(tmp_path, draw, write_png):
    """Write images and masks of 6 x 8 pixels, at places of their own."""

    def make(images, masks):
        for value, name in enumerate(images):
            draw(tmp_path / name, (W, H), value=value)
        for place, name in enumerate(masks):
            mask = np.zeros((H, W), np.uint8)
            mask[4:10, 4 + 9 * (place % 3) : 12 + 9 * (place % 3)] = 255
            write_png(tmp_path / name, mask)
        return import_data(tmp_path, tmp_path / "out")

    return make


@pytest.mark.parametrize(
    ("endings", "expected"),
    [
        (("0_cat", "1_cat", "2_dog"), ("cat", "dog")),
        (("0-cat", "1-cat", "2-dog"), ("cat", "dog")),
        (("0_mask", "1_mask"), ("object",)),
        (("2_wheeler", "4_wheels"), ("2_wheeler", "4_wheels")),  # each class has one number
        (("cat_0", "cat_1", "dog_0"), ("cat", "dog")),
    ],
)
def test_a_number_before_the_class(write_files, all_objects, endings, expected):
    images = ["images/a.png", "images/b.png"]
    masks = [f"masks/{name}_{end}.png" for name in "ab" for end in endings]
    imported = write_files(images, masks)
    assert imported.classes == expected
    assert all(len(found) == len(endings) for found in all_objects(imported).values())


def test_nnunet(write_files, all_objects):
    imported = write_files(
        ["imagesTr/a_0000.png", "imagesTr/b_0000.png", "imagesTs/c_0000.png"],
        ["labelsTr/a.png", "labelsTr/b.png"],
    )
    found = all_objects(imported)
    assert {name: len(objects) for name, objects in found.items()} == {
        "a_0000.png": 1,
        "b_0000.png": 1,
    }


def test_nnunet_with_several_channels(write_files):
    with pytest.raises(ValueError, match="a_0001.png: a second channel of an image of nnU-Net"):
        write_files(
            ["imagesTr/a_0000.png", "imagesTr/a_0001.png"],
            ["labelsTr/a.png"],
        )


def test_a_pattern_names_several_folders_of_masks(tmp_path, draw, write_png, objects):
    mask = np.zeros((H, W), np.uint8)
    mask[4:10, 4:12] = 255
    for number, split in enumerate(("train", "test", "val")):
        draw(tmp_path / f"{split}_photo/{number}.png", (W, H), value=number)
        write_png(tmp_path / f"{split}_lib/{number}.png", mask)
    imported = import_data(tmp_path, tmp_path / "out", mask_folder="*_lib")
    assert {
        name: list(objects(part)) for name, part in vars(imported).items() if name in SPLITS
    } == {
        "train": ["0.png"],
        "test": ["1.png"],
        "val": ["2.png"],
    }
