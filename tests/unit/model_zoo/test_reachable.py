"""Whether weights can be had is known in seconds, and nothing is fetched."""

from __future__ import annotations

import socket
import time

from condinst.model_zoo import get
from condinst.model_zoo.reachable import any_reachable, local_file

NOWHERE = "http://127.0.0.1:1/file.pth"  # no server has this port


def test_one_byte_of_one_server_is_enough(server):
    assert any_reachable([NOWHERE, server.url()])
    assert server.ranges_asked() == ["bytes=0-0"]


def test_a_refusal_and_a_web_page_are_no_weights(server):
    server.answers = [404]
    assert not any_reachable([server.url()])
    server.content_type = "text/html"
    assert not any_reachable([server.url(), NOWHERE, "file:no url"])
    assert not any_reachable([])


def test_a_server_that_does_not_answer_is_not_waited_for():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        start = time.monotonic()
        assert not any_reachable([f"http://127.0.0.1:{silent.getsockname()[1]}/"], seconds=0.3)
    assert time.monotonic() - start < 1


def test_a_file_in_the_folder_or_in_the_cache(tmp_path, monkeypatch):
    entry = get("rtmdet-ins_tiny")
    assert local_file(entry) is None
    cached = tmp_path / "home" / "weights" / str(entry.weights_file)
    cached.parent.mkdir(parents=True)
    cached.touch()
    assert local_file(entry) == cached
    monkeypatch.setenv("CONDINST_WEIGHTS", str(tmp_path))
    own = tmp_path / str(entry.weights_file)
    own.touch()
    assert local_file(entry) == own
    packaged = get("nuclei")
    assert local_file(packaged) == packaged.packaged
