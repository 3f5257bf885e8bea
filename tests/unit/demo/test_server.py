"""Where the page is served, and messages for what is missing."""

import importlib.util
import socket

import pytest

from condinst.demo import server


def test_a_port_in_use_is_refused_in_one_line():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with pytest.raises(OSError, match=f"127.0.0.1:{port}: cannot be listened on: .*in use"):
            server._free_port("127.0.0.1", port)
    assert server._free_port("127.0.0.1", port) == port


def test_without_a_port_the_next_free_one_is_taken(monkeypatch):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        monkeypatch.setattr(server, "_FIRST_PORT", port)
        assert port < server._free_port("127.0.0.1", None) < port + 100


def test_an_unknown_host():
    with pytest.raises(OSError, match="no.such.host.invalid:7: cannot be listened on"):
        server._free_port("no.such.host.invalid", 7)


def test_gradio_is_named_where_it_is_missing(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r'condinst demo needs Gradio: pip install "condinst\[de'):
        server.check_gradio()
