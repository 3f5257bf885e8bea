"""Folders of masks with unusual names: the message says what to do, and that works."""

import numpy as np
import pytest
from PIL import Image

from condinst.dataset_converters import import_data

SIZE = 30, 40


@pytest.fixture
def data(tmp_path):
    """Return data(images, masks), which writes three images and masks of areas 36 and 50."""
    mask = np.zeros(SIZE, np.uint8)
    mask[2:8, 3:9] = 1
    mask[16:21, 20:30] = 2

    def write(images, masks):
        for seed, name in enumerate("abc"):
            noise = np.random.default_rng(seed).integers(0, 255, (*SIZE, 3), np.uint8)
            for path, pixels in ((images, noise), (masks, mask)):
                file = tmp_path / "data" / path.format(name)
                file.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(file)
        return tmp_path / "data"

    return write


def check(imported, all_objects):
    found = all_objects(imported)
    assert len(found) == 3
    for objects in found.values():
        assert sorted(int(mask.sum()) for _, _, mask in objects) == [36, 50]


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        ("images/{}.png", "lab/{}.png"),
        ("images/{}.png", "lab/{}_mask.png"),
        ("photos2018/{}.png", "lab/{}.png"),
        ("{}.png", "lab/{}.png"),
        ("train/foo/{}.png", "train/lab/{}.png"),
        ("images/sub/{}.png", "lab/sub/{}.png"),
        ("left/images/{}.png", "right/lab/{}.png"),
    ],
)
def test_the_option_names_the_folder(data, tmp_path, all_objects, images, masks):
    folder = data(images, masks)
    check(import_data(folder, tmp_path / "out", mask_folder="lab"), all_objects)
    if "_mask" not in masks:
        with pytest.raises(ValueError, match="if .*lab.* holds the masks, use --mask-folder"):
            import_data(folder, tmp_path / "two")


def test_a_path_of_the_folder(data, tmp_path, all_objects):
    folder = data("images/{}.png", "made/lab/{}.png")
    data("images/{}.png", "old/lab/{}.png")
    imported = import_data(folder, tmp_path / "out", mask_folder="made/lab/")
    check(imported, all_objects)


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        ("images/{}.png", "truth/{}.png"),
        ("images/{}.png", "ann/{}.png"),
        ("images/{}.png", "seg2/{}.png"),
        ("img_dir/train/{}.png", "ann_dir/train/{}.png"),
    ],
)
def test_more_names_are_known(data, tmp_path, all_objects, images, masks):
    check(import_data(data(images, masks), tmp_path / "out"), all_objects)


def test_messages_name_the_folders(data, tmp_path):
    folder = data("photos/{}.png", "lab/{}.png")
    message = "lab/a.png and photos/a.png have one name: if lab holds the masks, .*masks, labels"
    with pytest.raises(ValueError, match=message):
        import_data(folder, tmp_path / "out")
    with pytest.raises(ValueError, match="--mask-folder lib: no folder of this name.*lab, photos"):
        import_data(folder, tmp_path / "out", mask_folder="lib")
    with pytest.raises(ValueError, match="--mask-folder lab: expected a folder of images"):
        import_data(folder, tmp_path / "out", mask_folder="lab", fmt="coco")


def test_two_folders_that_may_both_hold_masks(data, tmp_path):
    folder = data("one/{}.png", "two/{}.png")
    for name in "abc":
        (folder / f"one/{name}.png").write_bytes((folder / f"two/{name}.png").read_bytes())
    with pytest.raises(ValueError, match="use --mask-folder one or --mask-folder two"):
        import_data(folder, tmp_path / "out")


def test_names_that_differ(data, tmp_path):
    folder = data("images/{}.png", "masks/x{}.png")
    message = r"images \(3, such as a.png\), masks \(3, such as xa.png\); no file has the name"
    with pytest.raises(ValueError, match=message):
        import_data(folder, tmp_path / "out")
    with pytest.raises(ValueError, match="--mask-folder masks: no file of it has the name of"):
        import_data(folder, tmp_path / "out", mask_folder="masks")


def test_an_ending_that_is_not_known(data, tmp_path):
    with pytest.raises(ValueError, match="a_lab.png lies beside a.png: .*_mask"):
        import_data(data("{}.png", "{}_lab.png"), tmp_path / "out")


def test_the_hint_says_where_it_reads_a_part(tmp_path, draw):
    """Names repeat in each pair of folders, so nothing is read without the user."""
    for number in range(2):
        for name in ("Slide", "GT"):
            for i in range(2):
                draw(tmp_path / f"data/{name}_0{number}/{i}.png", value=i)
    with pytest.raises(ValueError, match=r"GT_0. holds the masks.* may read a part only; then"):
        import_data(tmp_path / "data", tmp_path / "out")


def test_the_hint_names_a_path_where_the_folder_has_the_name_of_images(data, tmp_path, all_objects):
    folder = data("train/images/images/{}.png", "train/Instance_masks/images/{}_obj.png")
    with pytest.raises(ValueError, match="say --mask-folder Instance_masks/images") as error:
        import_data(folder, tmp_path / "out")
    option = str(error.value).split("--mask-folder ")[1].split(".")[0]
    with pytest.raises(ValueError, match="expected one object"):  # read, as one object a file
        import_data(folder, tmp_path / "out", mask_folder=option)
