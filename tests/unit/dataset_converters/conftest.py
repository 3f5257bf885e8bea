"""Small datasets in every format."""

import contextlib
import io
import json

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO


@pytest.fixture
def draw():
    """draw(path, size=(width, height), value): a gray image, each value another file."""

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
    """An integer array as PNG: uint8 and uint16 gray, (H, W, 3) color."""

    def write(path, pixels):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
        return path

    return write


@pytest.fixture
def objects():
    """{file name: [(class name, annotation, mask as (H, W) bool)]} of a split, by pycocotools."""

    def read(split):
        with contextlib.redirect_stdout(io.StringIO()):
            coco = COCO(str(split.ann_file))
        for image in coco.imgs.values():
            assert (split.img_dir / image["file_name"]).is_file()
        assert split.num_images == len(coco.imgs)
        assert split.num_annotations == len(coco.anns)
        return {
            image["file_name"]: [
                (coco.cats[a["category_id"]]["name"], a, coco.annToMask(a).astype(bool))
                for a in coco.imgToAnns[image_id]
            ]
            for image_id, image in coco.imgs.items()
        }

    return read


@pytest.fixture
def all_objects(objects):
    """The same of the training and the validation split together."""

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
    """The only note that holds a text."""

    def find(imported, text):
        found = [n for n in imported.notes if text in n]
        assert len(found) == 1, imported.notes
        return found[0]

    return find
