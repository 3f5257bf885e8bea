"""Test how folders find splits and files by name."""

import pytest

from condinst.dataset_converters.folder import Folder, stated_split


@pytest.mark.parametrize(
    ("path", "split"),
    [
        ("annotations/instances_train2017.json", "train"),
        ("valid/_annotations.coco.json", "val"),
        ("stage1_train/a/images", "train"),
        ("train/set/val_labels.json", "val"),  # the last component that says one
        ("train/trainval.json", "train"),
        ("annotations/train_and_val.json", None),  # two in one component
        ("training/strains/a.json", "train"),
        ("contest/a.json", None),
        ("", None),
    ],
)
def test_stated_split(path, split):
    assert stated_split(path) == split


def test_images_by_the_names_that_files_give_them(tmp_path, draw):
    for place in ("train/a.png", "val/a.png", "val/b.png", ".hidden/c.png", "a/b/c.png"):
        draw(tmp_path / place)
    folder = Folder.listed(tmp_path)
    assert folder.images == ("a/b/c.png", "train/a.png", "val/a.png", "val/b.png")
    assert folder.find_image("b.png") == "val/b.png"
    assert folder.find_image("../val/a.png", "train") == "val/a.png"
    assert folder.find_image("a.png", "train") == "train/a.png"
    assert folder.find_image("D:\\set\\train\\a.png") == "train/a.png"
    assert folder.find_image("/home/me/val/a.png") == "val/a.png"
    assert folder.find_image("a.png") is None  # which?
    assert folder.find_image("z.png") is None


def test_links_in_a_circle_end(tmp_path, draw):
    draw(tmp_path / "set/a.png")
    (tmp_path / "set/again").symlink_to(tmp_path / "set", target_is_directory=True)
    (tmp_path / "linked").symlink_to(tmp_path / "set", target_is_directory=True)
    assert len(Folder.listed(tmp_path).images) == 1
