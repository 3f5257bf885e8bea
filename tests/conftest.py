"""Fixtures shared by every tier of the tests."""

from pathlib import Path

import pytest

import condinst.registry  # noqa: F401  (applies compat before any test imports mmdet)

REPO = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def repo() -> Path:
    """The checkout's root."""
    return REPO


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real pictures and reference answers beside the checkout."""
    folder = REPO.parent / "shared"
    if not folder.is_dir():
        pytest.skip("needs ../shared")
    return folder
