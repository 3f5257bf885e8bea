"""A server, and no cache, folder or proxy of the user's."""

import random

import pytest
from weight_server import WeightServer


@pytest.fixture(autouse=True)
def own_environment(monkeypatch, tmp_path):
    for name in ("CONDINST_WEIGHTS", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CONDINST_HOME", str(tmp_path / "home"))


@pytest.fixture
def server():
    """Serves a megabyte of noise: several blocks of the downloader."""
    with WeightServer(random.Random(0).randbytes(1_000_000)) as server:
        yield server
