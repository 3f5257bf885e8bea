"""Test the report, page and fixed copies of condinst doctor on datasets, and its errors."""

import json
import re
from pathlib import Path

import pytest
from mmengine.config import Config

from condinst.cli.main import main
from condinst.data_report import read_source
from condinst.data_report.config_sources import read_config_sources
from condinst.datasets.shapes.generator import make_shapes

SMALL = Path(__file__).resolve().parents[2] / "helpers" / "small_condinst.py"


@pytest.fixture
def shapes(tmp_path) -> Path:
    make_shapes(tmp_path / "shapes", num_train=3, num_val=2, size=64)
    return tmp_path / "shapes"


def annotations(shapes, split="train"):
    return shapes / "annotations" / f"instances_{split}.json"


def spoil(path: Path, **changes) -> None:
    """Change the first annotation of a file."""
    data = json.loads(path.read_text())
    data["annotations"][0] |= changes
    path.write_text(json.dumps(data))


def content(folder: Path) -> dict:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_sound_data(shapes, capsys):
    words = [
        "doctor",
        "--json",
        "--data",
        str(annotations(shapes)),
        str(annotations(shapes, "val")),
    ]
    assert main(words) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["status"] == "ok"
    assert [data["name"] for data in told["data"]] == ["train", "val"]
    assert [data["statistics"]["images"] for data in told["data"]] == [3, 2]
    assert told["data"][0]["images"] == str(shapes / "train")
    assert told["data"][0]["looked_at"] == {"headers": 3, "decoded": 3}
    for data in told["data"]:  # three images do not have every shape
        assert {issue["kind"] for issue in data["issues"]} <= {"class_unused"}


def test_a_folder_without_the_images(shapes, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    path = annotations(shapes)
    assert main(["doctor", "--data", str(path), "--images", str(tmp_path / "empty")]) == 1
    told = capsys.readouterr().out.splitlines()
    assert told[0] == f"reading {path} ..."
    (line,) = [line for line in told if "none of the 3 images was read" in line]
    assert line.startswith("  [FAIL] images")
    assert line.endswith(str(tmp_path / "empty"))


def test_issues_are_told_shown_and_fixed(shapes, tmp_path, capsys):
    path = annotations(shapes)
    spoil(path, bbox=[0, 0, 0, 0], category_id=77)
    before = content(shapes)
    page, out = tmp_path / "report.html", tmp_path / "fixed"
    assert main(["doctor", "--data", str(path), "--html", str(page)]) == 1
    told = capsys.readouterr().out
    assert "[FAIL] unknown classes" in told
    assert "1 annotation in 1 image: " in told
    assert "category_id 77" in told
    assert "-> --fix: the annotations are dropped" in told
    assert main(["doctor", "--data", str(path), "--html", str(page), "--fix", str(out)]) == 0
    told = capsys.readouterr().out
    assert "1 x annotation dropped" in told
    text = page.read_text()
    names = re.findall(r'download="([^"]+\.csv)"', text)
    assert len(names) > 8
    assert all((tmp_path / "report_data" / name).is_file() for name in names)
    assert not re.search(r'(src|href)="(http|//)', text)  # it opens offline
    assert "Unknown classes" in text
    assert "data:image/jpeg" in text
    assert content(shapes) == before
    fixed = str(out / "annotations" / "instances_train.json")
    assert main(["doctor", "--data", fixed, "--images", str(shapes / "train")]) == 0
    assert "unknown classes" not in capsys.readouterr().out
    assert main(["doctor", "--data", str(path), "--fix", str(out)]) == 1
    assert f"{fixed} exists; choose a new folder" in capsys.readouterr().err


def test_what_the_config_and_the_report_both_name_counts_once(shapes, tmp_path, capsys):
    root = f"data_root={shapes.as_posix()}/"
    words = ["doctor", str(SMALL), "--deep", "--cfg-options", root]
    assert main(words) == 0
    before = capsys.readouterr().out.splitlines()[-1]
    assert before.startswith("0 errors, ")
    (shapes / "train" / "000001.png").write_text("no image")
    assert main(words) == 1
    told = capsys.readouterr().out
    assert "2 of 3 images were read and decoded." in told
    assert told.count("[FAIL]") == 2
    assert told.splitlines()[-1].startswith("1 error, ")
    assert told.splitlines()[-1].endswith("name the same)")
    words[-1:] = [root, "model.bbox_head.num_classes=7"]  # the report says nothing on this
    assert main(words) == 1
    assert not capsys.readouterr().out.splitlines()[-1].startswith("1 error, ")


def test_the_data_of_a_config(shapes, tmp_path, capsys):
    """The checks refuse the file; the printed options train on the fixed copy."""
    spoil(annotations(shapes), category_id=77)
    page, out = tmp_path / "report.html", tmp_path / "fixed"
    root = f"data_root={shapes.as_posix()}/"
    words = ["doctor", str(SMALL), "--html", str(page), "--fix", str(out)]
    assert main([*words, "--json", "--cfg-options", root]) == 0
    told = json.loads(capsys.readouterr().out)
    found = {(f["group"], f["name"]): f for f in told["findings"]}
    assert found["config", "data"]["status"] == "error"
    assert found["data: train", "unknown classes"]["status"] == "error"
    options = found["fixed", "to train on them"]["value"].split()
    assert options[0] == "--cfg-options"
    keys = [word.partition("=")[0] for word in options[1:]]
    assert {"train_dataloader.dataset.ann_file", "val_evaluator.ann_file"} <= set(keys)
    assert page.is_file()
    assert main(["doctor", str(SMALL), "--json", "--cfg-options", root, *options[1:]]) == 0
    found = {f["name"]: f for f in json.loads(capsys.readouterr().out)["findings"]}
    assert found["data"]["status"] == "ok"
    assert str(out) in found["data"]["value"]


def test_a_config_that_trains_on_several_files(shapes):
    cfg = Config.fromfile(SMALL)
    node = cfg.train_dataloader.dataset
    node.data_root = f"{shapes}/"
    second = dict(node, ann_file="annotations/instances_val.json", data_prefix=dict(img="val/"))
    cfg.train_dataloader.dataset = dict(type="ConcatDataset", datasets=[node, second])
    cfg.val_dataloader.dataset = second
    cfg.test_dataloader = cfg.val_dataloader
    cfg.val_evaluator = dict(type="CocoMetric", ann_file=str(annotations(shapes, "val")))
    cfg.test_evaluator = [cfg.val_evaluator]
    found = read_config_sources(cfg)
    assert [source.name for source in found.sources] == ["train", "train 2"]
    assert found.training == [True, True]
    assert found.keys[0] == ["train_dataloader.dataset.datasets[0].ann_file"]
    assert found.keys[1][-2:] == ["val_evaluator.ann_file", "test_evaluator.0.ann_file"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--html", "x.html"], "--html: expected a config, or --data with annotation files"),
        (["--fix", "x"], "--fix: expected a config, or --data with annotation files"),
        (["a.py", "--data", "a.json"], "--data: expected either annotation files or a config"),
        (["--data", "absent.json"], "--data absent.json: no such file"),
        (["--data", "a.json", "--images", "x", "y"], "got 2 for 1"),
        (["--data", "{folder}/no.json"], "no.json: is empty"),
        (["--data", "{folder}/list.json"], "list.json: not COCO's layout: the top level is a list"),
        (["--data", "{folder}/a.json", "{folder}/a.json"], "two files are named"),
        (["--data", "{folder}/a.json", "--html", "{folder}"], "expected the name of a file"),
        (["--data", "{folder}/a.json", "--fix", "{folder}/a.json"], "is a file, expected a folder"),
    ],
)
def test_what_is_refused(tmp_path, capsys, words, message):
    (tmp_path / "no.json").write_text("")
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "a.json").write_text('{"images": [], "categories": [], "annotations": []}')
    words = [word.replace("{folder}", str(tmp_path)) for word in words]
    assert main(["doctor", *words]) == 1
    assert message in capsys.readouterr().err


def test_files_of_one_name_are_told_apart_by_their_folders(shapes, tmp_path, capsys):
    """Files of one name in several folders, as Roboflow exports them, are named by folder."""
    for split in ("train", "val"):
        target = shapes / split / "_annotations.coco.json"
        target.write_bytes(annotations(shapes, split).read_bytes())
    paths = [str(shapes / split / "_annotations.coco.json") for split in ("train", "val")]
    assert main(["doctor", "--data", *paths, "--fix", str(tmp_path / "out")]) == 0
    written = sorted(path.name for path in (tmp_path / "out" / "annotations").iterdir())
    assert written == ["train.json", "val.json"]
    assert read_source(paths[0]).images == str(shapes / "train")


def test_an_empty_file(tmp_path, capsys):
    """A file without images, classes and objects still gets a page."""
    (tmp_path / "a.json").write_text('{"images": [], "categories": [], "annotations": []}')
    page = tmp_path / "a.html"
    assert main(["doctor", "--data", str(tmp_path / "a.json"), "--html", str(page)]) == 1
    told = capsys.readouterr().out
    assert "0 images, 0 objects" in told
    assert "[FAIL] no images" in told
    assert page.is_file()


def test_a_folder_in_place_of_an_annotation_file(shapes, tmp_path, capsys):
    said = f"error: --data {shapes}: is a folder, expected annotation files, such as "
    assert main(["doctor", "--data", str(shapes)]) == 1
    assert capsys.readouterr().err == f"{said}{annotations(shapes)}\n"
    assert main(["doctor", "--data", str(shapes / "train")]) == 1
    assert capsys.readouterr().err.endswith("train: is a folder, expected annotation files\n")


def test_numbers_that_are_none_are_mended(shared, tmp_path, capsys):
    """A box, an area and a polygon with NaN: none is left, and no object is lost."""
    file = shared / "cases/annotations/nan/ann.json"
    if not file.is_file():
        pytest.skip("needs ../shared")
    assert main(["doctor", "--data", str(file), "--fix", str(tmp_path / "out")]) == 0
    assert "3 errors" in capsys.readouterr().out
    (written,) = (tmp_path / "out/annotations").glob("*.json")
    numbers = []
    content = json.loads(written.read_text(), parse_constant=numbers.append)
    assert len(content["annotations"]) == 25
    assert numbers == []
