"""Test folders of classes above and below those of splits."""

import numpy as np
import pytest
from two_images import H, W

from condinst.dataset_converters import import_data


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
