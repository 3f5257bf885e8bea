"""Results: choosing, RLE, COCO's, labelme's and supervision's forms."""

import json
import subprocess
import sys

import numpy as np
import pytest
import supervision
from PIL import Image
from pycocotools import mask as coco_mask

from condinst.masks.crop import Crop
from condinst.results.formats import coco_category_ids
from condinst.results.results import Results

SIZE = (60, 80)
COCO_80_IDS = {0: 1, 11: 13, 79: 90}  # person, stop sign, toothbrush


def make(num=3, **fields):
    """Rectangles one below the other; the first has a hole, the second two parts."""
    masks = np.zeros((3, *SIZE), bool)
    masks[0, 5:15, 10:40] = True
    masks[0, 8:11, 20:30] = False
    masks[1, 20:30, 0:10] = masks[1, 20:30, 70:80] = True
    masks[2, 40:60, 30:50] = True
    boxes = np.array([[10, 5, 40, 15], [0, 20, 80, 30], [30, 40, 50, 60.5]])
    settings = dict(
        image_size=SIZE,
        boxes=boxes[:num],
        scores=np.array([0.9, 0.5, 0.25])[:num],
        labels=np.array([1, 0, 1])[:num],
        crops=[Crop.of(mask) for mask in masks[:num]],
        class_names=("cat", "dog"),
    )
    return Results(**settings | fields), masks[:num]


def test_masks_names_and_types():
    results, masks = make()
    assert np.array_equal(results.masks, masks)
    assert results.masks.dtype == bool
    assert results.names == ["dog", "cat", "dog"]
    assert results.areas.tolist() == [270, 200, 400]
    assert results.crops[0].mask.shape == (10, 30)
    assert (results.crops[0].x, results.crops[0].y) == (10, 5)
    types = results.boxes.dtype, results.scores.dtype, results.labels.dtype
    assert types == (np.float32, np.float32, np.int64)
    assert repr(results) == "Results(image, 80 x 60: 2 dog, 1 cat)"


def test_choosing():
    results, masks = make(path="a.png")
    assert len(results) == 3
    good = results[results.scores > 0.3]
    assert good.scores.tolist() == pytest.approx([0.9, 0.5])
    assert np.array_equal(good.masks, masks[:2])
    assert good.path == "a.png"
    assert results[-1].labels.tolist() == [1]
    assert results[[2, 0]].names == ["dog", "dog"]
    assert len(results[5:]) == 0
    assert [one.names for one in results] == [["dog"], ["cat"], ["dog"]]
    with pytest.raises(IndexError):
        results[3]


def test_nothing_found():
    results, _ = make(num=0)
    assert results.masks.shape == (0, *SIZE)
    assert results.rles == results.polygons == results.to_coco() == results.names == []
    assert results.to_labelme()["shapes"] == []
    assert repr(results) == "Results(image, 80 x 60: nothing)"
    assert len(results[results.scores > 0.3]) == 0
    image = np.full((*SIZE, 3), 90, np.uint8)
    assert np.array_equal(results.draw(image), image)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (dict(scores=[0.9]), "expected equal numbers of boxes, .*'scores': 1"),
        (dict(labels=[0, 1, 2]), r"labels: expected 0 to 1, got \[0, 1, 2\]"),
        (dict(image_size=(59, 80)), r"crop of 20 x 20 pixels at \(30, 40\): .* of 80 x 59"),
    ],
)
def test_what_does_not_fit_is_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        make(**fields)


@pytest.mark.parametrize("density", [0.0, 0.03, 0.5, 0.97, 1.0])
def test_codes_are_those_of_pycocotools(density):
    rng = np.random.default_rng(0)
    for _ in range(200):
        height, width = rng.integers(1, 30, 2)
        mask = rng.random((height, width)) < density
        results = one(mask)
        expected = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
        assert results.rles == [{**expected, "counts": expected["counts"].decode()}]


def test_codes_of_long_runs():
    mask = np.zeros((3000, 2500), bool)
    mask[:, 1300:] = True  # 3.9 million pixels, then 3.6 million to the end
    mask[7, 3] = True
    expected = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
    assert one(mask).rles[0]["counts"] == expected["counts"].decode()


def one(mask):
    """Results of a single mask."""
    return Results(
        image_size=mask.shape,
        boxes=[[0, 0, 1, 1]],
        scores=[1],
        labels=[0],
        crops=[Crop.of(mask)],
        class_names=("a",),
    )


def test_coco():
    results, masks = make()
    found = results.to_coco(image_id=42)
    json.dumps(found)
    assert [d["image_id"] for d in found] == [42] * 3
    assert [d["category_id"] for d in found] == [2, 1, 2]
    assert found[2]["bbox"] == [30, 40, 20, 20.5]
    decoded = coco_mask.decode([d["segmentation"] for d in found]).transpose(2, 0, 1)
    assert np.array_equal(decoded, masks)
    assert [d["category_id"] for d in results.to_coco(category_ids=[7, 9])] == [9, 7, 9]
    with pytest.raises(ValueError, match="expected one for each of the 2 classes, got 1"):
        results.to_coco(category_ids=[7])


def test_cocos_own_ids():
    names = ("person", *(f"name {i}" for i in range(78)), "toothbrush")
    for label, category in COCO_80_IDS.items():
        results, _ = make(num=1, labels=[label], class_names=names)
        assert results.to_coco()[0]["category_id"] == category


def test_cocos_own_ids_are_those_of_the_annotations(datasets):
    file = datasets / "coco_tiny" / "annotations" / "instances_val2017.json"
    categories = json.loads(file.read_text())["categories"]
    results, _ = make(num=1, labels=[0], class_names=[c["name"] for c in categories])
    assert len(categories) == 80
    assert coco_category_ids(results.class_names) == [c["id"] for c in categories]


def test_labelme():
    results, masks = make(path="somewhere/a.png")
    content = json.loads(json.dumps(results.to_labelme(tolerance=0)))
    assert content["imagePath"] == "a.png"
    assert (content["imageHeight"], content["imageWidth"]) == SIZE
    shapes = content["shapes"]
    assert [shape["label"] for shape in shapes] == ["dog", "cat", "cat", "dog"]
    assert [shape["group_id"] for shape in shapes] == [None, 1, 1, None]
    for numbers, mask in (([0], masks[0]), ([1, 2], masks[1]), ([3], masks[2])):
        drawn = [fill(shapes[i]["points"]) for i in numbers]
        assert np.array_equal(np.any(drawn, axis=0), mask)
    empty, _ = make(num=1, crops=[Crop.of(np.zeros(SIZE, bool))])
    shape = empty.to_labelme()["shapes"][0]
    assert (shape["shape_type"], shape["points"]) == ("rectangle", [[10, 5], [40, 15]])


def fill(points):
    rles = coco_mask.frPyObjects([np.ravel(points).tolist()], *SIZE)
    return coco_mask.decode(rles)[:, :, 0].astype(bool)


def test_json():
    results, masks = make(path="a.png")
    content = json.loads(results.to_json())
    assert (content["path"], content["height"], content["width"]) == ("a.png", 60, 80)
    second = content["instances"][1]
    assert (second["label"], second["name"], second["score"]) == (0, "cat", 0.5)
    assert second["box"] == [0, 20, 80, 30]
    assert np.array_equal(coco_mask.decode(second["mask"]), masks[1])


def test_supervision():
    results, masks = make()
    found = results.to_supervision()
    assert isinstance(found, supervision.Detections)
    assert np.array_equal(found.xyxy, results.boxes)
    assert np.array_equal(found.mask, masks)
    assert found.confidence.tolist() == results.scores.tolist()
    assert found.class_id.tolist() == [1, 0, 1]
    assert found["class_name"].tolist() == ["dog", "cat", "dog"]
    nothing, _ = make(num=0)
    assert len(nothing.to_supervision()) == 0


def test_saving_draws_on_the_image(tmp_path):
    image = np.full((*SIZE, 3), 90, np.uint8)
    Image.fromarray(image).save(tmp_path / "a.png")
    results, _ = make(path=tmp_path / "a.png")
    drawn = np.asarray(Image.open(results.save(tmp_path / "deep" / "b.png")))
    assert drawn.shape == image.shape
    assert (drawn[13, 15] != 90).any()  # in the first mask
    assert (drawn[25, 75] != 90).any()  # in the second
    assert (drawn[50, 40] == 90).all()  # in the third, whose score is below 0.3
    good = np.asarray(Image.open(results.save(tmp_path / "c.png", score_thr=0.6)))
    assert (good[25, 75] == 90).all()
    other = results.draw(np.zeros((*SIZE, 3), np.uint8))
    assert (other[59, 0] == 0).all()


def test_saving_spares_the_image_itself(tmp_path):
    Image.fromarray(np.full((*SIZE, 3), 90, np.uint8)).save(tmp_path / "a.png")
    before = (tmp_path / "a.png").read_bytes()
    results, _ = make(path=tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"a\.png: this is the image itself"):
        results.save(tmp_path / "." / "a.png")
    assert (tmp_path / "a.png").read_bytes() == before


def test_an_image_that_is_not_there_or_another(tmp_path):
    results, _ = make()
    with pytest.raises(ValueError, match="pass image="):
        results.draw()
    Image.new("RGB", (50, 40)).save(tmp_path / "a.png")
    results, _ = make(path=tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"a\.png: the image is 50 x 40 .*expected 80 x 60"):
        results.draw()
    results, _ = make(path=tmp_path / "none.png")
    with pytest.raises(FileNotFoundError, match="image file not found"):
        results.draw()


def test_an_image_is_turned_as_the_results_are(tmp_path):
    pixels = np.zeros((80, 60, 3), np.uint8)
    pixels[:10] = 200  # the upper edge of the stored image: the right one when turned
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    results, _ = make(path=tmp_path / "a.png")
    assert (results.read_image()[:, 70:] == 200).all()
    assert (results.read_image()[:, :70] == 0).all()


def test_sixteen_bits_are_shown_stretched(tmp_path):
    """Of 12-bit images in 16 bits, the upper byte alone would be black."""
    values = np.linspace(1000, 4000, SIZE[1]).astype(np.uint16) * np.ones((SIZE[0], 1), np.uint16)
    Image.fromarray(values).save(tmp_path / "a.png")
    results, _ = make(path=tmp_path / "a.png")
    shown = results.read_image()
    assert shown.dtype == np.uint8
    assert (shown[:, 0] == 0).all()
    assert (shown[:, -1] == 255).all()
    assert abs(int(shown[0, SIZE[1] // 2, 0]) - 128) <= 2

    Image.fromarray(np.full(SIZE, 0x7FFF, np.uint16)).save(tmp_path / "a.png")
    assert (results.read_image() == 0x7F).all()  # nothing to stretch: the upper byte


WITHOUT_THE_TRAINING_SIDE = """
import sys

for name in ("torch", "cv2", "mmcv", "mmengine", "mmdet", "pycocotools", "supervision"):
    sys.modules[name] = None  # importing it fails
import numpy as np
from condinst import Results
from condinst.results.results import Crop

results = Results(
    image_size=(50, 60),
    boxes=[[5, 6, 30, 40]],
    scores=[0.9],
    labels=[0],
    crops=[Crop(np.ones((34, 25), bool), 5, 6)],
    class_names=("cat",),
    image=np.zeros((50, 60, 3), np.uint8),
)
results.save(sys.argv[1])
assert results.to_coco() and results.to_labelme() and results.to_json() and results.polygons
try:
    results.to_supervision()
except ImportError as error:
    print(error)
"""


def test_numpy_and_pillow_are_enough(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_THE_TRAINING_SIDE, tmp_path / "a.png"],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == 'to_supervision() needs supervision: pip install "condinst[video]"\n'
    assert (tmp_path / "a.png").is_file()
