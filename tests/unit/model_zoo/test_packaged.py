"""The models that come with the package: found by name, small, and right on what they are for."""

import json

import numpy as np
import pytest
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

import condinst
from condinst import Predictor, model_zoo
from condinst.checkpoints.weight_files import read
from condinst.cli.main import main
from condinst.datasets.shapes.generator import make_shapes
from condinst.model_zoo import index

PACKAGED = [name for name in condinst.list_models() if model_zoo.get(name).packaged]


def test_every_file_belongs_to_a_model_of_the_index():
    assert "shapes" in PACKAGED
    assert sorted(f"{name}.pth" for name in PACKAGED) == sorted(
        path.name for path in index.PACKAGED.iterdir()
    )


@pytest.mark.parametrize("name", PACKAGED)
def test_a_file_is_small_and_says_what_it_is(name):
    path = model_zoo.fetch(name)
    assert path.stat().st_size < 12e6
    content = read(path)
    assert content.other == []
    assert content.meta["dataset_meta"]["classes"]
    assert 0 < content.meta["score_thr"] < 1
    assert content.meta["license"] == model_zoo.get(name).license == "Apache-2.0"
    assert "/" not in content.meta["cfg"]  # no path of the machine that trained it


def test_the_list_begins_with_them(capsys):
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()[1:]
    here = [line.split()[0] for line in lines if line.endswith("in this package")]
    assert here == [line.split()[0] for line in lines[: len(here)]] == PACKAGED
    assert main(["list", "shapes", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["packaged"] == str(model_zoo.fetch("shapes"))


def test_a_file_that_is_dropped_in_is_found_by_its_name(tmp_path, monkeypatch):
    (tmp_path / "nuclei_r18.pth").touch()
    monkeypatch.setattr(index, "PACKAGED", tmp_path)
    assert model_zoo.fetch("nuclei_r18") == tmp_path / "nuclei_r18.pth"
    with pytest.raises(ValueError, match="no weights of this model are published"):
        model_zoo.fetch("shapes")


def test_shapes_finds_the_shapes(tmp_path):
    """The ground truth of generated images that it has not seen; IoU by pycocotools."""
    make_shapes(tmp_path, num_train=1, num_val=8, size=128, seed=5)
    coco = COCO(str(tmp_path / "annotations" / "instances_val.json"))
    predictor = Predictor("shapes", score_thr=0.3)
    names = [category["name"] for category in coco.loadCats(coco.getCatIds())]
    assert list(predictor.class_names) == names
    ious = []
    for image in coco.loadImgs(coco.getImgIds()):
        results = predictor(tmp_path / "val" / image["file_name"])
        for truth in coco.loadAnns(coco.getAnnIds(image["id"])):
            label = coco.getCatIds().index(truth["category_id"])
            masks = [m for m, k in zip(results.rles, results.labels, strict=True) if k == label]
            overlaps = coco_mask.iou(masks, [coco.annToRLE(truth)], [0]) if masks else [0]
            ious.append(np.max(overlaps))
    assert len(ious) > 20
    assert np.mean(np.array(ious) > 0.5) > 0.75


def test_the_command_takes_the_name(tmp_path, capsys):
    make_shapes(tmp_path / "data", num_train=1, num_val=2, size=128)
    out = tmp_path / "out"
    assert main(["predict", "shapes", str(tmp_path / "data/val"), "--out", str(out)]) == 0
    assert sorted(path.name for path in out.glob("*.jpg")) == ["000000.jpg", "000001.jpg"]


def test_nuclei_finds_bright_discs(tmp_path):
    """Fifteen discs of known places, which look like nuclei; IoU by counting pixels."""
    rows, columns = np.mgrid[:192, :256]
    places = [(36 + 60 * i, 32 + 48 * j, 9 + (i + j) % 4) for i in range(3) for j in range(5)]
    discs = [(rows - y) ** 2 + (columns - x) ** 2 <= r**2 for y, x, r in places]
    image = np.full((192, 256, 3), 8, np.uint8)
    image[np.any(discs, axis=0)] = 90
    results = Predictor("nuclei", score_thr=0.3)(image)
    masks = results.masks
    ious = [max((np.sum(m & d) / np.sum(m | d) for m in masks), default=0) for d in discs]
    assert len(masks) == 15
    assert min(ious) > 0.8
