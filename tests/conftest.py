"""Fixtures shared by every tier of the tests."""

import signal
from pathlib import Path

import pytest
from generated_data import write_datasets
from mmengine_state import own_state

import condinst.registry  # noqa: F401  (applies compat before any test imports mmdet)

REPO = Path(__file__).resolve().parents[1]

# a job in the background is started with Ctrl-C ignored, and Python leaves it so
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def repo() -> Path:
    """The checkout's root."""
    return REPO


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--generated", action="store_true", help="run as in a checkout without ../shared"
    )


def _shared_folder(config: pytest.Config) -> Path | None:
    folder = REPO.parent / "shared"
    return folder if folder.is_dir() and not config.getoption("generated") else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that fork come first: PyTorch refuses autograd in forks once it has threads for it."""
    items.sort(key=lambda item: item.get_closest_marker("forks") is None)


@pytest.fixture(scope="session")
def shared(pytestconfig) -> Path:
    """The folder of real images and reference answers beside the checkout."""
    folder = _shared_folder(pytestconfig)
    if folder is None:
        pytest.skip("needs ../shared")
    return folder


@pytest.fixture(scope="session")
def datasets(pytestconfig, tmp_path_factory) -> Path:
    """The folder of coco_tiny, coco_small, nuclei and evaluator: real ones, or generated ones."""
    folder = _shared_folder(pytestconfig)
    if folder is None:
        folder = tmp_path_factory.mktemp("datasets")
        write_datasets(folder)
    return folder


@pytest.fixture(autouse=True)
def no_state_is_left():
    """What a run in this process leaves in mmengine's globals is gone before the next test."""
    with own_state():
        yield
