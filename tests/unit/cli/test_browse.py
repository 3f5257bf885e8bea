"""Compare the drawings of condinst browse with pycocotools' masks of the dataset."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData
from PIL import Image
from pycocotools.coco import COCO

from condinst.cli.browse import draw
from condinst.cli.browse_data import BrowsedSample, Browser
from condinst.cli.common import read_config
from condinst.cli.main import main
from condinst.datasets.shapes.generator import make_shapes
from condinst.targets.target_types import SampledMasks, SimilarColors

SMALL = Path(__file__).resolve().parents[2] / "helpers" / "small_condinst.py"
SIZE = 96  # that of the config: nothing is resized


@pytest.fixture(scope="module")
def shapes(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "shapes"
    make_shapes(folder, num_train=3, num_val=1, size=SIZE)
    return folder


@pytest.fixture(scope="module")
def truth(shapes) -> COCO:
    return COCO(shapes / "annotations" / "instances_train.json")


def config(shapes, **options):
    return read_config(str(SMALL), {"data_root": shapes.as_posix(), **options})


def read(view: BrowsedSample) -> np.ndarray:
    return np.asarray(Image.open(view.path).convert("RGB"))


def masks_and_boxes(truth: COCO, view: BrowsedSample) -> tuple[np.ndarray, np.ndarray]:
    image = next(i for i in truth.imgs.values() if view.path.endswith(i["file_name"]))
    annotations = truth.imgToAnns[image["id"]]
    masks = np.stack([truth.annToMask(a) for a in annotations if not a["iscrowd"]])
    boxes = np.array([a["bbox"] for a in annotations if not a["iscrowd"]])
    boxes[:, 2:] += boxes[:, :2]
    return masks, boxes


def test_validation_images_are_those_of_the_files(shapes, truth):
    browser = Browser(config(shapes), "val")
    views = list(browser.views(10))
    assert len(views) == len(browser) == 3
    for view in views:
        masks, boxes = masks_and_boxes(truth, view)
        assert np.array_equal(view.image, read(view))
        assert np.array_equal(view.instances.masks.to_ndarray(), masks)
        assert np.allclose(view.instances.bboxes.tensor, boxes)


def test_annotations_follow_the_resize(shapes, truth):
    """Test pipelines load them after it, at the image's own size."""
    resize = {"val_dataloader.dataset.pipeline.1.scale": (2 * SIZE, 2 * SIZE)}
    view = next(Browser(config(shapes, **resize), "val").views(1))
    _, boxes = masks_and_boxes(truth, view)
    assert view.image.shape == (2 * SIZE, 2 * SIZE, 3)
    assert np.allclose(view.instances.bboxes.tensor, 2 * boxes)
    assert view.instances.masks.height == 2 * SIZE


def test_augmentations_move_the_masks_too(shapes, truth):
    browser = Browser(config(shapes), "train", targets=True)
    flips = []
    for view in browser.views(num=3, repeat=6):
        masks, _ = masks_and_boxes(truth, view)
        flipped = not np.array_equal(view.image, read(view))
        flips.append(flipped)
        step = -1 if flipped else 1
        assert np.array_equal(view.image, read(view)[:, ::step])
        # polygons are mirrored as polygons: pixels whose center lies on an edge may change
        differing = view.instances.masks.to_ndarray() != masks[:, :, ::step]
        assert differing.mean() < (0.01 if flipped else 1e-9)
        samples = view.instances.masks.to_ndarray()[:, 2::4, 2::4]
        assert np.array_equal(view.targets.samples, samples)
    assert {True, False} == set(flips)


def test_a_view_depends_on_its_seed_only(shapes):
    browser = Browser(config(shapes), "train")
    images = [view.image for view in browser.views(3, repeat=2, seed=1)]
    again = [view.image for view in browser.views(2, repeat=2, seed=1)]
    assert (len(images), len(again)) == (6, 4)
    assert all(np.array_equal(a, b) for a, b in zip(images, again, strict=False))
    other = [view.image for view in browser.views(2, repeat=2, seed=2)]
    assert not all(np.array_equal(a, b) for a, b in zip(images, other, strict=False))


def test_the_command_writes_images(shapes, tmp_path, capsys):
    out = tmp_path / "out"
    words = [
        "browse",
        str(SMALL),
        "--num-images",
        "2",
        "--repeat",
        "2",
        "--targets",
        "--out",
        str(out),
    ]
    assert main([*words, "--cfg-options", f"data_root={shapes.as_posix()}/"]) == 0
    names = sorted(path.name for path in out.glob("*.jpg"))
    assert [name[:8] for name in names] == ["000000_1", "000000_2", "000001_1", "000001_2"]
    width, height = Image.open(out / names[0]).size
    assert width == 2 * SIZE + 6  # both panels, and the gap
    assert height > SIZE  # a title above
    text = capsys.readouterr().out
    assert f"wrote 4 images to {out} (the dataset has 3)" in text
    assert "creating index" not in text
    before = {path: path.read_bytes() for path in out.glob("*.jpg")}
    again = [*words, "--cfg-options", f"data_root={shapes.as_posix()}/"]
    assert main(again) == 0  # its own images are replaced
    assert {path: path.read_bytes() for path in out.glob("*.jpg")} == before


@pytest.mark.parametrize("suffix", [".jpg", ".PNG", ".tif"])
def test_nothing_is_written_among_images_of_others(shapes, tmp_path, capsys, suffix):
    other = tmp_path / f"000000_000000{suffix}"
    other.write_bytes(b"of a training")
    options = ["--cfg-options", f"data_root={shapes.as_posix()}/"]
    assert main(["browse", str(SMALL), "--out", str(tmp_path), *options]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"error: --out {tmp_path}: {other.name} is not from condinst browse")
    assert said.endswith("choose a new or empty folder\n")
    assert [*tmp_path.iterdir()] == [other]
    assert other.read_bytes() == b"of a training"


def test_alike_colors_are_white():
    edges = torch.zeros(8, 4, 4, dtype=torch.bool)
    edges[:, :, :2] = True
    instances = InstanceData(labels=np.zeros(0, int), bboxes=np.zeros((0, 4)))
    image = np.full((15, 16, 3), 100, np.uint8)
    drawn = draw(BrowsedSample(0, "", image, instances, 0, SimilarColors(edges, 4, 0)), ("thing",))
    panel = drawn[-15:, -16:]
    assert (panel[:, :8] == 255).all()
    assert (panel[:, 8:] == 0).all()


@pytest.mark.parametrize(("width", "cells"), [(16, 8), (17, 8)])
def test_targets_of_an_image_that_ends_in_part_of_a_cell(width, cells):
    """Every second pixel from the second on: of 17, the last one has no sample."""
    samples = SampledMasks(
        samples=torch.ones(1, 8, cells, dtype=torch.bool),
        centers=torch.tensor([[8.0, 8.0]]),
        areas=torch.tensor([16 * width]),
        stride=2,
    )
    instances = InstanceData(labels=np.zeros(1, int), bboxes=np.array([[0, 0, width, 16]]))
    image = np.full((16, width, 3), 100, np.uint8)
    drawn = draw(BrowsedSample(0, "", image, instances, 0, samples), ("thing",))
    assert drawn.shape[1] == 2 * width + 6
    assert (drawn[-3, -width:] != 100).any(axis=-1).all()  # the mask reaches the right edge


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--num-images", "0"], "--num-images 0: expected 1 or more"),
        (["--seed", "-1"], "--seed -1: expected 0 or more"),
        (["--cfg-options", "data_root=nowhere/"], "nowhere/annotations/instances_train.json"),
        (
            ["--cfg-options", "val_dataloader=None", "--split", "val"],
            "val_dataloader=None: expected a dict",
        ),
        (["--out", str(SMALL)], "is a file, expected a folder"),
    ],
)
def test_mistakes(words, message, tmp_path, capsys):
    assert main(["browse", str(SMALL), "--out", str(tmp_path), *words]) == 1
    assert message in capsys.readouterr().err


def test_a_pipeline_without_annotations(shapes):
    steps = [dict(type="LoadImageFromFile"), dict(type="PackDetInputs")]
    pipeline = {"val_dataloader.dataset.pipeline": steps}
    browser = Browser(config(shapes, **pipeline), "val")
    with pytest.raises(ValueError, match="val_dataloader.dataset.pipeline: expected LoadAnnot"):
        next(browser.views(1))
