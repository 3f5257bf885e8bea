"""Tell whether the weights of a model can be had, without fetching them."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from http.client import HTTPException
from pathlib import Path
from urllib.request import Request, urlopen

from condinst.model_zoo.index import Model
from condinst.model_zoo.weights import HOME, WEIGHTS
from condinst.version import __version__

__all__ = ["any_reachable", "local_file"]

_WEB_PAGES = ("text/html", "application/xhtml+xml")  # the answer of a network with a login


def local_file(entry: Model) -> Path | None:
    """Return the published file of a model on this machine; None if it is not there."""
    if entry.packaged is not None:
        return entry.packaged
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "condinst"
    folders = [os.environ.get(WEIGHTS), Path(os.environ.get(HOME) or cache) / "weights"]
    paths = (Path(f).expanduser() / str(entry.weights_file) for f in folders if f)
    return next((path for path in paths if path.is_file()), None)


def any_reachable(urls: Sequence[str], seconds: float = 3.0) -> bool:
    """Tell whether a server hands out a file; all are asked at once for its first byte.

    Args:
        urls: of the same file.
        seconds: after which the answer is no. It bounds the look-up of names too, which no
            timeout of a connection does.
    """
    found = threading.Event()
    threads = [
        # daemons: a thread that still waits must not keep the program from ending
        threading.Thread(target=_ask, args=(url, seconds, found), daemon=True)
        for url in urls
    ]
    for thread in threads:
        thread.start()
    end = time.monotonic() + seconds
    while not found.is_set() and time.monotonic() < end:
        if not any(thread.is_alive() for thread in threads):
            break
        found.wait(0.02)
    return found.is_set()


def _ask(url: str, seconds: float, found: threading.Event) -> None:
    headers = {"User-Agent": f"condinst/{__version__}", "Range": "bytes=0-0"}
    try:
        with urlopen(Request(url, headers=headers), timeout=seconds) as response:
            if response.headers.get_content_type() not in _WEB_PAGES:
                found.set()
    except (OSError, HTTPException, ValueError):  # no answer, a refusal, a URL that is none
        pass
