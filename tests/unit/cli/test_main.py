"""The command condinst: its help, its exit codes, what it prints when something is wrong."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from condinst.cli.main import COMMANDS, main
from condinst.datasets.shapes.generator import make_shapes
from condinst.version import __version__

SMALL = Path(__file__).resolve().parents[2] / "helpers" / "small_condinst.py"


def start(*words: object, code: str | None = None, **settings: str) -> subprocess.Popen[str]:
    """``python -m condinst``, or a program that is given as ``code``."""
    program = ["-c", code] if code else ["-m", "condinst"]
    ignored = ("CONDINST_DEBUG", "PYTHONUNBUFFERED")
    environment = {k: v for k, v in os.environ.items() if k not in ignored}
    return subprocess.Popen(
        [sys.executable, *program, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment | {"OMP_NUM_THREADS": "1", **settings},
        # a run of the tests in the background ignores SIGINT, which its children inherit
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def run(*words: object, **settings: str) -> tuple[int, str, str]:
    """Exit code, standard output, standard error."""
    process = start(*words, **settings)
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


@pytest.mark.parametrize("words", [["--help"], ["train", "--help"], ["test", "--help"], ["info"]])
def test_help_and_wrong_arguments_import_nothing_slow(words):
    code = (
        "import sys\n"
        "from condinst.cli.main import main\n"
        "code = main(sys.argv[1:])\n"
        "slow = {'torch', 'numpy', 'cv2', 'mmengine', 'mmcv', 'mmdet'} & sys.modules.keys()\n"
        "sys.exit(f'imported {slow}' if slow else code)"
    )
    ended = run(*words, code=code)
    assert ended[0] == (0 if "--help" in words else 2), ended


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_shows_examples(name, capsys):
    assert main([name, "--help"]) == 0
    out = capsys.readouterr().out
    assert f"usage: condinst {name} " in out
    examples = out[out.index("examples:") :]
    assert f"condinst {name}" in examples
    assert "--debug" in out


def test_the_help_names_every_command():
    code, out, _ = run("--help")
    assert code == 0
    assert all(f"    {name}" in out for name in COMMANDS)
    assert run("--version") == (0, f"condinst {__version__}\n", "")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["nothing"], "nothing: no such command; expected one of new, train, test, "),
        (["val", "a.py"], "val: no such command; did you mean test?"),
        (["version"], "version: no such command; did you mean --version?"),
        (["--verion"], "unrecognized arguments: --verion; did you mean --version?"),
        (["train"], "the following arguments are required: config"),
        (["train", "a.py", "--sed", "0"], "unrecognized arguments: --sed 0"),
        (["train", "a.py", "--cfg-options", "seed"], "--cfg-options seed: expected key=value"),
    ],
)
def test_wrong_arguments_are_exit_code_2(words, message):
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    assert message in err


def test_an_error_is_one_line(tmp_path):
    absent = tmp_path / "absent.py"
    line = f"error: config {absent} is not a file\n"
    assert run("train", absent) == (1, "", line)
    code, _, err = run("--debug", "train", absent)
    assert code == 1
    assert err.startswith("Traceback")
    assert err.endswith(f"FileNotFoundError: config {absent} is not a file\n")


def test_debug_may_follow_the_command_or_be_a_variable(tmp_path, monkeypatch):
    absent = str(tmp_path / "absent.py")
    with pytest.raises(FileNotFoundError, match=r"absent\.py is not a file"):
        main(["train", absent, "--debug"])
    monkeypatch.setenv("CONDINST_DEBUG", "1")
    with pytest.raises(FileNotFoundError, match=r"absent\.py is not a file"):
        main(["train", absent])


def test_a_missing_package_is_one_line(tmp_path):
    (tmp_path / "mmengine.py").write_text("raise ImportError('no mmengine here')")
    code, _, err = run("train", SMALL, PYTHONPATH=str(tmp_path))
    assert code == 1
    assert err == "error: no mmengine here (condinst doctor checks what is installed)\n"


_WORDS = {
    "browse": ["c.py", "--out", "o"],
    "convert": ["a.pth", "--out", "b.pth"],
    "new": ["mine", "--data", "d"],
    "predict": ["shapes", "a.jpg"],
    "push": ["a.pth", "me/mine"],
    "quickstart": [],
    "report": ["work_dirs/a"],
    "tile": ["a.json", "--images", "d", "--out", "o", "--tile", "64"],
}
_QUIET = ("doctor", "list", "make-shapes")  # need none of the packages, or report them


@pytest.mark.parametrize("command", [name for name in COMMANDS if name not in _QUIET])
def test_a_missing_package_is_named_before_anything_else(command, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "mmcv", None)
    assert main([command, *_WORDS.get(command, ["c.py"])]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: condinst needs mmcv: pip install mmcv-lite==2.1.0 (or a ")
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("name", ["mmengine", "mmdet", "pycocotools", "torch"])
def test_a_missing_package_is_named_without_importing_another(name):
    code = (
        f"import sys; sys.modules[{name!r}] = None\nfrom condinst.cli.main import main\n"
        "code = main(sys.argv[1:])\n"
        "slow = ('torch', 'mmengine', 'mmcv', 'mmdet', 'pycocotools')\n"
        "assert not any(map(sys.modules.get, slow))\nsys.exit(code)"
    )
    code, out, err = run("predict", "shapes", "a.jpg", code=code)
    assert (code, out) == (1, "")
    assert err.startswith(f"error: condinst needs {name}: pip install {name}")
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    "use",
    [
        "import condinst; condinst.Predictor",
        "import condinst; condinst.engine",
        "from condinst.models import CondInst",
        "from condinst.datasets import CocoDataset",
        "from condinst.export import export_model",
    ],
)
def test_a_missing_package_is_named_where_python_first_needs_it(use):
    """Importing condinst itself needs none: condinst.deploy runs without them."""
    start = "import sys; sys.modules['mmcv'] = None\nimport condinst, condinst.deploy\n"
    code, out, err = run(code=f"{start}print('so far')\n{use}")
    assert (code, out) == (1, "so far\n")
    last = err.splitlines()[-1]
    assert last.startswith("ModuleNotFoundError: condinst needs mmcv: pip install mmcv-lite")


@pytest.mark.parametrize("words", [["list"], ["--help"]])
def test_a_reader_that_goes_away_is_no_error(words):
    process = start(*words)
    process.stdout.close()  # before it has written a word
    err = process.stderr.read()
    assert process.wait(timeout=60) == 141  # what the shell calls a broken pipe
    assert err == ""


def test_names_of_models(capsys):
    assert main(["list", "boxinst_r50_fpn_90k"]) == 0
    header, line = capsys.readouterr().out.splitlines()
    assert header.split() == ["name", "box", "AP", "mask", "AP", "measured", "on", "weights"]
    assert line.split() == [
        "boxinst_r50_fpn_90k",
        "0.396",
        "0.311",
        "COCO",
        "online",
    ]  # mmdet's model zoo
    assert main(["list", "shapes", "--long"]) == 0
    assert "shapes.pth" in capsys.readouterr().out
    assert main(["list", "mask_rcnn*"]) == 1
    assert capsys.readouterr().err.startswith("error: mask_rcnn*: no model has such a name")


def test_where_the_weights_come_from(capsys):
    """Links and file names as in AdelaiDet's README and mmdetection's."""
    assert main(["list", "condinst_r101_bifpn_3x_sem", "--long"]) == 0
    name, *lines = capsys.readouterr().out.splitlines()
    assert name == "condinst_r101_bifpn_3x_sem"
    found = dict(line.split(maxsplit=1) for line in lines)
    folder = "https://huggingface.co/tianzhi/AdelaiDet-CondInst/resolve/main"
    assert found["weights"] == f"{folder}/CondInst_R_101_BiFPN_3x_sem.pth"
    assert found["checksum"] == "none is published"
    assert found["license"].startswith("AdelaiDet for non-commercial purposes")
    assert found["note"].startswith("not fetched by us")
    assert found["AP"] == "box 0.457, mask 0.402 on COCO"
    assert main(["list", "condinst_r50_fpn_90k", "--long"]) == 0
    found = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()[1:])
    assert found["weights"].startswith("https://download.openmmlab.com/mmdetection/v3.0/condinst/")
    assert found["mirror"].startswith("https://mmassets.onedl.ai/mmdetection/v3.0/condinst/")
    assert found["checksum"] == "sha256 4c186406"
    assert main(["list", "--long"]) == 0
    assert capsys.readouterr().out.count("https://huggingface.co/tianzhi/") == 16


def test_only_a_name_brings_its_checkpoint(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["test", str(SMALL)]) == 1
    assert "expected a checkpoint" in capsys.readouterr().err
    assert main(["test", "condinst_r50_fpn_270k"]) == 1
    assert "condinst_r50_fpn_270k: " in capsys.readouterr().err


@pytest.mark.long
def test_ctrl_c_is_exit_code_130(tmp_path):
    make_shapes(tmp_path / "shapes", num_train=8, num_val=1, size=64)
    process = start(
        "train",
        SMALL,
        "--work-dir",
        tmp_path / "run",
        "--cfg-options",
        f"data_root={tmp_path.as_posix()}/shapes/",
        "train_cfg.max_iters=100000",
        "train_cfg.val_interval=100000",
        "default_hooks.logger.interval=1",
    )
    try:
        assert any(line.startswith("iteration ") for line in process.stdout)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 130
        assert "Traceback" not in process.stderr.read()
    finally:
        process.kill()


_SLOW_IMPORT = """
import time
print("importing", flush=True)
try:
    time.sleep(60)
except BaseException as error:  # as numpy does
    raise ImportError("please read this for advice") from error
"""
_SLOW_END = """
import atexit, sys, time
import condinst.__main__, condinst.cli.main

def interrupted():
    print("running", flush=True)
    time.sleep(60)

def end():
    print("ending", flush=True)
    time.sleep(1)

atexit.register(end)
condinst.cli.main.main = interrupted
sys.exit(condinst.__main__.start())
"""


def interrupt(process: subprocess.Popen[str], lines: tuple[str, ...]) -> tuple[int, str]:
    """Exit code and standard error of a program that gets Ctrl-C after each of these lines."""
    try:
        for line in lines:
            assert any(said == f"{line}\n" for said in process.stdout)
            process.send_signal(signal.SIGINT)
        return process.wait(timeout=30), process.stderr.read()
    finally:
        process.kill()


@pytest.mark.long
def test_ctrl_c_during_the_imports_is_one_line(tmp_path):
    (tmp_path / "mmengine.py").write_text(_SLOW_IMPORT)
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    process = start("train", SMALL, "--work-dir", tmp_path / "run", PYTHONPATH=path)
    assert interrupt(process, ("importing",)) == (130, "Interrupted\n")


@pytest.mark.long
def test_a_second_ctrl_c_does_not_disturb_the_end():
    assert interrupt(start(code=_SLOW_END), ("running", "ending")) == (130, "Interrupted\n")


@pytest.mark.long
def test_a_command_that_ignores_ctrl_c_goes_on_ignoring_it():
    ignoring = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    process = start(code=ignoring + _SLOW_END.replace("sleep(60)", "sleep(1)\n    return 7"))
    assert interrupt(process, ("running", "ending")) == (7, "")
