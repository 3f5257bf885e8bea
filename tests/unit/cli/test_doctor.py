"""Test condinst doctor in sound and in broken environments."""

import json
import re
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest

from condinst.cli.main import main
from condinst.datasets.shapes.generator import make_shapes
from condinst.doctor import Finding, as_text, count_issues, machine, worst
from condinst.doctor import installed as packages

SMALL = Path(__file__).resolve().parents[2] / "helpers" / "small_condinst.py"


@pytest.fixture
def shapes(tmp_path) -> Path:
    make_shapes(tmp_path / "shapes", num_train=2, num_val=1, size=64)
    return tmp_path / "shapes"


def status(findings: list[Finding], name: str) -> str:
    return next(f.status for f in findings if f.name == name)


@pytest.mark.long
def test_this_environment_is_sound(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "condinst", "doctor", "--work-dir", str(tmp_path / "new")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\n0 errors, " in done.stdout
    for name in ("torch", "mmdet works", "data workers", "results"):
        assert re.search(rf"^  \[(ok\]  |warn\]) {name} ", done.stdout, re.MULTILINE)
    assert "\033" not in done.stdout  # no colors in a file
    assert not (tmp_path / "new").exists()


def test_a_broken_torch_is_found(tmp_path):
    """The doctor runs even if no other command does."""
    (tmp_path / "torch.py").write_text("raise OSError('libcudart.so: not found')")
    done = subprocess.run(
        [sys.executable, "-m", "condinst", "doctor", "--json"],
        env={"PYTHONPATH": str(tmp_path), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["status"] == "error"
    torch = next(f for f in found["findings"] if f["name"] == "torch works")
    assert torch["status"] == "error"
    assert torch["value"] == "OSError: libcudart.so: not found"


def test_the_tested_set_is_that_of_the_requirements():
    tested = packages.tested_versions()
    assert tested["mmdet"] == "==3.3.0"
    assert tested["mmengine"] == "==0.10.7"
    assert "mmcv-lite" in tested
    assert "#" not in "".join(tested)


def test_what_the_package_asks_for():
    """Requirements are parsed in all forms that setuptools has written."""
    needed, extras = packages.parse(
        [
            "mmdet<3.4,>=3.3.0",
            "torch (>=2.1)",
            'scikit-image>=0.20; extra == "boxinst"',
            "timm (>=1.0) ; extra == 'timm'",
            'pytest>=8.0; extra == "dev"',
        ]
    )
    assert needed == {"mmdet": "<3.4,>=3.3.0", "torch": ">=2.1"}
    assert extras == {"scikit-image": "boxinst", "timm": "timm"}


@pytest.mark.parametrize(
    ("version", "needed", "tested", "extra", "expected"),
    [
        ("2.14.0+cu128", ">=2.1", ">=2.1,<2.16", None, "ok"),
        ("2.16.0", ">=2.1", ">=2.1,<2.16", None, "warning"),
        ("1.13.1", ">=2.1", ">=2.1,<2.16", None, "error"),
        ("3.2.0", None, None, None, "ok"),
        (None, ">=2.1", ">=2.1,<2.16", None, "error"),
        (None, None, ">=1.0,<1.1", "timm", "ok"),
    ],
)
def test_versions(version, needed, tested, extra, expected):
    assert packages._package("thing", version, needed, tested, extra).status == expected


def test_evaluation_works_without_its_quick_package():
    found = packages._package("faster-coco-eval", None, ">=1.6.5", None, None)
    assert found.status == "warning"


def test_two_mmcvs_or_none():
    assert packages._mmcv("2.1.0", "2.1.0").status == "error"
    assert packages._mmcv(None, None).status == "error"
    assert packages._mmcv(None, "2.1.0").status == "ok"


def test_little_room(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda path: usage(2**30, 0, 64 * 2**20))
    found = machine.check(tmp_path)
    assert status(found, "results") == "warning"
    assert status(found, "shared memory") == "warning"
    assert worst(found) == "warning"


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    assert status(machine.check(tmp_path / "file" / "below"), "results") == "error"


def test_a_sound_config(shapes, capsys):
    words = ["doctor", str(SMALL), "--json", "--cfg-options", f"data_root={shapes.as_posix()}/"]
    assert main(words) == 0
    found = {f["name"]: f for f in json.loads(capsys.readouterr().out)["findings"]}
    assert found["model"]["value"].startswith("CondInst, ")
    assert found["train pipeline"]["value"].startswith("2 images; the first: 3 x 96 x 96, ")
    assert found["val pipeline"]["status"] == "ok"
    assert "2 images" in found["data"]["value"]


@pytest.mark.parametrize(
    ("option", "name", "expected"),
    [
        ("data_root=nowhere/", "data", "nowhere/annotations/instances_train.json: file not found"),
        ("model.backbone.type=ResNot", "model", "ResNot"),
        ("train_dataloader.num_workers=500", "train workers", "500 per process"),
        (
            "train_dataloader.dataset.pipeline.2.type=Resise",
            "train pipeline",
            "Resise is not in the condinst::transform registry",
        ),
    ],
)
def test_issues_of_a_config(shapes, capsys, option, name, expected):
    root = f"data_root={shapes.as_posix()}/"
    options = [option] if option.startswith("data_root") else [root, option]
    code = main(["doctor", str(SMALL), "--json", "--cfg-options", *options])
    found = {f["name"]: f for f in json.loads(capsys.readouterr().out)["findings"]}
    assert expected in found[name]["value"]
    assert found[name]["status"] == ("warning" if "workers" in name else "error")
    assert code == (0 if "workers" in name else 1)


def test_a_config_that_cannot_be_read(capsys):
    assert main(["doctor", "absent.py"]) == 1
    assert capsys.readouterr().err == "error: config absent.py is not a file\n"
    assert main(["doctor", "--cfg-options", "a=1"]) == 1
    assert "expected a config" in capsys.readouterr().err


def test_the_report_by_hand():
    findings = [
        Finding("one", "a", "ok", "1\n2"),
        Finding("one", "b", "warning", "3", "do this"),
        Finding("two", "c", "error", "", "do that"),
    ]
    assert as_text(findings).splitlines() == [
        "one",
        "  [ok]   a                  1",
        "                            2",
        "  [warn] b                  3",
        "                            -> do this",
        "",
        "two",
        "  [FAIL] c",
        "                            -> do that",
    ]
    assert count_issues(findings) == "1 error, 1 warning"


def test_a_later_step_goes_on_with_its_group():
    first, *others = [Finding("one", "a", "ok", "1"), Finding("one", "b", "ok", "2")]
    assert as_text([first]).splitlines() == ["one", "  [ok]   a                  1"]
    assert as_text(others, before="one") == "  [ok]   b                  2"
    assert as_text([Finding("two", "c", "ok", "3")], before="one").splitlines()[:2] == ["", "two"]


def test_a_long_name_moves_its_group():
    findings = [
        Finding("one", "a name of over 18 letters", "ok", "1\n2"),
        Finding("one", "b", "ok", "3"),
        Finding("two", "c", "ok", "4"),
    ]
    assert as_text(findings).splitlines()[:6] == [
        "one",
        "  [ok]   a name of over 18 letters 1",
        "                                   2",
        "  [ok]   b                         3",
        "",
        "two",
    ]
