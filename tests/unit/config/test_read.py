"""A config file that cannot be read ends in one line; a dumped one is read without running it."""

import os

import pytest
from mmengine.config import Config

from condinst.config.plain_config import read_plain_config
from condinst.config.problem import ConfigError
from condinst.config.read import read_config_file


def message(path, reader=read_config_file) -> str:
    with pytest.raises(ConfigError) as raised:
        reader(path)
    text = str(raised.value)
    assert "\n" not in text
    assert str(path) in text
    return text


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("empty.py", b"", "says nothing"),
        ("comment.py", b"# only\n", "says nothing"),
        ("syntax.py", b"a = (", "SyntaxError"),
        ("bytes.py", b"a = '\xff\xfe'", "is not text in UTF-8"),
        ("zero.py", b"\x00\x00", "null bytes"),
        ("self.py", b"_base_ = './self.py'", "inherits from itself"),
        ("orphan.py", b"_base_ = './nobody.py'", "nobody.py"),
        ("ends.py", b"import sys; sys.exit(0)", "SystemExit"),
        ("raises.py", b"raise RuntimeError('one\\ntwo')", "RuntimeError: one two"),
        ("imports.py", b"custom_imports = dict(imports=['nobody'])", "nobody"),
        ("list.json", b"[1]", "expected"),
        ("broken.json", b"{", "JSON"),
        ("number.yaml", b"3", "expected"),
        ("notes.txt", b"a = 1", r"expected a file that ends in .py"),
        ("weights.pth", b"PK", "this is a checkpoint"),
        ("weights.pt", b"PK", "a config comes before its checkpoint"),
    ],
)
def test_one_line(tmp_path, name, content, expected):
    (tmp_path / name).write_bytes(content)
    assert expected in message(tmp_path / name)


def test_a_folder(tmp_path):
    assert "is a folder, expected a config file" in message(tmp_path)


def test_a_circle_of_two(tmp_path):
    (tmp_path / "a.py").write_text("_base_ = './b.py'")
    (tmp_path / "b.py").write_text("_base_ = './a.py'")
    assert "inherits from itself" in message(tmp_path / "a.py")


def test_a_dumped_config_is_read_as_it_was(repo, tmp_path):
    cfg = Config.fromfile(repo / "configs" / "quickstart" / "quickstart_boxinst_r18_fpn_shapes.py")
    cfg.work_dir = "somewhere"
    cfg.dump(tmp_path / "dumped.py")
    read = read_plain_config(tmp_path / "dumped.py")
    assert read.to_dict() == Config.fromfile(tmp_path / "dumped.py").to_dict()
    assert read.filename == str(tmp_path / "dumped.py")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("\ufeffa = 1", "begins with a byte order mark; save it as UTF-8 without one"),
        ("# größe".encode("latin1"), r"is not text in UTF-8 \(byte 4\); save it as UTF-8"),
        ("a = 1".encode("utf-16"), r"is not text in UTF-8 \(byte 0\); save it as UTF-8"),
        ("_base_ = 3", "_base_=3: expected the path of a config, or a list of paths"),
        ("_base_ = None", "_base_=None: expected the path of a config, or a list of paths"),
        ("custom_imports = ['os']", "custom_imports: expected a dict with imports"),
        ("a = 1\nb = 1 / 0", r"ZeroDivisionError: division by zero \(line 2\)$"),
        ("a = 1\n\nb = = 2", r"SyntaxError: .* \(line 3\)$"),
    ],
)
def test_the_text_of_a_config(tmp_path, content, expected):
    path = tmp_path / "a.py"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigError, match=rf"^config {path}: {expected}"):
        read_config_file(path)


def test_the_line_of_a_base_is_named_with_its_file(tmp_path):
    (tmp_path / "base.py").write_text("a = 1\nb = c")
    (tmp_path / "a.py").write_text("_base_ = './base.py'")
    expected = rf"a\.py: NameError: .*'c' is not defined \({tmp_path / 'base.py'}, line 2\)$"
    with pytest.raises(ConfigError, match=expected):
        read_config_file(tmp_path / "a.py")


@pytest.mark.parametrize(
    "payload",
    [
        "import os\nos.mkdir('{made}')",
        "a = __import__('os').mkdir('{made}')",
        "a = [open('{made}', 'w') for _ in (1,)]",
        "a = dict(b=exec('import os; os.mkdir(\"{made}\")'))",
        "custom_imports = dict(imports=['makes_a_folder'])",
        "_base_ = './other.py'",
        "a, b = 1, 2",
        "a = {{**dict(b=1)}}",
        "a = " + "(" * 5000,
        "val_dataloader = dict(dataset=dict(type='os.mkdir', path='{made}'))",
        "val_evaluator = dict(type='os.mkdir', path='{made}')",
    ],
)
def test_nothing_of_a_dumped_config_is_run(tmp_path, monkeypatch, payload):
    made = tmp_path / "made"
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "makes_a_folder.py").write_text(f"import os\nos.mkdir({str(made)!r})")
    (tmp_path / "other.py").write_text(f"import os\nos.mkdir({str(made)!r})")
    path = tmp_path / "config.py"
    path.write_text(payload.format(made=made))
    if "custom_imports" in payload or "_base_" in payload:  # names set to values, nothing else
        read_plain_config(path)
    else:
        assert "none of it is run" in message(path, read_plain_config)
    assert not os.path.exists(made)
