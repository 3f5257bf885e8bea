"""Masks of many programs: soft edges, JPEG, classes, ids with classes, layouts of folders."""

import cv2
import numpy as np
import pytest
from PIL import Image

from condinst.dataset_converters import import_data

PLACES = [(20, 20, 9), (60, 22, 8), (100, 60, 11), (30, 65, 10)]  # x, y, radius
SHAPE = 90, 140


def disc(x, y, r):
    yy, xx = np.mgrid[: SHAPE[0], : SHAPE[1]]
    return (xx - x) ** 2 + (yy - y) ** 2 <= r * r


def label_map(values, dtype=np.uint8, places=PLACES):
    made = np.zeros(SHAPE, dtype)
    for value, place in zip(values, places, strict=False):
        made[disc(*place)] = value
    return made


def image(path, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 255, (*SHAPE, 3), np.uint8)
    Image.fromarray(noise).save(path)


def save(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)


@pytest.fixture
def folder(tmp_path):
    """Return folder(masks), which writes images/NAME.png and masks/NAME.png."""

    def write(masks, suffix=".png", images="images/{}.png", places="masks/{}", **options):
        for seed, (name, pixels) in enumerate(masks.items()):
            image(tmp_path / images.format(name), seed)
            save(tmp_path / (places.format(name) + suffix), pixels, **options)
        return tmp_path

    return write


def counts(all_objects, imported):
    return {
        name.rpartition("/")[2]: len([o for o in found if not o[1]["iscrowd"]])
        for name, found in all_objects(imported).items()
    }


@pytest.mark.parametrize("blur", [1.0, 2.0])
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".PNG"])
def test_soft_edges_are_cut_at_half(folder, tmp_path, all_objects, iou, blur, suffix):
    hard = {n: label_map([255] * k) for n, k in (("a", 4), ("b", 1), ("c", 0), ("d", 3))}
    hard["a"][18:23, 18:23] = 0  # a hole
    soft = {n: cv2.GaussianBlur(m, (0, 0), blur) for n, m in hard.items()}
    imported = import_data(folder(soft, suffix), tmp_path / "out")
    assert counts(all_objects, imported) == {"a.png": 4, "b.png": 1, "c.png": 0, "d.png": 3}
    for name, found in all_objects(imported).items():
        if found:
            union = np.any([mask for _, _, mask in found], axis=0)
            assert iou(union, hard[name[0]] > 0) > 0.93
    text = " ".join(imported.notes)
    assert ("JPEG" in text) == (suffix == ".jpg")
    assert "soft edges" in text or suffix == ".jpg"


def test_jpeg_masks_of_several_values_are_refused(folder, tmp_path):
    masks = {n: label_map([80, 160, 240, 80]) for n in "abc"}
    with pytest.raises(ValueError, match="JPEG does not keep values: .*PNG"):
        import_data(folder(masks, ".jpg"), tmp_path / "out")


def test_instances_of_high_values_are_not_soft_edges(folder, tmp_path, all_objects):
    masks = {n: label_map([60, 120, 180, 240][:k]) for n, k in (("a", 4), ("b", 3), ("c", 1))}
    imported = import_data(folder(masks), tmp_path / "out")
    assert counts(all_objects, imported) == {"a.png": 4, "b.png": 3, "c.png": 1}


def test_touching_instances_stay_apart(folder, tmp_path, all_objects):
    near = [(20, 20, 9), (38, 20, 9), (100, 60, 11)]
    masks = {n: label_map([1, 2, 3], np.uint16, near) for n in "ab"}
    imported = import_data(folder(masks), tmp_path / "out")
    assert counts(all_objects, imported) == {"a.png": 3, "b.png": 3}


def test_classes_are_asked_for_and_split_into_pieces(folder, tmp_path, all_objects):
    made = folder({"a": label_map([1, 1, 2, 2]), "b": label_map([2, 2, 1]), "c": label_map([])})
    (tmp_path / "classes.json").write_text('{"1": "cat", "2": "dog"}')
    with pytest.raises(ValueError, match="may be instances or classes.*--masks instances"):
        import_data(made, tmp_path / "out")
    imported = import_data(made, tmp_path / "out", masks="classes")
    found = all_objects(imported)
    assert imported.classes == ("cat", "dog")
    assert sorted(label for label, _, _ in found["a.png"]) == ["cat", "cat", "dog", "dog"]
    assert sorted(label for label, _, _ in found["b.png"]) == ["cat", "dog", "dog"]
    one = import_data(made, tmp_path / "out", masks="instances")
    assert counts(all_objects, one) == {"a.png": 2, "b.png": 2, "c.png": 0}
    joined = import_data(made, tmp_path / "out", masks="binary")
    assert counts(all_objects, joined) == {"a.png": 4, "b.png": 3, "c.png": 0}


def test_few_values_with_gaps_are_asked_for(folder, tmp_path):
    masks = {n: label_map([v]) for n, v in zip("abcdef", (1, 2, 2, 1, 3, 2), strict=True)}
    with pytest.raises(ValueError, match="not numbered from 1"):
        import_data(folder(masks), tmp_path / "out")


def test_undecided_pixels_are_left_out(folder, tmp_path, all_objects):
    masks = {n: label_map([1, 2, 3, 255]) for n in "abc"}
    imported = import_data(folder(masks), tmp_path / "out")
    assert set(counts(all_objects, imported).values()) == {3}
    assert any("255 marks undecided" in note for note in imported.notes)


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        ([1001, 1002, 2001, 10000], ("car", "pedestrian")),
        ([26000, 26001, 24000], ("class_24", "class_26")),
        ([26 * 256 + 1, 26 * 256 + 2, 24 * 256 + 1, 7 * 256], ("class_24", "class_26")),
        ([257, 258, 513], ("class_1", "class_2")),
    ],
)
def test_ids_that_hold_a_class(folder, tmp_path, all_objects, values, classes):
    masks = {n: label_map(values, np.uint16) for n in "ab"}
    imported = import_data(folder(masks), tmp_path / "out")
    assert imported.classes == classes
    assert counts(all_objects, imported) == {"a.png": 3, "b.png": 3}


def test_many_instances_in_16_bits_hold_no_class(folder, tmp_path, all_objects):
    big = np.kron(np.arange(1, 1201).reshape(30, 40), np.ones((3, 3), int)).astype(np.uint16)
    big[:, -3:] = 0
    for n in "ab":
        image(tmp_path / f"images/{n}.png", ord(n))
        Image.fromarray(np.zeros((90, 120, 3), np.uint8) + ord(n)).save(
            tmp_path / f"images/{n}.png"
        )
        save(tmp_path / f"masks/{n}.png", big)
    imported = import_data(tmp_path, tmp_path / "out")
    assert imported.classes == ("object",)
    assert counts(all_objects, imported) == {"a.png": 1170, "b.png": 1170}


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        ("{}_img.tif", "{}_masks.png"),
        ("sub/{}.png", "sub/{}_cp_masks.png"),
        ("set/{}.jpg", "set/{}_mask.png"),
        ("PNGImages/{}.png", "PedMasks/{}_mask.png"),
        ("training/image_2/{}.png", "training/instance/{}.png"),
        ("train/{}.jpg", "train_masks/{}_mask.gif"),
        ("JPEGImages/{}.jpg", "GT/{}.bmp"),
        ("images/0001/{}.png", "instances/0001/{}.png"),
        ("data/training/image_02/0001/{}.png", "instances/0001/{}.png"),
        ("train/images/{}.tif", "train/masks/{}.tif"),
        ("raw/{}.tif", "Label Images/{}.tif"),
        ("raw images/{}.tif", "segmentation_images/{}.tif"),
        ("images/{}.png", "mask-images/{}.png"),
    ],
)
def test_layouts(tmp_path, all_objects, images, masks):
    for n in ("x1", "y_2", "z 3"):
        image(tmp_path / images.format(n), ord(n[0]))
        save(tmp_path / masks.format(n), label_map([1, 2, 3]))
    imported = import_data(tmp_path, tmp_path / "out")
    assert sorted(counts(all_objects, imported).values()) == [3, 3, 3]


def test_a_mask_whose_name_differs_by_case_is_named(folder, tmp_path):
    made = folder({"a": label_map([1, 2]), "b": label_map([1, 2])})
    image(tmp_path / "images/C.png")
    save(tmp_path / "masks/c.png", label_map([1]))
    with pytest.raises(ValueError, match=r"masks/c.png: .*images/C.png is there"):
        import_data(made, tmp_path / "out")


@pytest.mark.parametrize(
    ("pattern", "classes"),
    [
        ("masks/{n}_{c}_{i}.png", ("car", "red bus")),
        ("masks/{n}/{i}.png", ("object",)),
        ("masks/{n}/{c}_{i}.png", ("car", "red bus")),
        ("annotations/{n}_mask_{i}.png", ("object",)),
        ("train/masks/{n}_{i}.png", ("object",)),
    ],
)
def test_one_file_for_each_object(tmp_path, all_objects, pattern, classes):
    place = "train/images" if pattern.startswith("train") else "images"
    for n in ("1", "1_2", "cell_3"):
        image(tmp_path / f"{place}/{n}.jpg", len(n))
        for i, (c, where) in enumerate(zip(("car", "red bus", "car"), PLACES, strict=False)):
            mask = (disc(*where) * 255).astype(np.uint8)
            save(tmp_path / pattern.format(n=n, c=c, i=i), mask)
    imported = import_data(tmp_path, tmp_path / "out")
    assert imported.classes == classes
    for found in all_objects(imported).values():
        expected = sorted(int(disc(*where).sum()) for where in PLACES[:3])
        assert sorted(annotation["area"] for _, annotation, _ in found) == expected


def test_an_object_file_with_several_values_is_refused(tmp_path):
    for n in "ab":
        image(tmp_path / f"images/{n}.png", ord(n))
        save(tmp_path / f"masks/{n}/1.png", label_map([1, 2, 3]))
    with pytest.raises(ValueError, match="masks/a/1.png: expected one object.*found 3 values"):
        import_data(tmp_path, tmp_path / "out")


def test_masks_in_an_alpha_channel(tmp_path, all_objects):
    for n in "ab":
        image(tmp_path / f"images/{n}.png", ord(n))
        pixels = np.zeros((*SHAPE, 4), np.uint8)
        pixels[..., 3] = label_map([255, 255, 255])
        save(tmp_path / f"masks/{n}.png", pixels)
    imported = import_data(tmp_path, tmp_path / "out")
    assert set(counts(all_objects, imported).values()) == {3}


def test_inverted_masks_are_asked_for(folder, tmp_path, all_objects):
    made = folder({n: 255 - label_map([255] * 4) for n in "ab"})
    with pytest.raises(ValueError, match="look inverted.*--masks binary"):
        import_data(made, tmp_path / "out")
    imported = import_data(made, tmp_path / "out", masks="binary")
    assert counts(all_objects, imported) == {"a.png": 1, "b.png": 1}


def crowded(seed):
    """Return 20 discs, of which two cover corners and several touch the border."""
    random = np.random.default_rng(seed)
    places = [(0, 0, 12), (139, 89, 12), (70, 0, 9), (0, 50, 8)]
    places += [(x, y, 7) for x in range(20, 130, 22) for y in (22, 42, 62)]
    made = np.zeros(SHAPE, bool)
    for x, y, r in places:
        made |= disc(x + random.integers(-1, 2), y, r)
    return made


@pytest.mark.parametrize("blur", [0, 1.5])
@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_inverted_masks_with_objects_in_the_corners_are_asked_for(folder, tmp_path, blur, suffix):
    masks = {n: 255 - crowded(i) * np.uint8(255) for i, n in enumerate("abcd")}
    masks["e"] = np.full(SHAPE, 255, np.uint8)  # an image without objects
    if blur:
        masks = {n: cv2.GaussianBlur(m, (0, 0), blur) for n, m in masks.items()}
    with pytest.raises(ValueError, match="4 of 4 masks .* look inverted.*--masks binary"):
        import_data(folder(masks, suffix), tmp_path / "out")


def test_inverted_object_files_are_asked_for(tmp_path):
    for n in "ab":
        image(tmp_path / f"images/{n}.png", ord(n))
        for i, place in enumerate([(0, 0, 9), *PLACES]):
            save(tmp_path / f"masks/{n}/{i}.png", (~disc(*place) * 255).astype(np.uint8))
    with pytest.raises(ValueError, match="8 mask files.*look inverted.*--masks instances"):
        import_data(tmp_path, tmp_path / "out")


def filled_crop(seed):
    """Return an object that a crop cuts on all sides, with background in two corners."""
    made = np.ones(SHAPE, bool)
    yy, xx = np.mgrid[: SHAPE[0], : SHAPE[1]]
    made[xx + yy < 30 + seed] = False
    made[(xx - 139) + (yy - 89) > -20 - seed] = False
    return made


def tight_crop(seed):
    """Return an ellipse that touches all sides of its image, with a hole."""
    yy, xx = np.mgrid[: SHAPE[0], : SHAPE[1]]
    made = ((xx - 69.5) / 70) ** 2 + ((yy - 44.5) / 45) ** 2 <= 1
    return made & ~disc(60, 40, 5 + seed)


def walled(seed):
    """Return cells of 10 x 10 pixels with walls of 1 pixel, which end at the border."""
    made = np.ones(SHAPE, bool)
    made[5 + seed :: 11] = made[:, 3 + seed :: 11] = False
    return made


@pytest.mark.parametrize(
    ("draw_one", "pieces"), [(filled_crop, 1), (tight_crop, 1), (walled, (9 * 13, 9 * 14))]
)
def test_large_objects_are_not_inverted(folder, tmp_path, all_objects, draw_one, pieces):
    masks = {n: draw_one(i) * np.uint8(255) for i, n in enumerate("abc")}
    masks["d"] = np.full(SHAPE, 255, np.uint8)  # filled
    imported = import_data(folder(masks), tmp_path / "out")
    found = counts(all_objects, imported)
    assert found.pop("d.png") == 1
    for number in found.values():
        assert number in np.atleast_1d(pieces)
