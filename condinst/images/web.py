"""Read an image from the web into a file."""

from __future__ import annotations

import io
import string
import time
from collections.abc import Callable
from http.client import HTTPException, HTTPMessage
from pathlib import PurePosixPath
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, unquote, urlsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
)

from PIL import UnidentifiedImageError

from condinst.images.limit import open_image
from condinst.utils.names import safe_part
from condinst.version import __version__

__all__ = ["MAX_BYTES", "image_name", "is_url", "read_url"]

MAX_BYTES = 256 << 20
_BLOCK = 1 << 16
_SCHEMES = ("http", "https")
# what servers say of files whose kind they do not know
_UNKNOWN = ("application/octet-stream", "binary/octet-stream", "text/plain")


def is_url(word: str) -> bool:
    """Tell whether a word is a URL of the web, which :func:`read_url` may read."""
    return word.lower().startswith(tuple(f"{scheme}://" for scheme in _SCHEMES))


def image_name(url: str) -> str:
    """Return a safe file name: the last part of the URL's path."""
    return safe_part(PurePosixPath(unquote(_path(url), errors="replace")).name or "image")


def read_url(
    url: str,
    *,
    timeout: float = 30.0,
    deadline: float = 300.0,
    max_bytes: int = MAX_BYTES,
    clock: Callable[[], float] = time.monotonic,
) -> bytes:
    """Return the bytes of an image on a web server.

    Only the header of the image is decoded here. Redirects are followed to http and https alone.

    Args:
        url: of http or https.
        timeout: seconds to wait for the server's answer, or for more data.
        deadline: seconds that the whole image may take.
        max_bytes: largest size of the file.
        clock: tells the time in seconds.

    Raises:
        ValueError: the URL is invalid, or what the server sends is too large or no image.
        OSError: the server cannot be reached, or answers with an error, or too slowly.
    """
    end = clock() + deadline
    try:
        # letters beyond ASCII, and spaces, as a browser sends them
        request = Request(
            quote(url, safe=string.punctuation), headers={"User-Agent": f"condinst/{__version__}"}
        )
        if request.type not in _SCHEMES or not request.host:
            raise ValueError(f"{url}: expected a URL of http or https")
        with _opener().open(request, timeout=timeout) as response:
            _check_kind(url, response.headers)
            data = io.BytesIO()
            while block := response.read1(_BLOCK):
                data.write(block)
                if data.tell() > max_bytes:
                    raise ValueError(f"{url}: has more than {max_bytes >> 20} MB; download it")
                if clock() > end:
                    raise OSError(f"{url}: not complete after {deadline:g} seconds")
            length = response.headers.get("Content-Length", "")
    except HTTPError as error:
        error.close()
        raise OSError(f"{url}: the server answered {error.code} {error.reason}") from None
    except URLError as error:
        raise OSError(f"{url}: cannot be reached ({error.reason})") from None
    except TimeoutError:
        raise OSError(f"{url}: no answer within {timeout:g} seconds") from None
    except (HTTPException, ConnectionError) as error:
        raise OSError(f"{url}: the connection broke ({error or type(error).__name__})") from None
    except ValueError as error:
        if str(error).startswith(f"{url}: "):
            raise
        raise ValueError(f"{url}: expected a URL of http or https ({error})") from None
    if length.isdigit() and data.tell() < int(length):
        raise OSError(f"{url}: {data.tell():,} bytes arrived, expected {int(length):,}")
    _check_image(url, data.getvalue())
    return data.getvalue()


class _WebRedirects(HTTPRedirectHandler):
    """Refuses redirects that leave the web; urllib's own would follow one to ftp."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        if urlsplit(newurl).scheme not in _SCHEMES:
            raise URLError(f"the server redirects to {newurl[:200]}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> OpenerDirector:
    """Return an opener without urllib's handlers of file:, ftp: and data:."""
    opener = OpenerDirector()
    handlers: tuple[Any, ...] = (ProxyHandler, HTTPHandler, HTTPSHandler, _WebRedirects)
    for handler in (*handlers, HTTPDefaultErrorHandler, HTTPErrorProcessor):
        opener.add_handler(handler())
    return opener


def _path(url: str) -> str:
    try:
        return urlsplit(url).path
    except ValueError:
        return ""


def _check_kind(url: str, headers: HTTPMessage) -> None:
    kind = headers.get_content_type()
    if not kind.startswith("image/") and kind not in _UNKNOWN:
        what = "a web page" if "html" in kind else kind
        raise ValueError(f"{url}: the server sent {what}, expected an image")


def _check_image(url: str, data: bytes) -> None:
    try:
        open_image(data).close()
    except UnidentifiedImageError:
        raise ValueError(f"{url}: the server sent {len(data):,} bytes that are no image") from None
    except Exception as error:  # each format's reader raises its own kinds
        raise ValueError(f"{url}: {error}") from error
