"""The benchmark on nuclei: data, choice and measurement on small label maps, and the table."""

import json
import pickle

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask

from benchmarks import nuclei_scores, nuclei_stardist
from benchmarks.nuclei_data import SPLITS, names_of, write_coco_files
from benchmarks.nuclei_scores import QUOTED, Choice, choose, measure, measure_folder, table
from condinst.evaluation import Matches, match_label_maps


@pytest.fixture
def folder(tmp_path):
    """Return a dataset of 4 + 2 images of two squares; b and d are kept for validation."""
    root = tmp_path / "set"
    for split, names in (("train", "abcd"), ("test", "ef")):
        for kind in ("images", "masks"):
            (root / split / kind).mkdir(parents=True)
        for place, name in enumerate(names):
            labels = np.zeros((40, 60), np.uint16)
            labels[2:12, 2:12], labels[20:30, 30 + place : 40 + place] = 300, 7
            Image.fromarray(labels).save(root / split / "masks" / f"{name}.png")
            Image.fromarray(labels.astype(np.uint8)).save(root / split / "images" / f"{name}.png")
    (root / "validation.json").write_text(json.dumps({"validation": ["b", "d"]}))
    return root


def test_splits_and_coco_files(folder, tmp_path):
    assert [names_of(folder, s) for s in SPLITS] == [
        ["a.png", "c.png"],
        ["b.png", "d.png"],
        ["e.png", "f.png"],
    ]
    write_coco_files(folder, tmp_path / "coco")
    write_coco_files(folder, tmp_path / "coco")  # a second time nothing changes
    content = json.loads((tmp_path / "coco/annotations/instances_val.json").read_text())
    assert [image["file_name"] for image in content["images"]] == ["b.png", "d.png"]
    assert [a["bbox"] for a in content["annotations"]] == [
        [31, 20, 10, 10],
        [2, 2, 10, 10],
        [33, 20, 10, 10],
        [2, 2, 10, 10],
    ]
    assert (tmp_path / "coco" / "test" / "e.png").is_file()
    drawn = coco_mask.decode(content["annotations"][0]["segmentation"])
    labels = np.asarray(Image.open(folder / "train/masks/b.png"))
    assert np.array_equal(drawn, labels == 7)


def predictions(path, folder, split, extra):
    """Write the objects with a score of 0.8, and a copy of the first with another score."""
    rows = []
    kind = "test" if split == "test" else "train"
    for number, name in enumerate(names_of(folder, split), 1):
        labels = np.asarray(Image.open(folder / kind / "masks" / name))
        masks = [labels == n for n in np.unique(labels)[1:]]
        masks.append(np.roll(masks[0], 3, axis=1))
        rles = [coco_mask.encode(np.asfortranarray(mask, np.uint8)) for mask in masks]
        found = dict(masks=rles, scores=np.array([0.8, 0.8, extra]), labels=np.zeros(3))
        rows.append(dict(img_id=number, pred_instances=found))
    path.write_bytes(pickle.dumps(rows))
    return path


def test_what_removes_a_duplicate_is_chosen_and_used(folder, tmp_path):
    """The duplicate shows 30 of 100 pixels: a threshold or a visible fraction removes it."""
    low = predictions(tmp_path / "low.pkl", folder, "val", 0.2)
    choice, tried = choose(folder, dict(plain=low))
    assert len(tried) == 4
    assert choice.ap == 1
    high = predictions(tmp_path / "high.pkl", folder, "val", 0.8)
    choice, _ = choose(folder, dict(plain=high))
    assert (choice.min_visible, choice.ap) == (0.5, 1)
    test = predictions(tmp_path / "test.pkl", folder, "test", 0.8)
    numbers = measure(folder, "test", test, choice)
    assert numbers["ap"] == numbers["image_ap"] == numbers["pq"] == [1] * 9
    without = measure(folder, "test", test, Choice("plain", 0.5, 0.0, 0.0))
    assert without["ap"] == pytest.approx([2 / 3] * 9)
    assert (without["tp"][0], without["fp"][0], without["fn"][0]) == (4, 2, 0)


def test_folders_of_label_maps(folder, tmp_path):
    parts = []
    for name in names_of(folder, "test"):
        labels = np.asarray(Image.open(folder / "test" / "masks" / name))
        moved = np.roll(labels, 2, axis=0)
        Image.fromarray(moved).save(tmp_path / name)
        parts.append(match_label_maps(labels, moved, nuclei_scores.IOU_THRS))
    numbers = measure_folder(folder, "test", tmp_path)
    assert numbers["ap"] == Matches.sum(parts, 9).ap.tolist()
    assert numbers["ap"][0] == 1  # 80 / 120
    assert numbers["ap"][-1] == 0


def test_the_best_threshold_of_another_program_is_chosen_on_validation_images(folder, tmp_path):
    """Label maps of two thresholds: the better one on validation images is worse on the others."""
    out = tmp_path / "out"
    place = out / "cellpose" / "seed_0"
    for split, good in (("val", "0"), ("test", "1")):
        kind = "test" if split == "test" else "train"
        for threshold in ("0", "1"):
            (place / f"{split}_{threshold}").mkdir(parents=True)
            for name in names_of(folder, split):
                labels = np.asarray(Image.open(folder / kind / "masks" / name))
                shown = labels if threshold == good else np.where(labels == 7, labels, 0)
                Image.fromarray(shown.astype(np.uint16)).save(place / f"{split}_{threshold}" / name)
    (place / "train.json").write_text(
        json.dumps(dict(minutes=1, cpu_minutes=2, thresholds=["0", "1"]))
    )
    nuclei_stardist.main([str(folder), "--out", str(out), "--only", "cellpose", "--seeds", "0"])
    result = json.loads((place / "result.json").read_text())
    assert result["chosen"] == "0"
    assert (result["val"]["ap"][0], result["test"]["ap"][0]) == (1, 0.5)


def test_table_has_mean_and_spread():
    text = table({"ours": [{"ap": [0.8] * 9}, {"ap": [0.6] * 9}]}, "ap").splitlines()
    assert len(text) == 2 + len(QUOTED) + 1
    assert text[-1].startswith("| ours, 2 seeds | 0.700 (0.600 to 0.800) |")
    assert text[2].split("|")[2].strip() == "0.864"


def test_finished_seeds_are_not_run_again(folder, tmp_path, monkeypatch, capsys):
    ran = []

    def run(args, data, method, seed, place):
        ran.append((method, seed))
        numbers = {"ap": [0.5] * 9, "image_ap": [0.25] * 9}
        return dict(minutes=1.5, cpu_minutes=2.5, val=numbers, test=numbers)

    monkeypatch.setattr(nuclei_stardist, "_condinst", run)
    words = [str(folder), "--out", str(tmp_path / "out"), "--seeds"]
    nuclei_stardist.main([*words, "0"])
    nuclei_stardist.main([*words, "0", "1"])
    assert ran == [("ours", 0), ("ours", 1)]
    text = (tmp_path / "out" / "table.md").read_text()
    assert "50 test images: TP / (TP + FP + FN), mean over images" in text
    assert text.count("quoted") == 2
    assert "| ours, 2 seeds | 0.500 (0.500 to 0.500)" in text
    assert (
        "ours: CPU minutes of training (and minutes) 2.5 (1.5), 2.5 (1.5)"
        in capsys.readouterr().out
    )


def test_values_of_options_are_numbers(folder, tmp_path):
    words = [str(folder), "--out", str(tmp_path), "--cfg-options", "model.test_cfg.max_per_img=7"]
    args = nuclei_stardist._parse(words)
    cfg = nuclei_stardist._config(args, tmp_path, "ours", 40)
    assert cfg.model.test_cfg.max_per_img == 7
