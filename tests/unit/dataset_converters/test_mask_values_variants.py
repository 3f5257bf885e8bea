"""Masks that would be read as something else: smoothed, inverted, renumbered, in pages."""

import cv2
import numpy as np
import pytest
from PIL import Image

from condinst.dataset_converters import import_data

SHAPE = 90, 140
PLACES = [(20, 20, 9), (60, 22, 8), (100, 60, 11)]  # x, y, radius
NAMES = ("a", "b", "c")


def disc(x, y, r):
    yy, xx = np.mgrid[: SHAPE[0], : SHAPE[1]]
    return (xx - x) ** 2 + (yy - y) ** 2 <= r * r


def label_map(*values, background=0, dtype=np.uint8):
    made = np.full(SHAPE, background, dtype)
    for value, place in zip(values, PLACES, strict=False):
        made[disc(*place)] = value
    return made


def smooth(pixels):
    return cv2.GaussianBlur(pixels, (5, 5), 1)


def colored(*colors):
    made = np.zeros((*SHAPE, 3), np.uint8)
    for color, place in zip(colors, PLACES, strict=True):
        made[disc(*place)] = color
    return made


def save(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    made = image if isinstance(image, Image.Image) else Image.fromarray(image)
    made.save(path)


def noise(path, seed):
    save(path, np.random.default_rng(seed).integers(0, 255, (*SHAPE, 3), np.uint8))


@pytest.fixture
def data(tmp_path):
    """Return data(mask, images="...", masks="..."), which writes three images with this mask."""

    def write(mask, images="images/{}.png", masks="masks/{}.png"):
        for seed, name in enumerate(NAMES):
            noise(tmp_path / "data" / images.format(name), seed)
            save(tmp_path / "data" / masks.format(name), mask)
        return tmp_path / "data"

    return write


def check_discs(found, iou):
    assert len(found) == 3
    for objects in found.values():
        assert len(objects) == 3
        for place in PLACES:
            assert max(iou(disc(*place), mask) for _, _, mask in objects) > 0.8


@pytest.mark.parametrize(
    "mask",
    [
        smooth(label_map(80, 160, 240)),
        smooth(label_map(20000, 40000, 60000, dtype=np.uint16)),
        smooth(colored((255, 0, 0), (0, 255, 0), (255, 0, 0))),
        smooth(colored(*[(255, 0, 0)] * 3)),
    ],
)
def test_smoothed_values_are_no_instances(data, tmp_path, all_objects, iou, mask):
    folder = data(mask)
    with pytest.raises(ValueError, match="no area of their own.*soft edges"):
        import_data(folder, tmp_path / "out")
    check_discs(all_objects(import_data(folder, tmp_path / "two", masks="binary")), iou)


def test_soft_edges_of_16_bits_are_cut_at_half(data, tmp_path, all_objects, iou, note):
    folder = data(smooth(label_map(*[65535] * 3, dtype=np.uint16)))
    imported = import_data(folder, tmp_path / "out")
    check_discs(all_objects(imported), iou)
    assert "cut at half" in note(imported, "soft edges")


def test_thin_and_small_instances_are_no_edges(data, tmp_path, all_objects):
    mask = np.zeros(SHAPE, np.uint8)
    for value in range(1, 31):
        mask[2 * value, 3 : 3 + value] = value  # lines of one pixel
    found = all_objects(import_data(data(mask), tmp_path / "out"))
    assert {len(objects) for objects in found.values()} == {30}


@pytest.mark.parametrize(
    "mask",
    [
        smooth(255 - label_map(*[255] * 3)),
        label_map(1, 2, 3, background=255),
        label_map(2, 3, 4, background=1),
        colored(*[(0, 0, 0)] * 3) + np.uint8(255) * ~(label_map(1, 1, 1) > 0)[..., None],
    ],
)
def test_inverted_masks_are_asked_for(data, tmp_path, mask):
    with pytest.raises(ValueError, match="they look inverted"):
        import_data(data(mask), tmp_path / "out")


def test_inverted_files_of_one_object_are_asked_for(tmp_path):
    for seed, name in enumerate(NAMES):
        noise(tmp_path / f"data/images/{name}.png", seed)
        for number, place in enumerate(PLACES):
            save(tmp_path / f"data/masks/{name}_{number}.png", ~disc(*place))
    with pytest.raises(ValueError, match="9 mask files.*they look inverted"):
        import_data(tmp_path / "data", tmp_path / "out")


def test_a_palette_whose_first_color_is_not_black(data, tmp_path, all_objects, iou):
    mask = Image.fromarray(label_map(0, 2, 3, background=1), "L")
    mask.putpalette([255, 0, 0, 0, 0, 0, 0, 255, 0, 0, 0, 255])
    imported = import_data(data(mask), tmp_path / "out", masks="instances")
    check_discs(all_objects(imported), iou)


def test_pages_are_refused_and_overviews_are_not(data, tmp_path, all_objects, iou):
    folder = data(label_map(1, 2, 3), masks="masks/{}.tif")
    first, smaller = Image.fromarray(label_map(1, 2, 3)), Image.new("L", (70, 45))
    path = folder / "masks/a.tif"
    first.save(path, save_all=True, append_images=[smaller])
    check_discs(all_objects(import_data(folder, tmp_path / "out")), iou)
    first.save(path, save_all=True, append_images=[first])
    with pytest.raises(ValueError, match=r"a.tif.*2 pages"):
        import_data(folder, tmp_path / "two")


def test_whole_numbers_as_floats(data, tmp_path, all_objects, iou):
    folder = data(label_map(1, 2, 3, dtype=np.float32), masks="masks/{}.tif")
    check_discs(all_objects(import_data(folder, tmp_path / "out")), iou)
    save(folder / "masks/a.tif", label_map(1, 2, 3, dtype=np.float32) / 255)
    with pytest.raises(ValueError, match="whole numbers as pixels, got float32 such as 0.00392"):
        import_data(folder, tmp_path / "two")


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        ("imgs/{}.png", "segs/{}.png"),
        ("inputs/{}.png", "targets/{}.png"),
        ("train/X/{}.png", "train/Y/{}.png"),
        ("images/{}.png", "masks/mask_{}.png"),
        ("images/image_{}.png", "masks/mask_{}.png"),
        ("Bilder \u00fc/images/{}.png", "Bilder \u00fc/masks/{}.png"),
        ("holdout/images/{}.png", "holdout/masks/{}.png"),
    ],
)
def test_names_of_folders_and_files(data, tmp_path, all_objects, iou, images, masks):
    folder = data(label_map(1, 2, 3), images, masks)
    check_discs(all_objects(import_data(folder, tmp_path / "out")), iou)


def test_folders_of_classes(tmp_path, all_objects, iou):
    for seed, name in enumerate(NAMES):
        noise(tmp_path / f"data/images/{name}.png", seed)
        for number, place in enumerate(PLACES):
            label = "cat" if number else "dog"
            save(tmp_path / f"data/masks/{label}/{name}_{number}.png", disc(*place))
    imported = import_data(tmp_path / "data", tmp_path / "out")
    assert imported.classes == ("cat", "dog")
    found = all_objects(imported)
    check_discs(found, iou)
    dogs = [mask for objects in found.values() for name, _, mask in objects if name == "dog"]
    assert [iou(disc(*PLACES[0]), mask) for mask in dogs] == [1, 1, 1]


def test_codes_of_class_and_number_are_offered(tmp_path, write_png, all_objects):
    """Mapillary Vistas: class * 256 + number, where ground fills the image."""
    pixels = np.full((30, 40), 256, np.uint16)
    pixels[2:8, 3:9], pixels[16:21, 20:30] = 1, 513  # of the classes 0 and 2
    for i in range(4):
        write_png(tmp_path / f"data/images/{i}.png", np.full((30, 40, 3), i, np.uint8))
        write_png(tmp_path / f"data/instances/{i}.png", pixels)
    with pytest.raises(ValueError, match="class . 256 . number, .* --masks class256"):
        import_data(tmp_path / "data", tmp_path / "out")
    imported = import_data(tmp_path / "data", tmp_path / "two", masks="class256")
    areas = [sorted(int(m.sum()) for *_, m in found) for found in all_objects(imported).values()]
    assert areas == [[36, 50]] * 4  # ground has the number 0
