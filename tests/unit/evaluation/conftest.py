"""A small generated COCO set with detections."""

import pytest
from coco_sets import as_samples, random_set, write


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Return the annotation file, detections as COCO's list, and samples with bitmaps."""
    content, found = random_set()
    return write(tmp_path_factory.mktemp("coco"), content), found, as_samples(content, found)
