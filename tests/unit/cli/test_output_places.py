"""No command replaces a file that it reads, or one of a dataset."""

import json
import os

import pytest
from mmengine.config import Config
from PIL import Image

from condinst.cli.main import main
from condinst.cli.output_places import check_apart, check_dump, check_not_data, is_same

CONFIG = """model = dict(type="CondInst")
data_root = "own/"
train_dataloader = dict(dataset=dict(type="CocoDataset", data_root="own/", ann_file="all.json",
    data_prefix=dict(img="images/", seg="masks")))
test_dataloader = dict(dataset=dict(type="RepeatDataset", times=2, dataset=dict(
    type="CocoDataset", data_root="", ann_file="far/val.json", data_prefix=dict(img="far/val"))))
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Make a dataset of one image, and go to the folder above it."""
    monkeypatch.chdir(tmp_path)
    for name in ("own/images", "own/masks", "far/val"):
        (tmp_path / name).mkdir(parents=True)
    Image.new("RGB", (20, 10), "red").save("own/images/a.jpg")
    Image.new("L", (20, 10)).save("own/masks/a.png")
    box = dict(id=1, image_id=1, category_id=1, bbox=[2, 2, 4, 4], area=16, iscrowd=0)
    content = dict(
        images=[dict(id=1, file_name="a.jpg", width=20, height=10)],
        annotations=[box | dict(segmentation=[[2, 2, 6, 2, 6, 6, 2, 6]])],
        categories=[dict(id=1, name="dot")],
    )
    for name in ("own/all.json", "own/annotations.json", "far/val.json"):
        (tmp_path / name).write_text(json.dumps(content))
    (tmp_path / "c.py").write_text(CONFIG)
    return tmp_path / "own"


@pytest.fixture
def before(own):
    """Return the content of all files, which no refused command may change."""
    folder = own.parent
    return lambda: {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize(
    "folder", ["own/images", "own", "own/masks/", "far", "far/val", "own/masks/../images", "link"]
)
def test_folders_of_a_dataset(own, folder):
    (own.parent / "link").symlink_to("own/images")
    cfg = Config.fromfile("c.py")
    with pytest.raises(ValueError, match=f"^--out {folder}: files of the dataset lie there"):
        check_apart("--out", folder, cfg)


@pytest.mark.parametrize("folder", [".", "own/new", "new", "own/images/drawn"])
def test_folders_beside_a_dataset(own, folder):
    check_apart("--out", folder, Config.fromfile("c.py"))


def test_annotation_files(own):
    cfg = Config.fromfile("c.py")
    (own.parent / "link.json").symlink_to("far/val.json")
    for name in ("own/all.json", "link.json"):
        with pytest.raises(ValueError, match="this is the dataset's"):
            check_not_data("--out", name, cfg)
    check_not_data("--out", "own/other.json", cfg)


def test_a_config_in_its_work_folder(own):
    (own.parent / "c.py").write_text("_base_ = 'b.py'\n")
    with pytest.raises(ValueError, match=r"c\.py lies there, and the run's copy"):
        check_dump("--work-dir", ".", "c.py")
    (own.parent / "c.py").write_text("a = 1\n")  # as a run writes it
    check_dump("--work-dir", ".", "c.py")
    check_dump("--work-dir", "own", "c.py")


def test_two_names_of_one_file(own):
    os.link("own/all.json", "other.json")
    assert is_same("other.json", own / "all.json")
    assert not is_same("other.json", "far/val.json")
    assert not is_same("none", "none")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("test c.py w.pth --show-dir own/images", "--show-dir own/images: a.jpg is not from"),
        ("browse c.py --out own", "--out own: all.json is not from condinst browse"),
        ("doctor --data own/all.json --html own/all.json", "--html own/all.json: this is own/all"),
        ("doctor --data own/all.json --html own/x.json", "--html own/x.json: the page is an .html"),
        ("doctor --data own/all.json --fix own", "--fix own: all.json lies there"),
        ("tile own/all.json --images own/images --out own --tile 8", "--out own: all.json is not"),
        ("convert w.pth --out ./w.pth", "--out ./w.pth: this is w.pth, which the command reads"),
        (
            "export c.py w.bin --format openvino --out w.xml",
            "--out w.bin: this is w.bin, which the command reads",
        ),
        (
            "predict shapes own/images --out own --format coco",
            "--out own: annotations.json there is not from",
        ),
        (
            "predict shapes own/images --out far/val",
            "--out far/val: a.jpg there is not from condinst predict, and would be replaced; ",
        ),
        ("new n --data n/annotations/all.json --force", "--data n/annotations/all.json: lies in"),
    ],
)
def test_commands_refuse_before_they_load(own, before, capsys, words, said, monkeypatch):
    monkeypatch.setenv("CONDINST_TRUST_CHECKPOINTS", "1")
    import torch

    for name in ("w.pth", "w.bin"):
        torch.save({"a": torch.zeros(1)}, name)
    (own.parent / "n/annotations").mkdir(parents=True)
    (own.parent / "n/annotations/all.json").write_text("{}")
    Image.new("L", (20, 10)).save("far/val/a.jpg")  # a mask of a.jpg
    files = before()
    assert main(words.split()) == 1
    assert capsys.readouterr().err.startswith(f"error: {said}")
    assert before() == files


def test_label_maps_beside_images(own, capsys):
    (own / "labels").mkdir()
    (own / "annotations.json").unlink()
    words = ["predict", "shapes", "own/images", "--out", "own", "--format", "labels"]
    assert main(words) == 1
    assert "labels lies there beside images" in capsys.readouterr().err


def test_tiles_of_annotations_json(own, capsys):
    words = ["tile", "own/annotations.json", "--images", "own/images", "--out", "cut"]
    assert main([*words, "--tile", "10"]) == 0
    cut = own.parent / "cut"
    assert sorted(path.name for path in cut.iterdir()) == ["annotations", "images"]
    content = json.loads((cut / "annotations/instances_annotations.json").read_text())
    assert len(content["images"]) == 3  # 20 pixels in tiles of 10 that share 2
    assert all((cut / "images" / image["file_name"]).is_file() for image in content["images"])
    again = ["tile", "far/val.json", "--images", "own/images", "--out", "cut", "--tile", "10"]
    assert main(again) == 0  # beside the tiles of another file
    (cut / "val").rename(cut / "moved")
    (cut / "annotations/instances_val.json").unlink(missing_ok=True)
    assert main(again) == 1
    (cut / "moved").rename(cut / "val")  # as a run leaves it that was cut off
    assert main(again) == 0
    (cut / "note.txt").write_text("")
    assert main(again) == 1
    assert "note.txt is not from condinst tile" in capsys.readouterr().err
