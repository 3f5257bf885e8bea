"""What the commands say when a user makes a mistake: the file or key, the value, what is expected.

Every mistake here ends the command before its first iteration.
"""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, build_from_cfg

from condinst.cli import common, errors, test, train
from condinst.cli.main import main
from condinst.cli.parser import Parser
from condinst.config.blame import blaming
from condinst.datasets.shapes.generator import make_shapes

SMALL = Path(__file__).resolve().parents[2] / "helpers" / "small_condinst.py"


@pytest.fixture(scope="module")
def shapes(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "shapes"
    make_shapes(folder, num_train=2, num_val=1, size=64)
    return folder


@pytest.fixture
def message(shapes, tmp_path, monkeypatch, capsys):
    """The message that a command ends with; its exit code is 1."""
    monkeypatch.setenv("CONDINST_DATA_ROOT", f"{shapes.as_posix()}/")
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.chdir(tmp_path)

    def usage(parser, text):
        raise SystemExit(f"usage: {text}")

    monkeypatch.setattr(Parser, "error", usage)

    def message(command, *arguments) -> str:
        with pytest.raises(SystemExit) as ended:
            errors.run(lambda: command.main([str(word) for word in arguments]))
        text = str(ended.value.code)
        if text.startswith("usage: "):
            return text
        assert text == "1"
        text = capsys.readouterr().err
        assert text.endswith("\n(set CONDINST_DEBUG=1 for the traceback)\n")
        return text.rsplit("error: ", 1)[1].rsplit("\n", 2)[0]

    return message


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("absent.py", None, r"^config absent\.py is not a file$"),
        ("typo.py", "a = = 1", r"^config typo\.py: SyntaxError: .*line 1"),
        (
            "orphan.py",
            "_base_ = 'nobody.py'",
            r"^config orphan\.py: FileNotFoundError: .*nobody\.py",
        ),
    ],
)
def test_config_file(message, name, content, expected):
    if content is not None:
        Path(name).write_text(content)
    assert re.search(expected, message(train, name))


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("modle.bbox_head.num_classes=5", "modle.bbox_head.num_classes: .*did you mean 'model'"),
        ("train_cfg", "--cfg-options train_cfg: expected key=value"),
        ("a=(1,2", r"--cfg-options a=\(1,2: the value cannot be read .*expected a number"),
        ("a=[dict(type='EMAHook', momentum=0.1)]", "cannot be read .*need a config file"),
        ("a={'x':(1,2)}", "cannot be read .*need a config file"),
        ("train_cfg.val_interval.a=1", r"train_cfg\.val_interval is \d+ in the config"),
        ("model.bbox_head.num_klasses=5", "CondInstBboxHead has no 'num_klasses'.*'num_classes'"),
        ("model.backbone.type=ResNot", "type='ResNot': no such class.*mean 'ResNet'"),
        ("data_root=nowhere", "nowhere/annotations/instances_train.json: file not found"),
        (
            "train_dataloader.dataset.metainfo.classes=(circle,square,triangle,star,ring)",
            "instances_train.json: classes .* 'square'.*the file's categories are 'circle'",
        ),
        ("default_hooks.checkpoint.out_dir=file.txt", "out_dir .*file.txt is a file, expected a"),
        ("model.bbox_head.num_classes=4", "model.bbox_head.num_classes is 4.* has 5 classes"),
    ],
)
def test_settings(message, option, expected):
    Path("file.txt").write_text("some text")
    text = message(train, SMALL, "--cfg-options", option)
    assert re.search(expected, text, re.DOTALL), text


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--amp"], "--amp float16 needs a GPU"),
        (["--amp", "float8"], "--amp: invalid choice: 'float8'"),
        (["--launcher", "pytorch"], "--launcher pytorch expects .* RANK.*tools/dist_train.sh"),
        (["--work-dir", "file.txt"], "--work-dir .*file.txt is a file, expected a folder"),
        (["--work-dir", "file.txt/below"], "--work-dir .*file.txt is a file, expected a folder"),
        (["--resume", "nobody.pth"], "^--resume nobody.pth is not a file"),
        (["--resume", "file.txt"], "^file.txt: cannot be read as a checkpoint"),
        (["--resume", "weights.pth"], "--resume weights.pth: .*load_from=weights.pth"),
        (["--auto-scale-lr", "--cfg-options", "auto_scale_lr=None"], "base_batch_size"),
    ],
)
def test_switches_of_training(message, monkeypatch, arguments, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    Path("file.txt").write_text("some text")
    torch.save({"a": torch.zeros(1)}, "weights.pth")
    text = message(train, SMALL, *arguments)
    assert re.search(expected, text), text


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["weights.pth", "--out", "a.json"], r"--out a.json: .* \.pkl file"),
        (["weights.pth", "--out", "file.txt/a.pkl"], "--out .*file.txt is a file"),
        (["weights.pth", "--show-dir", "file.txt"], "--show-dir .*file.txt is a file"),
        (["nobody.pth"], "^checkpoint nobody.pth is not a file"),
        (["half.pth"], "^half.pth: cannot be read as a checkpoint .* incomplete"),
        (
            ["weights.pth"],
            r"^weights.pth: does not fit .*backbone.conv1.weight \(missing, expected",
        ),
    ],
)
def test_switches_of_testing(message, arguments, expected):
    Path("file.txt").write_text("some text")
    torch.save({"a": torch.zeros(1000)}, "weights.pth")
    whole = Path("weights.pth").read_bytes()
    Path("half.pth").write_bytes(whole[: len(whole) // 2])
    text = message(test, SMALL, *arguments)
    assert re.search(expected, text), text


@pytest.mark.parametrize(
    "line",
    [
        "new mine --data @",
        "new mine --data {shapes} --out @",
        "new mine --data {shapes} --out @/below",
        "train {config} --work-dir @",
        "train {config} --resume @",
        "train {config} --cfg-options default_hooks.checkpoint.out_dir=@",
        "train {config} --cfg-options data_root=@",
        "test {config} @",
        "test {config} {weights} --show-dir @",
        "report @",
        "predict {weights} @",
        "predict {weights} {shapes}/val --out @",
        "export {config} {weights} --check-images @",
        "convert @ --out a.pth",
        "convert {weights} --out @/a.pth",
        "browse {config} --out @",
        "tile @ --images {shapes}/val --out out --tile 48",
        "tile {shapes}/annotations/instances_val.json --images @ --out out --tile 48",
        "tile {shapes}/annotations/instances_val.json --images {shapes}/val --out @ --tile 48",
        "doctor --data @",
        "doctor --data {shapes}/annotations/instances_val.json --images @",
        "doctor --data {shapes}/annotations/instances_val.json --fix @",
        "make-shapes --out @",
    ],
)
def test_a_link_to_itself(line, shapes, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CONDINST_DATA_ROOT", f"{shapes.as_posix()}/")
    monkeypatch.chdir(tmp_path)
    torch.save({"a": torch.zeros(1)}, "weights.pth")
    Path("loop").symlink_to("loop")
    words = line.format(shapes=shapes, config=SMALL, weights="weights.pth").split()
    assert main([word.replace("@", "loop") for word in words]) == 1
    said = capsys.readouterr().err
    assert re.search("loop.*: .*Too many levels of symbolic links", said, re.DOTALL), said
    assert "[Errno" not in said
    assert Path("loop").is_symlink()


def test_a_link_to_nothing_is_no_folder_to_write_to(tmp_path):
    (tmp_path / "link").symlink_to("nothing")
    with pytest.raises(ValueError, match="--out .*link is a link to nothing, which does not exist"):
        common.check_writable("--out", tmp_path / "link" / "below")


def test_a_run_needs_a_folder_whose_name_logs_can_hold(message):
    text = message(train, SMALL, "--work-dir", "a\udcff")
    assert re.search(r"work_dir .*a\\udcff: the name is not UTF-8, .* choose another folder", text)


def test_a_folder_without_permission(tmp_path, monkeypatch):
    """Said by the system, because the tests may run as a user who may do everything."""
    monkeypatch.setattr(common.os, "access", lambda path, mode: path != tmp_path)
    with pytest.raises(ValueError, match=f"work_dir .*new: no permission to write in {tmp_path}"):
        common.check_writable("work_dir", tmp_path / "new")


def test_a_new_name_that_resembles_nothing_is_allowed(shapes, monkeypatch, tmp_path):
    """Configs may hold what only a user's own module reads."""
    monkeypatch.chdir(tmp_path)
    words = [str(SMALL), "--cfg-options", "my_own.thing=1", "compile=True"]
    args = train.parse_args([*words, "custom_imports.imports=json"])
    cfg = train.build_config(args)
    assert cfg.my_own.thing == 1
    assert cfg.compile is True
    with pytest.raises(ValueError, match="^--cfg-options my_own.thing: the config has no 'my_own'"):
        train.build_config(train.parse_args(words))  # no such module


class IterBasedTrainLoop:
    """A loop that fails in its second iteration."""

    def __init__(self) -> None:
        self.runner = SimpleNamespace(iter=1)

    def run(self) -> None:
        raise ValueError("the 2nd batch")


def test_bugs_and_errors_in_the_middle_of_a_run_keep_their_traceback():
    def bug():
        raise TypeError("of ours")

    def train():
        with blaming(Config()):
            IterBasedTrainLoop().run()

    with pytest.raises(TypeError, match="of ours"):
        errors.run(bug)
    with pytest.raises(ValueError, match="the 2nd batch"):
        errors.run(train)


def test_what_mmengine_cannot_build_is_named(message):
    def main(words):
        build_from_cfg(dict(type="Nobody"), MODELS)

    text = message(SimpleNamespace(main=main))
    assert text.startswith("the config's type='Nobody' cannot be built: KeyError: ")
