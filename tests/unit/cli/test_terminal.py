"""What a run prints on the terminal, and that the log file has everything."""

import logging
import warnings

import pytest
from mmengine.logging import MMLogger, print_log

from condinst.cli.terminal import progress_line, quiet, tell


@pytest.fixture
def make(tmp_path, request):
    """Make a logger of a run, with its file."""
    number = iter(range(9))

    def make_logger():
        name = f"{request.node.name}{next(number)}"
        return MMLogger(name=name, log_file=str(tmp_path / "run.log"), file_mode="a")

    made = MMLogger._instance_dict.copy()
    MMLogger._instance_dict.clear()  # a logger of a test before this one has its file
    yield make_logger
    MMLogger._instance_dict.clear()
    MMLogger._instance_dict.update(made)


@pytest.mark.parametrize(
    ("logged", "expected"),
    [
        (
            "Iter(train) [ 20/1200]  lr: 7.8776e-04  eta: 0:06:33  time: 0.3333  data_time: 0.0445"
            "  memory: 1234  grad_norm: 4.0397  loss: 2.6317  loss_cls: 0.8096",
            "iteration   20 of 1200   loss 2.632    lr 7.88e-04   0.33 s each   1234 MB   "
            "0:06:33 left",
        ),
        (
            "Epoch(train)  [3][ 50/100]  base_lr: 1.0000e-03 lr: 1.0000e-04  eta: 1:00:00  "
            "time: 1.2000  data_time: 0.1  loss: nan",
            "epoch 3, batch  50 of 100   loss nan      lr 1.00e-04   1.20 s each   1:00:00 left",
        ),
        (
            "Iter(test) [ 50/625]    eta: 0:01:09  time: 0.1200  data_time: 0.0100  ",
            "test batch  50 of 625   0.12 s each   0:01:09 left",
        ),
        (
            "Iter(train) [  2/600]  lr: 1.0e-04  eta: unknown  time: 7.0000  loss: 2.5",
            "iteration   2   loss 2.5      lr 1.00e-04   7.00 s each",
        ),
        ("Iter(val) [8/8]    coco/bbox_mAP: 0.0190  time: 0.1", None),
        ("Hooks will be executed in the following order:", None),
    ],
)
def test_progress(logged, expected):
    assert progress_line(logged) == expected


def test_the_file_has_all_and_the_terminal_what_is_read(make, tmp_path, capsys):
    with quiet():
        logger = make()
        logger.info("Config:\nmodel = dict()")  # as of a module of the user: it is no progress
        logger.info("Iter(train) [1/2]  lr: 1.0e-03  eta: 0:00:01  time: 1.0  loss: 2.0")
        logger.warning("a warning of the user's own module")
        logger.error("an error")
        tell(logger, "a table")
    shown = capsys.readouterr().out.splitlines()
    assert shown == [
        "iteration 1 of 2   loss 2        lr 1.00e-03   1.00 s each   0:00:01 left",
        "warning: a warning of the user's own module",
        "error: an error",
        "a table",
    ]
    file = (tmp_path / "run.log").read_text()
    for text in ("Config:\nmodel = dict()", "Iter(train) [1/2]  lr", "an error", "a table"):
        assert text in file


def test_verbose_changes_nothing(make, capsys):
    with quiet(False):
        make().info("Config:")
    out = capsys.readouterr().out
    assert "mmengine" in out
    assert "Config:" in out


def test_a_logger_prints_all_again_afterwards(make, capsys):
    with quiet():
        logger = make()
    logger.info("a sentence")
    assert "a sentence" in capsys.readouterr().out


def test_warnings_of_libraries_go_into_the_file(make, tmp_path, capsys):
    import torch

    library = {"__name__": "torch.functional", "__file__": torch.functional.__file__}
    warn = compile("import warnings; warnings.warn('meshgrid')", torch.functional.__file__, "exec")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        with quiet():
            exec(warn, library)  # before there is a file
            print_log("said before there was a file", "current", logging.WARNING)
            make()
            with pytest.warns(UserWarning, match="of the user"):
                warnings.warn("of the user", stacklevel=1)
    shown = capsys.readouterr()
    assert "meshgrid" not in shown.out + shown.err
    file = (tmp_path / "run.log").read_text()
    assert file.count("UserWarning: meshgrid") == 1
    assert "said before there was a file" in file


def test_what_a_library_logs_without_a_handler_goes_into_the_file(
    make, tmp_path, capsys, monkeypatch
):
    """Python prints such warnings bare: timm's unexpected keys stood between the data checks."""
    monkeypatch.setattr(logging.root, "handlers", [])  # pytest's
    with quiet():
        MMLogger.get_instance("of_the_run", log_file=str(tmp_path / "run.log"))
        logging.getLogger("timm.models._builder").warning("Unexpected keys (%s)", "classifier")
        logging.getLogger("some.library").error("it failed")
    printed = capsys.readouterr()
    assert "Unexpected" not in printed.out + printed.err
    assert "error: some.library: it failed" in printed.out + printed.err
    text = (tmp_path / "run.log").read_text()
    assert "timm.models._builder: Unexpected keys (classifier)" in text
    logging.getLogger("timm.models._builder").warning("bare again")
    assert "bare again" in capsys.readouterr().err
