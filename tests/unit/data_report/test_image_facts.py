"""Test image headers, decoding and duplicates, and the drawings of issues."""

import numpy as np
import pytest
from broken_data import SQUARE, annotation, save, sound_data, write, write_json
from PIL import Image

from condinst.data_report import examine, read_source
from condinst.data_report.image_facts import look_at_images, same_images
from condinst.data_report.issue_drawing import draw_issue, draw_objects
from condinst.data_report.report_source import find_images

RED = (255, 40, 40)


@pytest.fixture
def folder(tmp_path):
    write(tmp_path / "set", sound_data())
    return tmp_path / "set"


def load(folder):
    return read_source(str(folder / "ann.json"))


def test_some_are_decoded_and_all_headers_read(folder):
    data = sound_data()
    data["images"][1]["file_name"] = "2.jpg"
    write_json(folder, data)
    save(folder / "images" / "2.jpg")
    path = folder / "images" / "2.jpg"
    path.write_bytes(path.read_bytes()[:-500])
    facts = look_at_images(load(folder), 2)
    assert facts.decoded == [0, 2]
    assert facts.broken == {}
    assert [header.width for header in facts.headers] == [64] * 3
    facts = look_at_images(load(folder), None)
    assert facts.decoded == [0, 1, 2]
    assert list(facts.broken) == [1]


def test_the_report_says_what_it_looked_at(folder, monkeypatch):
    monkeypatch.setattr("condinst.data_report.examination.DECODED", 1)
    (found,) = examine([load(folder)])
    assert found.looked_at == (
        "The headers of all 3 images were read; 1 of them, evenly spaced, were decoded (--deep "
        "decodes all)."
    )
    (found,) = examine([load(folder)], deep=True)
    assert found.looked_at == "All 3 images were read and decoded."


def test_images_that_cannot_be_read_are_not_said_to_be(folder, monkeypatch):
    (folder / "images" / "1.png").write_text("no image")
    (found,) = examine([load(folder)])
    assert found.looked_at == "2 of 3 images were read and decoded."
    cut = folder / "images" / "3.png"
    cut.write_bytes(cut.read_bytes()[:-30])  # its header is whole
    (found,) = examine([load(folder)])
    assert list(found.facts.broken) == [0, 2]
    assert found.looked_at == "1 of 3 images were read and decoded."
    cut.unlink()
    (found,) = examine([load(folder)])
    assert found.looked_at == "1 of 3 images were read and decoded."
    monkeypatch.setattr("condinst.data_report.examination.DECODED", 0)
    (found,) = examine([load(folder)])
    assert found.looked_at == (
        "The headers of 1 of 3 images were read; 0 of them, evenly spaced, were decoded (--deep "
        "decodes all)."
    )


def test_formats_as_stored(folder):
    gray = np.random.default_rng(0).integers(0, 60000, (48, 64)).astype(np.uint16)
    Image.fromarray(gray).save(folder / "images" / "1.png")
    Image.new("RGBA", (64, 48)).save(folder / "images" / "2.png")
    Image.new("P", (64, 48)).save(folder / "images" / "3.png")
    (found,) = examine([load(folder)])
    assert found.statistics.formats == {
        ("PNG", "gray", 16): 1,
        ("PNG", "RGB and alpha", 8): 1,
        ("PNG", "palette", 8): 1,
    }


def test_sixteen_bits_of_color_are_seen(folder):
    """Pillow reports 16-bit RGB files with an 8-bit mode."""
    import cv2

    cv2.imwrite(str(folder / "images" / "1.png"), np.zeros((48, 64, 3), np.uint16))
    (found,) = examine([load(folder)])
    assert found.statistics.formats["PNG", "RGB", 16] == 1


def test_same_bytes_of_images_that_are_not_decoded(folder):
    """Files of equal length that differ at their end or start are not the same."""
    images = folder / "images"
    data = sound_data()
    raw = [np.full((48, 64, 3), 7, np.uint8) for _ in range(6)]
    raw[1][-1, -1] = 8  # a bitmap's first bytes
    raw[2][0, 0] = 8  # its last ones
    for i, pixels in enumerate(raw):
        Image.fromarray(pixels).resize((64, 48)).save(images / f"raw{i}.bmp")
    names = [f"raw{i}.bmp" for i in range(6)]
    data["images"] = [
        {"id": i, "file_name": name, "width": 64, "height": 48} for i, name in enumerate(names)
    ]
    data["annotations"] = []
    write_json(folder, data)
    source = load(folder)
    facts = look_at_images(source, 0)
    assert facts.pixels == {}
    assert same_images([source], [facts]) == [[(0, 0), (0, 3), (0, 4), (0, 5)]]


def test_the_folder_of_the_images_is_found(tmp_path):
    names = [f"{i}.png" for i in range(5)]
    (tmp_path / "annotations").mkdir()
    for folder, number in (("train", 5), ("val", 2)):
        (tmp_path / folder).mkdir()
        for name in names[:number]:
            save(tmp_path / folder / name)
    found = find_images(str(tmp_path / "annotations" / "a.json"), names)
    assert found == str(tmp_path / "train")
    assert find_images(str(tmp_path / "annotations" / "a.json"), ["other.png"]) is None
    found = find_images(str(tmp_path / "annotations" / "my_val.json"), names[:2])
    assert found == str(tmp_path / "val")  # train has these names too
    (tmp_path / "of_another" / "small").mkdir(parents=True)
    save(tmp_path / "of_another" / "7.png")
    save(tmp_path / "of_another" / "small" / "8.png")
    sevens = ["7.png", "77.png", "777.png"]
    assert find_images(str(tmp_path / "annotations" / "a.json"), sevens) is None
    own = str(tmp_path / "of_another" / "a.json")
    assert find_images(own, sevens) == str(tmp_path / "of_another")
    eights = ["8.png", "88.png", "888.png"]
    assert find_images(own, eights) == str(tmp_path / "of_another" / "small")
    with_folder = [f"train/{name}" for name in names]
    assert find_images(str(tmp_path / "annotations" / "a.json"), with_folder) == str(tmp_path)


def test_a_folder_that_is_not_there_is_named(folder):
    with pytest.raises(ValueError, match=r"ann\.json: expected the folder .* at nowhere, found"):
        read_source(str(folder / "ann.json"), "nowhere")


def test_images_that_are_not_found_are_not_missing(folder, tmp_path):
    (tmp_path / "lonely").mkdir()
    alone = (folder / "ann.json").rename(tmp_path / "lonely" / "ann.json")
    for path in (folder / "images").iterdir():
        path.unlink()
    (found,) = examine([read_source(str(alone))])
    assert found.issues == {}
    assert found.looked_at == "The image files were not read: their folder was not found."


def test_an_issue_is_drawn_where_it_is(folder):
    """The file's box is drawn in red on the image, enlarged eight times."""
    data = sound_data()
    data["annotations"] = [annotation(1, 1, 1, SQUARE, bbox=[10, 10, 30, 20])]
    write_json(folder, data)
    (found,) = examine([load(folder)])
    ((drawn, caption),) = draw_issue(found, found.issues["box_mask"])
    assert caption.startswith("1.png, annotation 1: box 10, 10, 30, 20, the mask's box 10, 10, 20")
    assert drawn.shape == (48 * 8, 64 * 8, 3)
    red = np.argwhere((drawn == RED).all(axis=2))
    assert abs(red.min(axis=0) - [80, 80]).max() <= 1
    assert abs(red.max(axis=0) - [240, 320]).max() <= 1


@pytest.mark.parametrize("x", [-500, -20, 50, 70, 5000])
def test_what_lies_outside_is_drawn_with_a_part_of_the_image(folder, x):
    data = sound_data()
    polygon = [x, 10, x + 20, 10, x + 20, 30, x, 30]
    data["annotations"] = [annotation(1, 1, 1, polygon)]
    write_json(folder, data)
    (found,) = examine([load(folder)])
    (issue,) = [f for f in found.issues.values() if f.kind.key.startswith("box_")]
    ((drawn, _),) = draw_issue(found, issue)
    outside = (drawn == 128).all(axis=2).mean()
    assert 0.05 < outside < 0.9
    assert max(drawn.shape) >= 480


def test_only_so_many_of_different_images(folder):
    data = sound_data()
    for ann in data["annotations"][:3]:
        ann["area"] = 4
    write_json(folder, data)
    (found,) = examine([load(folder)])
    captions = [caption for _, caption in draw_issue(found, found.issues["area_mask"], limit=2)]
    assert [caption[:5] for caption in captions] == ["1.png", "2.png"]


def test_objects_of_an_image(folder):
    (found,) = examine([load(folder)])
    ((drawn, caption),) = draw_objects(found, [0])
    assert caption == "1.png: 2 objects"
    original = Image.open(folder / "images" / "1.png")
    large = original.resize((512, 384), Image.Resampling.BICUBIC)  # 8 times: names stay clear
    changed = (drawn != np.asarray(large)).any(axis=2)
    assert changed[80:240, 80:240].mean() > 0.9
    assert not changed[280:, :280].any()
