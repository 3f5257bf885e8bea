"""Large images by tiles, with a trained model: from Python, by the commands, without PyTorch."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from commands import SMALL, read_metrics, run_here
from mmengine.config import Config
from PIL import Image

from condinst.cli.main import main
from condinst.inference.predictor import Predictor

SIDE, GAP = 96, 96
EXACT = dict(device="cpu", channels_last=False, fold_norms=False)
ALL = dict(EXACT, score_thr=0)


@pytest.fixture(scope="module")
def mosaic(shapes, tmp_path_factory) -> Path:
    """A dataset of one image: four of the training images, apart from each other."""
    source = json.loads((shapes / "annotations" / "instances_train.json").read_text())
    folder = tmp_path_factory.mktemp("mosaic")
    (folder / "annotations").mkdir()
    (folder / "train").mkdir()
    canvas = np.full((2 * SIDE + GAP, 2 * SIDE + GAP, 3), 110, np.uint8)
    annotations = []
    for number, image in enumerate(source["images"][:4]):
        x, y = (SIDE + GAP) * (number % 2), (SIDE + GAP) * (number // 2)
        pixels = np.asarray(Image.open(shapes / "train" / image["file_name"]).convert("RGB"))
        canvas[y : y + SIDE, x : x + SIDE] = pixels
        for found in source["annotations"]:
            if found["image_id"] == image["id"] and isinstance(found["segmentation"], list):
                left, top, width, height = found["bbox"]
                moved = [
                    (np.reshape(part, (-1, 2)) + [x, y]).ravel().tolist()
                    for part in found["segmentation"]
                ]
                box = [left + x, top + y, width, height]
                annotations.append({**found, "image_id": 1, "segmentation": moved, "bbox": box})
    assert annotations
    size = dict(height=canvas.shape[0], width=canvas.shape[1])
    source |= dict(images=[dict(id=1, file_name="a.png", **size)], annotations=annotations)
    (folder / "annotations" / "instances_train.json").write_text(json.dumps(source))
    Image.fromarray(canvas).save(folder / "train" / "a.png")
    return folder


def test_a_tile_as_large_as_the_image_changes_nothing(checkpoint, shapes):
    files = sorted((shapes / "train").glob("*.png"))[:3]
    plain = Predictor(SMALL, checkpoint, **ALL)
    tiled = Predictor(SMALL, checkpoint, tile=SIDE, tile_standard_pred=True, **ALL)
    for file, one, other in zip(files, plain(files), tiled(files), strict=True):
        assert len(one) == len(other) > 0
        assert np.array_equal(one.scores, other.scores)
        assert np.array_equal(one.boxes, other.boxes)
        assert np.array_equal(one.masks, other.masks)
        assert other.path == str(file)


def test_images_in_a_mosaic_are_found_as_alone(checkpoint, mosaic):
    """Without an overlap every image is a tile; those between them hold nothing."""
    predictor = Predictor(SMALL, checkpoint, tile=SIDE, tile_overlap=0.0, score_thr=0.2, **EXACT)
    alone = Predictor(SMALL, checkpoint, score_thr=0.2, **EXACT)
    path = mosaic / "train" / "a.png"
    pixels = np.asarray(Image.open(path))
    found = predictor(path)
    from_array = predictor(pixels)
    assert np.array_equal(from_array.scores, found.scores)
    assert from_array.image is pixels
    assert found.image is None
    for y in (0, SIDE + GAP):
        for x in (0, SIDE + GAP):
            expected = alone(np.ascontiguousarray(pixels[y : y + SIDE, x : x + SIDE]))
            assert len(expected)
            place = slice(y, y + SIDE), slice(x, x + SIDE)
            there = found[found.masks[:, place[0], place[1]].any(axis=(1, 2))]
            assert np.array_equal(there.scores, expected.scores)
            assert np.array_equal(there.labels, expected.labels)
            np.testing.assert_array_equal(there.boxes, expected.boxes + np.float32([x, y, x, y]))
            assert np.array_equal(there.masks[:, place[0], place[1]], expected.masks)
            assert there.areas.tolist() == expected.areas.tolist()


def test_the_test_command_gives_the_predictor_s_answers(checkpoint, mosaic, tmp_path):
    out = tmp_path / "predictions.pkl"
    switches = ["--tile", 80, "--tile-standard-pred", "--batch-size", 4]
    words = ["test", SMALL, checkpoint, *switches, "--out", out, "--work-dir", tmp_path]
    run_here(*words, "--show-dir", tmp_path / "shown", data=mosaic)
    (sample,) = pickle.loads(out.read_bytes())
    expected = Predictor(SMALL, checkpoint, tile=80, tile_standard_pred=True, batch_size=4, **ALL)(
        mosaic / "train" / "a.png"
    )
    wanted = sample["pred_instances"]
    assert len(expected) == len(wanted["scores"]) > 4
    np.testing.assert_allclose(expected.scores, wanted["scores"], atol=1e-5)
    np.testing.assert_allclose(expected.boxes, wanted["bboxes"], atol=1e-3)
    assert [rle["counts"].encode() for rle in expected.rles] == [
        rle["counts"] for rle in wanted["masks"]
    ]
    metrics = read_metrics(tmp_path)
    assert metrics["coco/segm_mAP_50"] > 0
    assert np.asarray(Image.open(tmp_path / "shown" / "a.jpg")).shape[0] >= 2 * SIDE + GAP


def test_predict_by_tiles(checkpoint, mosaic, tmp_path, capsys):
    image = mosaic / "train" / "a.png"
    words = [SMALL, checkpoint, image, "--device", "cpu", "--out", tmp_path / "out"]
    formats = ["--format", "json", "--no-images", "--score-thr", "0.3"]
    assert main(["predict", *map(str, words), *formats, "--tile", "80x96"]) == 0
    line = json.loads((tmp_path / "out" / "predictions.jsonl").read_text())
    expected = Predictor(SMALL, checkpoint, device="cpu", tile=(80, 96), score_thr=0.3)(image)
    assert len(line["instances"]) == len(expected) > 0
    assert f"{len(expected)} instances in 1 image," in capsys.readouterr().out


@pytest.mark.parametrize(
    ("switches", "message"),
    [
        (["--tile", "80", "--tile-overlap", "1"], "--tile-overlap 1.0: expected 0 or more"),
        (["--tile", "0"], r"argument --tile: 0: expected 1 pixel or more"),
        (["--tile", "big"], "argument --tile: big: expected SIDE or HEIGHTxWIDTH, in pixels"),
    ],
)
@pytest.mark.parametrize("command", ["predict", "test"])
def test_wrong_switches(command, switches, message, checkpoint, mosaic, tmp_path, capsys):
    words = [SMALL, checkpoint]
    words += [mosaic / "train" / "a.png", "--out", tmp_path] if command == "predict" else []
    words += ["--work-dir", tmp_path] if command == "test" else []
    assert main([command, *map(str, words), *switches]) in (1, 2)
    assert message in capsys.readouterr().err


def test_tiles_are_not_mirrored(checkpoint, tmp_path, capsys):
    words = ["test", str(SMALL), str(checkpoint), "--work-dir", str(tmp_path)]
    assert main([*words, "--tile", "80", "--tta"]) == 1
    assert "--tta --tile: expected only one of them" in capsys.readouterr().err


def test_broken_files_among_large_images(checkpoint, mosaic, tmp_path):
    (tmp_path / "a.png").write_bytes((mosaic / "train" / "a.png").read_bytes())
    (tmp_path / "b.png").write_text("no image")
    predictor = Predictor(SMALL, checkpoint, device="cpu", tile=200, on_error="skip")
    with pytest.warns(UserWarning, match=r"skipped: image file .*b\.png"):
        found = predictor(tmp_path)
    assert [Path(results.path).name for results in found] == ["a.png"]


def test_training_on_tiles(mosaic, tmp_path):
    """A config as docs/large_images.md has it learns from tiles of one large image."""
    cfg = Config.fromfile(SMALL)
    steps = list(cfg.train_pipeline)
    steps.insert(2, dict(type="RandomTile", tile=SIDE))
    steps.insert(-1, dict(type="PrepareMaskTargets", stride=4))
    cfg.train_dataloader.dataset.pipeline = steps
    cfg.dump(tmp_path / "tiles.py")
    brief = ["train_cfg.max_iters=4", "train_cfg.val_interval=4", f"data_root={mosaic}/"]
    words = ["train", tmp_path / "tiles.py", "--work-dir", tmp_path / "work"]
    run_here(*words, "--cfg-options", *brief, data=mosaic)
    assert (tmp_path / "work" / "last_checkpoint").exists()
