"""Serve the page on this machine, without a call to any other."""

from __future__ import annotations

import os
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from condinst.demo.later import LoadedLater
from condinst.demo.settings import Settings
from condinst.utils.optional import import_failure

__all__ = ["check_gradio", "serve"]

_FIRST_PORT, _PORTS = 7860, 100
_MAX_UPLOAD = "1gb"
_SESSIONS = 16  # whose results are kept
# GRADIO_ANALYTICS_ENABLED: no telemetry and no look for a newer version
_ENVIRONMENT = dict(
    GRADIO_ANALYTICS_ENABLED="False", HF_HUB_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1"
)


def check_gradio() -> None:
    """Check that Gradio is installed, without importing it, which takes seconds.

    Raises:
        ImportError: it is not.
    """
    import importlib.util

    if importlib.util.find_spec("gradio") is None:
        missing = ModuleNotFoundError("No module named 'gradio'", name="gradio")
        raise import_failure(
            "condinst demo needs Gradio", "gradio", 'pip install "condinst[demo]"', missing
        )


def serve(
    model: LoadedLater,
    settings: Settings,
    host: str,
    port: int | None,
    ready: Callable[[str], None],
) -> None:
    """Serve the page until the process gets a signal; load the model meanwhile.

    Args:
        model: loaded after the page is served.
        settings: of the page; the workspace is replaced by a folder that is removed at the end.
        host: address to listen on.
        port: its port; None for the first free one from 7860.
        ready: called with the page's address when the page can be opened.

    Raises:
        OSError: the address cannot be listened on.
        ImportError: Gradio is not installed.
        Exception: that of loading the model.
    """
    port = _free_port(host, port)
    check_gradio()
    with _workspace() as folder:
        from condinst.demo.page import CSS, build, theme

        page = build(model, replace(settings, workspace=folder))
        page.queue(max_size=64)
        _, url, _ = page.launch(
            server_name=host,
            server_port=port,
            prevent_thread_lock=True,
            quiet=True,
            share=False,
            inbrowser=False,
            footer_links=[],
            enable_monitoring=False,
            ssr_mode=False,
            mcp_server=False,
            pwa=False,
            run_history=False,
            max_file_size=_MAX_UPLOAD,
            state_session_capacity=_SESSIONS,
            theme=theme(),
            css=CSS,
        )
        try:
            ready(url)
            try:
                model.load()
            except Exception:
                time.sleep(1)  # an open page says why first
                raise
            threading.Event().wait()
        finally:
            page.close(verbose=False)


@contextmanager
def _workspace() -> Iterator[Path]:
    """Make a folder for uploads and results; set Gradio's environment before it is imported."""
    with tempfile.TemporaryDirectory(prefix="condinst-demo-", ignore_cleanup_errors=True) as name:
        folder = Path(name) / "gradio"
        folder.mkdir()
        os.environ.update(_ENVIRONMENT, GRADIO_TEMP_DIR=str(folder))
        yield folder


def _free_port(host: str, port: int | None) -> int:
    """Return a port that can be listened on: Gradio's message for one in use has six lines.

    Raises:
        OSError: there is none.
    """
    ports = range(_FIRST_PORT, _FIRST_PORT + _PORTS) if port is None else [port]
    for candidate in ports:
        try:
            family, *_, address = socket.getaddrinfo(host, candidate, type=socket.SOCK_STREAM)[0]
            with socket.socket(family) as listener:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind(address)
            return candidate
        except OSError as error:
            reason = error.strerror or str(error)
    place = f"{host}:{port}" if port is not None else f"{host}:{ports[0]} to {ports[-1]}"
    raise OSError(f"{place}: cannot be listened on: {reason}")
