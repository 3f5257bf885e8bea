"""Draw and read small datasets in every format."""

import contextlib
import io
import json

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO
from two_images import H, W


@pytest.fixture
def draw():
    """Return draw(path, size=(width, height), value), which writes a gray image."""

    def write(path, size=(40, 30), value=0, **options):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", size, value).save(path, **options)
        return path

    return write


@pytest.fixture
def write_json():
    def write(path, data):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(data))
        return path

    return write


@pytest.fixture
def write_png():
    """Write an integer array as PNG: uint8 or uint16 gray, or (H, W, 3) color."""

    def write(path, pixels):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
        return path

    return write


@pytest.fixture
def objects():
    """Return {file name: [(class name, annotation, (H, W) bool mask)]} of a split.

    The mask of an object with a box alone is the filled box.
    """

    def mask_of(coco, annotation):
        if "segmentation" not in annotation:
            x, y, w, h = annotation["bbox"]
            corners = [x, y, x + w, y, x + w, y + h, x, y + h]
            annotation = dict(annotation, segmentation=[corners])
        return coco.annToMask(annotation).astype(bool)

    def read(split):
        with contextlib.redirect_stdout(io.StringIO()):
            coco = COCO(str(split.ann_file))
        for image in coco.imgs.values():
            assert (split.img_dir / image["file_name"]).is_file()
        assert split.num_images == len(coco.imgs)
        assert split.num_annotations == len(coco.anns)
        return {
            image["file_name"]: [
                (coco.cats[a["category_id"]]["name"], a, mask_of(coco, a))
                for a in coco.imgToAnns[image_id]
            ]
            for image_id, image in coco.imgs.items()
        }

    return read


@pytest.fixture
def all_objects(objects):
    """Return the objects of the training and the validation split together."""

    def read(imported):
        return {**objects(imported.train), **objects(imported.val)}

    return read


@pytest.fixture
def iou():
    def compute(a, b):
        return np.logical_and(a, b).sum() / np.logical_or(a, b).sum()

    return compute


@pytest.fixture
def note():
    """Return the only note that contains a text."""

    def find(imported, text):
        found = [n for n in imported.notes if text in n]
        assert len(found) == 1, imported.notes
        return found[0]

    return find


@pytest.fixture
def two_images(tmp_path):
    """Return write(pattern), which writes a.png and b.png, or what the pattern makes of "a"."""

    def write(pattern="{}.png"):
        for n in "ab":
            path = tmp_path / pattern.format(n)
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((H, W, 3), ord(n), np.uint8)).save(path)
        return tmp_path

    return write
