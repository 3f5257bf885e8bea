"""Test datasets cut into tiles: no pixel is lost or doubled, and the input is unchanged."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from condinst.cli.main import main
from condinst.dataset_converters.tile_coco import cut_files
from condinst.images.decoding import read_stored

SIZE = (150, 220)


def write(folder: Path, annotations: list[dict], pixels: np.ndarray | None = None) -> Path:
    if pixels is None:
        pixels = np.random.default_rng(0).integers(0, 256, (*SIZE, 3)).astype(np.uint8)
    (folder / "images" / "sub").mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(folder / "images" / "sub" / "a.png"), pixels)
    data = dict(
        images=[dict(id=7, file_name="sub/a.png", height=SIZE[0], width=SIZE[1])],
        categories=[dict(id=3, name="cell")],
        annotations=[
            dict(id=i, image_id=7, category_id=3, iscrowd=0) | annotation
            for i, annotation in enumerate(annotations, 1)
        ],
    )
    (folder / "instances_train.json").write_text(json.dumps(data))
    return folder / "instances_train.json"


def cut(file: Path, out: Path, **kwargs):
    return cut_files(file, file.parent / "images", out, **{"tile": 64, **kwargs})


def place(image: dict) -> tuple[int, int]:
    x, y = Path(image["file_name"]).stem.split("_")[-2:]
    return int(x), int(y)


@pytest.mark.parametrize("name", ["coco_tiny", "nuclei"])
def test_tiles_without_an_overlap_add_up_to_the_masks(datasets, tmp_path, name):
    """Polygons, RLEs and crowds of real images keep their pixels, but for a cut polygon's edge."""
    kind = {"coco_tiny": "train2017", "nuclei": "train"}[name]
    whole = json.loads((datasets / name / "annotations" / f"instances_{kind}.json").read_text())
    whole["images"] = whole["images"][:4]
    kept = {image["id"]: image for image in whole["images"]}
    # own numbers, because a tile's annotation has lost that of the whole one
    whole["annotations"] = [a for a in whole["annotations"] if a["image_id"] in kept]
    for number, annotation in enumerate(whole["annotations"]):
        annotation["number"] = number
    file = tmp_path / "some.json"
    file.write_text(json.dumps(whole))
    done = cut_files(
        file,
        datasets / name / kind,
        tmp_path / "out",
        tile=(200, 150),
        overlap=0.0,
        min_visible=0.0,
    )
    tiles = COCO(str(done.annotations))
    original = COCO(str(file))
    assert done.num_tiles == len(tiles.imgs) > len(kept)
    assert done.num_objects == len(tiles.anns) > len(whole["annotations"])
    drawn = defaultdict(dict)
    for annotation in tiles.anns.values():
        image = tiles.imgs[annotation["image_id"]]
        mask = tiles.annToMask(annotation)
        assert mask.shape == (image["height"], image["width"])
        assert mask.any()
        drawn[annotation["number"]][place(image)] = mask
        x, y, w, h = annotation["bbox"]
        ys, xs = np.nonzero(mask)
        assert x - 2 <= xs.min() <= xs.max() + 1 <= x + w + 2
        assert y - 2 <= ys.min() <= ys.max() + 1 <= y + h + 2
    for annotation in original.anns.values():
        expected = original.annToMask(annotation)
        covered = np.zeros((2, *expected.shape), int)
        parts = drawn[annotation["number"]]
        for image in tiles.imgs.values():
            source = kept[annotation["image_id"]]
            if Path(image["file_name"]).stem.startswith(Path(source["file_name"]).stem + "_"):
                x, y = place(image)
                area = slice(y, y + image["height"]), slice(x, x + image["width"])
                covered[0][area] |= parts.get((x, y), 0)
                covered[1][area] = 1
        assert covered[1].all()
        difference = np.count_nonzero(covered[0] != expected)
        if isinstance(annotation["segmentation"], dict):
            assert difference == 0
        else:
            outline = cv2.morphologyEx(expected, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
            assert difference <= max(4, 0.1 * np.count_nonzero(outline))


def test_tiles_are_the_image(tmp_path):
    file = write(tmp_path, [])
    done = cut(file, tmp_path / "out")
    whole = np.asarray(Image.open(tmp_path / "images" / "sub" / "a.png"))
    covered = np.zeros(SIZE, bool)
    images = json.loads(done.annotations.read_text())["images"]
    assert done.annotations == tmp_path / "out" / "annotations" / "instances_train.json"
    for image in images:
        x, y = place(image)
        assert image["file_name"].startswith("sub/a_")
        tile = np.asarray(Image.open(done.images / image["file_name"]))
        assert tile.shape == (64, 64, 3)
        assert np.array_equal(tile, whole[y : y + 64, x : x + 64])
        covered[y : y + 64, x : x + 64] = True
    assert covered.all()
    assert cut(file, tmp_path / "none", keep_empty=False).num_tiles == 0


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [(SIZE, np.uint16), ((*SIZE, 3), np.uint16), ((*SIZE, 4), np.uint8), ((*SIZE, 1), np.uint8)],
)
def test_bits_and_channels_stay(tmp_path, shape, dtype):
    values = np.random.default_rng(1).integers(0, np.iinfo(dtype).max, shape).astype(dtype)
    file = write(tmp_path, [], values)
    stored = read_stored((tmp_path / "images" / "sub" / "a.png").read_bytes()).pixels
    done = cut(file, tmp_path / "out", tile=100)
    for image in json.loads(done.annotations.read_text())["images"]:
        x, y = place(image)
        tile = read_stored((done.images / image["file_name"]).read_bytes()).pixels
        assert tile.dtype == dtype
        assert np.array_equal(tile, stored[y : y + 100, x : x + 100])


def test_what_is_hardly_visible_is_a_crowd(tmp_path):
    """Tiles of 64 start at x 0, 39, 78, 117, 156: the first cuts the object from 50 to 70."""
    box = [50, 10, 20, 10]
    polygon = [[50, 10, 70, 10, 70, 20, 50, 20]]
    mask = np.zeros(SIZE, np.uint8)
    mask[10:20, 50:70] = 1
    rle = coco_mask.encode(np.asfortranarray(mask))
    rle["counts"] = rle["counts"].decode()
    for segmentation in (polygon, rle, None):
        given = dict(bbox=box, area=200)
        file = write(
            tmp_path, [given if segmentation is None else given | dict(segmentation=segmentation)]
        )
        for min_visible, crowds in ((0.69, 0), (0.71, 1)):
            done = cut(file, tmp_path / "out", tile=(150, 64), overlap=0.3, min_visible=min_visible)
            found = json.loads(done.annotations.read_text())
            names = {image["id"]: place(image)[0] for image in found["images"]}
            by_tile = {names[a["image_id"]]: a for a in found["annotations"]}
            assert sorted(by_tile) == [0, 39]
            assert by_tile[39]["bbox"] == [11, 10, 20, 10]
            assert by_tile[39]["area"] == 200
            assert by_tile[39]["iscrowd"] == 0
            assert by_tile[0]["bbox"] == [50, 10, 14, 10]
            assert by_tile[0]["area"] == 140
            assert by_tile[0]["iscrowd"] == crowds == done.num_crowds
            if segmentation is not None:
                assert COCO(str(done.annotations)).annToMask(by_tile[0]).sum() == 140
                assert isinstance(by_tile[0]["segmentation"], dict) == bool(
                    crowds or segmentation is rle
                )


def test_errors_name_what_is_wrong(tmp_path, capsys):
    file = write(tmp_path, [])
    words = ["tile", str(file), "--images", str(tmp_path / "images"), "--tile", "64"]
    words += ["--out", str(tmp_path / "out")]

    def failing(*more: str, file: str | None = None) -> str:
        command = [*words, *more]
        command[1] = file or command[1]
        assert main(command) in (1, 2)
        return capsys.readouterr().err

    assert "--tile-overlap 1.0: expected 0 or more" in failing("--tile-overlap", "1")
    assert "--min-visible 2: expected a number from 0 to 1" in failing("--min-visible", "2")
    assert "annotation file none.json: no such file" in failing(file="none.json")
    (tmp_path / "list.json").write_text("[1]")
    assert "list.json: not COCO's layout" in failing(file=str(tmp_path / "list.json"))
    (tmp_path / "broken.json").write_text("{")
    assert "broken.json" in failing(file=str(tmp_path / "broken.json"))
    (tmp_path / "out" / "annotations").mkdir(parents=True)
    (tmp_path / "out" / "annotations" / "instances_train.json").write_text("{}")
    assert "instances_train.json is not from condinst tile" in failing()
    (tmp_path / "out" / "annotations" / "instances_train.json").unlink()
    data = json.loads(file.read_text())
    data["images"][0]["height"] = 151
    (tmp_path / "size.json").write_text(json.dumps(data))
    assert "the image is 220 x 150" in failing(file=str(tmp_path / "size.json"))
    image = tmp_path / "images" / "sub" / "a.png"
    image.write_bytes(image.read_bytes()[:500])
    assert f"image file {image}: not readable" in failing()
    image.unlink()
    assert f"image file not found: {image}" in failing()
    assert not (tmp_path / "out" / "annotations" / "instances_train.json").exists()


def test_the_command_says_what_it_wrote(tmp_path, capsys):
    file = write(tmp_path, [dict(bbox=[50, 10, 20, 10], area=200)])
    out = tmp_path / "out"
    words = ["tile", str(file), "--images", str(tmp_path / "images"), "--tile", "150x64"]
    words += ["--out", str(out)]
    assert main([*words, "--tile-overlap", "0.3", "--min-visible", "0.71", "--no-empty"]) == 0
    said = capsys.readouterr().out
    assert "1 image, 2 tiles with 2 objects, 1 of them crowds or less than 71% visible" in said
    assert str(out / "annotations" / "instances_train.json") in said
    before = file.read_text()
    assert main([*words, "--tile-overlap", "0.3"]) == 0  # its own files are replaced
    assert file.read_text() == before


def test_names_that_leave_the_folder_or_meet(tmp_path):
    """Absolute names, ``..`` and names that differ in suffix or case stay in the folder."""
    images = tmp_path / "data" / "images"
    images.mkdir(parents=True)
    names = [
        "a.png",
        "a.bmp",
        "A.png",
        "../a.png",
        "../../b.png",
        str(tmp_path / "abs.png"),
        "./a.tif",
    ]
    for level, name in enumerate(names):
        Image.fromarray(np.full((20, 30, 3), 30 * level, np.uint8)).save(images / name)
    entries = [dict(id=i, file_name=name, height=20, width=30) for i, name in enumerate(names, 1)]
    data = dict(images=entries, annotations=[], categories=[dict(id=1, name="cell")])
    (tmp_path / "data" / "instances_x.json").write_text(json.dumps(data))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    done = cut_files(tmp_path / "data" / "instances_x.json", images, tmp_path / "out", tile=32)
    written = json.loads(done.annotations.read_text())["images"]
    files = [(done.images / image["file_name"]).resolve() for image in written]
    assert len({str(file).casefold() for file in files}) == len(names)
    for level, file in enumerate(files):
        assert file.is_relative_to((tmp_path / "out").resolve())
        assert np.unique(np.asarray(Image.open(file))).tolist() == [30 * level]
    outside = [
        p for p in tmp_path.rglob("*") if p.is_file() and not p.is_relative_to(tmp_path / "out")
    ]
    assert {path: path.read_bytes() for path in outside} == before


def test_a_link_out_of_the_output_folder(tmp_path):
    file = write(tmp_path, [])
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out" / "train").mkdir(parents=True)
    (tmp_path / "out" / "train" / "sub").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match="a link leads out of"):
        cut(file, tmp_path / "out")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_link_out_of_the_folder_is_refused(tmp_path):
    file = write(tmp_path / "data", [])
    (tmp_path / "out").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out" / "annotations").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match="a link leads out of"):
        cut(file, tmp_path / "out")
    assert list((tmp_path / "elsewhere").iterdir()) == []
