"""Compare measures of masks and datasets with pycocotools, shapely and plain counting."""

import contextlib
import io
import json

import numpy as np
import pytest
import shapely
from broken_data import BOW, LOOP, SQUARE, annotation, sound_data, write, write_json
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from condinst.data_report import read_source
from condinst.data_report.examination import examine_file
from condinst.data_report.mask_measures import measure_masks
from condinst.data_report.statistics import STRIDES


@pytest.fixture(scope="module")
def real(datasets):
    path = datasets / "coco_small" / "annotations" / "instances_val2017.json"
    return read_source(str(path))


def test_areas_and_boxes_are_cocos_own(real):
    """COCO's areas and boxes are those of the polygons; crowds' areas are known to be wrong."""
    masks, file = measure_masks(real), real.file
    single = (masks.num_polygons == 1) & ~file.crowd
    assert single.sum() > 900
    np.testing.assert_allclose(masks.areas[single], file.areas[single], rtol=1e-3, atol=0.6)
    objects = ~file.crowd
    np.testing.assert_allclose(masks.boxes[objects], file.boxes[objects], atol=0.02)
    crowd = file.crowd
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(real.path)
    rles = [coco.annToRLE(coco.anns[file.ann_ids[i]]) for i in np.flatnonzero(crowd)]
    assert masks.areas[crowd].tolist() == [coco_mask.area(rle) for rle in rles]


def test_crossings_are_what_shapely_calls_invalid(datasets):
    path = datasets / "coco_small" / "annotations" / "instances_train2017.json"
    source = read_source(str(path))
    crossing = {(c.annotation, c.place) for c in measure_masks(source).crossings}
    invalid = set()
    for i, ann in enumerate(source.file.to_coco()["annotations"]):
        if isinstance(ann["segmentation"], list):
            for place, polygon in enumerate(ann["segmentation"]):
                ring = shapely.Polygon(np.reshape(polygon, (-1, 2)))
                if not ring.is_valid and abs(ring.area - shapely.make_valid(ring).area) > 1e-3:
                    invalid.add((i, place))
    assert crossing == invalid
    assert len(crossing) == 1


def source_of(folder, *annotations):
    write(folder, sound_data())
    return read_source(str(write_json(folder, sound_data() | {"annotations": [*annotations]})))


def test_what_an_outline_runs_around_twice_is_lost(tmp_path):
    """The loop encloses 12 of its 92 px twice, and crosses itself at 4, 8."""
    source = source_of(tmp_path / "set", annotation(1, 1, 1, LOOP))
    masks = measure_masks(source)
    (crossing,) = masks.crossings
    assert masks.areas[0] == pytest.approx(80)
    assert crossing.at == (4, 8)
    assert crossing.fraction == pytest.approx(12 / 92)


def test_half_of_a_bow_tie_is_turned_over(tmp_path):
    source = source_of(tmp_path / "set", annotation(1, 1, 1, BOW))
    (crossing,) = measure_masks(source).crossings
    assert (crossing.at, crossing.fraction) == ((20, 20), 0.5)


def test_rings_that_only_touch_themselves_are_no_crossings(tmp_path):
    """A hole joined by a cut of no width, as `Results.to_polygons` writes it."""
    joined = [0, 0, 10, 0, 10, 10, 0, 10, 0, 0, 3, 3, 3, 6, 6, 6, 6, 3, 3, 3]
    bow = [0, 0, 10, 0, 5, 5, 10, 10, 0, 10, 5, 5]
    source = source_of(tmp_path / "set", annotation(1, 1, 1, joined), annotation(2, 1, 1, bow))
    masks = measure_masks(source)
    assert masks.crossings == []
    assert masks.areas.tolist() == [91, 50]


def test_several_chunks_of_rings(real, monkeypatch):
    whole = measure_masks(real)
    monkeypatch.setattr("condinst.data_report.mask_measures._CHUNK", 7)
    parts = measure_masks(real)
    np.testing.assert_array_equal(whole.areas, parts.areas)
    assert whole.crossings == parts.crossings


def test_many_rles(tmp_path):
    """pycocotools counts RLEs in a byte."""
    rle = sound_data()["annotations"][2]["segmentation"]
    objects = [annotation(i, 1, 1, SQUARE, segmentation=rle) for i in range(1, 301)]
    masks = measure_masks(source_of(tmp_path / "set", *objects))
    assert masks.areas.tolist() == [400] * 300


def test_counts_of_a_dataset(tmp_path):
    data = sound_data()
    data["images"].append({"id": 4, "file_name": "4.png", "width": 64, "height": 48})
    path = write(tmp_path / "set", data)
    found = examine_file(read_source(str(path))).statistics
    told = found.as_dict()
    assert (told["images"], told["objects"], told["crowds"]) == (4, 4, 1)
    assert told["images_without_objects"] == 1
    assert told["classes"] == [
        {"name": "cat", "objects": 3, "crowds": 0, "images": 3},
        {"name": "dog", "objects": 1, "crowds": 1, "images": 1},
    ]
    assert told["masks"] == {"polygons": 2, "RLE": 2, "uncompressed RLE": 1}
    assert told["fraction_by_coco_area"] == {"small": 1, "medium": 0, "large": 0}
    assert found.sizes.tolist() == [20, 20, 20, 20]  # 10 x 40 is 20 x 20
    assert found.per_image.tolist() == [2, 1, 1, 0]
    assert found.class_sizes.tolist() == [20, 20]
    json.dumps(told)


def test_overlaps_and_points_are_those_of_counting(real):
    """Point by point and box by box."""
    found = examine_file(real).statistics
    file = real.file
    objects = np.flatnonzero(~file.crowd)
    greatest = np.zeros(len(file.boxes))
    inside = several = missed = 0
    for image, (height, width) in enumerate(file.sizes):
        own = objects[file.image_index[objects] == image]
        if not len(own):
            continue
        boxes = file.boxes[own]
        ious = coco_mask.iou(boxes, boxes, [0] * len(own))
        np.fill_diagonal(ious, 0)
        greatest[own] = ious.max(axis=1)
        xs, ys = np.meshgrid(np.arange(4, width + 8, 8), np.arange(4, height + 8, 8))
        x, y, w, h = boxes.T[:, :, None, None]
        held = (xs >= x) & (xs <= x + w) & (ys >= y) & (ys <= y + h)
        inside += (held.sum(axis=0) > 0).sum()
        several += (held.sum(axis=0) > 1).sum()
        missed += (~held.any(axis=(1, 2))).sum()
    np.testing.assert_allclose(found.overlaps, greatest[objects], atol=1e-6)
    assert found.points[8] == (inside, several)
    assert found.missed[8, 1] == missed
    assert 0 < missed < found.missed[16, 1]
    # an image of twice the size has the points of half the stride
    assert all(found.missed[2 * s, 2] == found.missed[s, 1] for s in STRIDES[:-1])
