"""Names where configs and checkpoints stand, in functions and in the commands."""

import pytest
from mmengine.config import Config
from original_weights import original_file

from condinst import model_zoo
from condinst.cli import test, train
from condinst.model_zoo import resolve, resolve_checkpoint, resolve_config

NAME = "condinst_r50_fpn_1x"


def test_a_name_is_its_config():
    path = resolve_config("condinst_r101_bifpn_3x_sem")
    cfg = Config.fromfile(path)
    assert cfg.model.backbone.depth == 101
    assert "semantic_head" in cfg.model


def test_a_file_is_itself_also_under_a_models_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / NAME).touch()
    assert resolve_config(NAME) == NAME
    assert resolve_checkpoint(NAME) == NAME


SHIPPED = "quickstart/quickstart_condinst_r18_fpn_shapes.py"


@pytest.mark.parametrize(
    "name",
    [
        "quickstart_condinst_r18_fpn_shapes",
        "quickstart_condinst_r18_fpn_shapes.py",
        "condinst::quickstart_condinst_r18_fpn_shapes.py",
        f"condinst::{SHIPPED}",
    ],
)
def test_a_config_of_the_package_by_name(name, tmp_path, monkeypatch, repo, capsys):
    monkeypatch.chdir(tmp_path)
    assert resolve_config(name) == str(repo / "configs" / SHIPPED)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    "path",
    [
        f"configs/{SHIPPED}",
        f"./configs/{SHIPPED}",
        # where it was once
        "configs/quickstart_condinst_r18_fpn_shapes.py",
    ],
)
def test_a_path_of_the_package_where_there_is_no_such_file(
    path, tmp_path, monkeypatch, repo, capsys
):
    monkeypatch.chdir(tmp_path)
    found = str(repo / "configs" / SHIPPED)
    assert resolve_config(path) == found
    said = capsys.readouterr().err.splitlines()
    assert said == [f"{path}: no such file here, taking the package's {found}"]
    mine = tmp_path / path
    mine.parent.mkdir(parents=True, exist_ok=True)
    mine.touch()
    assert resolve_config(path) == path
    assert not capsys.readouterr().err


@pytest.mark.parametrize(
    "path", ["mine/quickstart_condinst_r18_fpn_shapes.py", "../configs/x.py", "/configs/x.py"]
)
def test_other_paths_are_not_searched_in_the_package(path):
    with pytest.raises(FileNotFoundError, match="is not a file"):
        resolve_config(path)


@pytest.mark.parametrize("name", ["", "configs", "a\0b", "a" * 5000])
def test_words_that_can_be_no_name(name):
    with pytest.raises(ValueError, match="expected a config file or a model's name"):
        resolve_config(name)


@pytest.mark.parametrize(
    ("typed", "error"),
    [
        ("quickstart_condinst_r18_fpn_shape", ValueError),
        ("configs/quickstart_condinst_r18_fpn_shape.py", FileNotFoundError),
        ("condinst::quickstart_condinst_r18_fpn_shape.py", FileNotFoundError),
    ],
)
def test_a_misspelt_config_is_told_close_ones(typed, error):
    with pytest.raises(error, match=r"did you mean quickstart_condinst_r18_fpn_shapes"):
        resolve_config(typed)


@pytest.mark.parametrize("path", ["absent.py", "configs/absent", "absent.json"])
def test_a_path_without_a_file(path):
    with pytest.raises(FileNotFoundError, match=f"config {path} is not a file"):
        resolve_config(path)


@pytest.mark.parametrize("resolve", [resolve_config, resolve_checkpoint])
def test_a_misspelt_name(resolve):
    with pytest.raises(
        ValueError, match="condinst_r5_fpn_1x: expected a .* or a model's name; did you"
    ):
        resolve("condinst_r5_fpn_1x")


@pytest.mark.parametrize(
    "path",
    ["absent.pth", "work_dirs/x/iter_1", "https://host/x", "torchvision://resnet50", "C:\\x"],
)
def test_paths_and_urls_of_checkpoints_are_left_to_their_reader(path):
    assert resolve_checkpoint(path) == path


def test_an_address_of_the_hub_is_fetched_and_stays(monkeypatch):
    asked = []
    monkeypatch.setattr(resolve, "fetch_from_hub", asked.append)
    assert resolve_checkpoint("hf://a/b@v1/c.pth") == "hf://a/b@v1/c.pth"
    assert asked == ["hf://a/b@v1/c.pth"]


def test_the_name_of_a_model_without_weights():
    with pytest.raises(ValueError, match="no weights of this model are published"):
        resolve_checkpoint("condinst_r101_fpn_270k")


@pytest.fixture
def local_weights(tmp_path, monkeypatch):
    original_file(tmp_path / model_zoo.get(NAME).weights_file, NAME)
    monkeypatch.setenv("CONDINST_WEIGHTS", str(tmp_path))
    return tmp_path


def test_the_test_command_takes_a_name_alone(datasets, local_weights):
    """Config and weights come from the name; two images are tested with them."""
    data = datasets / "coco_tiny"
    options = [
        f"data_root={data}/",
        "test_dataloader.num_workers=0",
        "test_dataloader.persistent_workers=False",
        "test_dataloader.dataset.indices=2",
        "test_dataloader.dataset.pipeline.1.scale=(333,200)",
    ]
    work_dir = str(local_weights / "work")
    metrics = test.main([NAME, "--work-dir", work_dir, "--cfg-options", *options])
    assert {"coco/bbox_mAP", "coco/segm_mAP"} <= metrics.keys()


def test_the_train_command_takes_a_name(tmp_path):
    args = train.parse_args([NAME, "--work-dir", str(tmp_path)])
    cfg = train.build_config(args)
    assert cfg.filename == str(model_zoo.get(NAME).config)
