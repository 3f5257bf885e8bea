"""Download a file, whole and checked or not at all, and resume an interrupted download.

The part that has arrived is in ``NAME.part`` beside the target. ``NAME.part.json`` holds the
version of the server's file, so that a download is resumed (HTTP Range, If-Range; RFC 9110) only
while the server still has that version. torch.hub's downloader and pooch are not used: neither
resumes, and without a checksum both accept a truncated file.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import socket
import ssl
import time
from http.client import HTTPException, HTTPMessage, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlparse
from urllib.request import HTTPRedirectHandler, OpenerDirector, Request, build_opener

from condinst.model_zoo.progress import Progress
from condinst.utils.files import flush, names_file, write_whole
from condinst.version import __version__

BLOCK = 1 << 18
# Status codes of temporary failures.
_TEMPORARY = {408, 425, 429, 500, 502, 503, 504}


class UnreachableError(OSError):
    """A server does not hand out the file; another server may have it."""


class _BrokenError(Exception):
    """The connection failed in a way that another attempt may overcome."""


def download(
    url: str,
    target: Path,
    *,
    checksum: str | None = None,
    timeout: float = 30.0,
    attempts: int = 5,
    pause: float = 0.5,
) -> None:
    """Download ``url`` to ``target``, and replace an older file.

    Only one caller at a time may download to a target: the caller locks it.

    Args:
        url: http or https.
        target: path of the file.
        checksum: the first hexadecimal digits of the file's sha256; None for that in the server's
            redirect, if there is one, as on the Hugging Face Hub.
        timeout: seconds to wait for the server's answer, or for more data.
        attempts: number of failed attempts in a row, without any progress, after which to give up.
        pause: seconds before the second attempt; doubled for each further one.

    Raises:
        ValueError: the URL is not http or https, or the file is not the expected one.
        UnreachableError: the server cannot be reached, or the connection keeps breaking.
        OSError: the disk is full.
    """
    if urlparse(url).scheme not in ("http", "https"):
        raise ValueError(f"{url}: expected a URL of http or https")
    part = _Part(target)
    failures, most, reasons = 0, part.size(), []
    while True:
        try:
            linked = _receive(url, part, timeout)
            break
        except _BrokenError as error:
            failures = failures + 1 if part.size() <= most else 1
            most = max(most, part.size())
            reasons.append(str(error))
            if failures >= attempts:
                kept = f"; {part.size()} bytes are kept in {part.path}" if part.size() else ""
                why = ", ".join(dict.fromkeys(reasons))
                raise UnreachableError(
                    f"{url}: given up after {len(reasons)} attempts: {why}{kept}"
                ) from error
            time.sleep(pause * 2 ** (failures - 1))
    part.finish(url, checksum or linked)


def check_file(path: Path, checksum: str | None, source: str = "") -> None:
    """Compare a file with its checksum.

    Args:
        path: the file.
        checksum: the first hexadecimal digits of the file's sha256; None to check nothing.
        source: origin of the file, appended to its name in the message.

    Raises:
        ValueError: the checksum differs.
    """
    if checksum is None:
        return
    # imported here because it imports PyTorch, which listing models does not need
    from condinst.checkpoints.weight_files import sha256

    if not (found := sha256(path)).startswith(checksum.lower()):
        raise ValueError(
            f"{path}{source}: sha256 begins with {found[: len(checksum)]}, expected {checksum}; "
            "it is damaged or another file; delete it"
        )


class _Part:
    """The part of a file that has arrived."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.path = target.with_name(f"{target.name}.part")
        self.note = target.with_name(f"{target.name}.part.json")

    def size(self) -> int:
        return self.path.stat().st_size if self.path.is_file() else 0

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)

    def range_headers(self, url: str) -> dict[str, str]:
        """Return headers that ask for the rest, if the server still has this version."""
        try:
            note = json.loads(self.note.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            note = None
        known = isinstance(note, dict) and note.get("url") == url and note.get("version")
        if not known or not self.size():
            return {}
        return {"Range": f"bytes={self.size()}-", "If-Range": note["version"]}

    def restart(self, url: str, headers: HTTPMessage) -> None:
        """Start over with the version of the file that these headers describe."""
        self.discard()
        etag = headers.get("ETag")
        # a weak ETag (W/) does not guarantee the same bytes
        version = etag if etag and etag.startswith('"') else headers.get("Last-Modified")
        if version:
            write_whole(self.note, json.dumps({"url": url, "version": version}))

    def append(self, response: HTTPResponse, total: int | None) -> None:
        """Append what the server sends to the file."""
        size = self.size()
        progress = Progress(self.target.name, size, total)
        try:
            with self.path.open("ab") as file:
                while block := _read(response):
                    file.write(block)
                    file.flush()  # here, not in close: the disk may be full
                    size += len(block)
                    progress.update(size)
        finally:
            progress.close(size)

    def finish(self, url: str, checksum: str | None) -> None:
        """Check the whole file and give it its name."""
        if not self.size():
            self.discard()
            raise ValueError(f"{url}: the server sent an empty file")
        try:
            check_file(self.path, checksum, f" (from {url})")
        except ValueError as error:
            self.discard()
            raise ValueError(f"{error} (done here)") from error
        with names_file(self.target):
            flush(self.path)
            self.path.replace(self.target)
        self.note.unlink(missing_ok=True)


class _Redirects(HTTPRedirectHandler):
    """Follows redirects, and keeps the checksum that the Hugging Face Hub states in its own."""

    checksum: str | None = None

    def redirect_request(
        self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> Request | None:
        stated = headers.get("X-Linked-ETag", "").strip('"').lower()
        if re.fullmatch(r"[0-9a-f]{64}", stated):  # small files have another kind of ETag
            self.checksum = stated
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _receive(url: str, part: _Part, timeout: float) -> str | None:
    """Write all that one connection brings, and return when the file is whole.

    Returns:
        The file's sha256, if a redirect stated it.
    """
    headers = {"User-Agent": f"condinst/{__version__}", "Accept-Encoding": "identity"}
    redirects = _Redirects()
    request = Request(url, headers=headers | part.range_headers(url))
    response = _open(request, build_opener(redirects), part, timeout)
    with response:
        _refuse_web_page(url, response.headers)
        length = response.headers.get("Content-Length")
        total = int(length) if length and length.isdigit() else None
        if response.status == 206:
            total = _total_of_rest(response.headers, part)
        try:
            if response.status != 206:  # it knows no ranges, or has another version: all of it
                part.restart(url, response.headers)
            _check_space(part, total)
            part.append(response, total)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise OSError(_disk_full(part, total)) from error
            raise
    if total is not None and part.size() != total:
        found = part.size()
        if found > total:
            part.discard()
        raise _BrokenError(f"{found} bytes arrived, expected {total}")
    return redirects.checksum


def _open(request: Request, opener: OpenerDirector, part: _Part, timeout: float) -> HTTPResponse:
    try:
        return opener.open(request, timeout=timeout)
    except HTTPError as error:
        error.close()
        answer = f"the server answered {error.code} {error.reason}"
        if error.code == 416:  # no such range: ours is not a part of its file
            part.discard()
        elif error.code not in _TEMPORARY:
            raise UnreachableError(f"{request.full_url}: {answer}") from error
        raise _BrokenError(answer) from error
    except (OSError, HTTPException) as error:
        reason = error.reason if isinstance(error, URLError) else error
        if isinstance(reason, (socket.gaierror, ssl.SSLCertVerificationError)):
            raise UnreachableError(f"{request.full_url}: cannot be reached ({reason})") from error
        raise _BrokenError(f"no answer ({reason})") from error


def _read(response: HTTPResponse) -> bytes:
    try:
        return response.read1(BLOCK)  # what is there, without waiting for a whole block
    except (OSError, HTTPException) as error:
        raise _BrokenError(f"the connection broke ({error})") from error


def _total_of_rest(headers: HTTPMessage, part: _Part) -> int | None:
    """Return the size of the whole file, from the headers of a partial response."""
    text = headers.get("Content-Range", "")
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", text)
    if match is None or int(match[1]) != part.size():
        wanted = part.size()
        part.discard()
        raise _BrokenError(f"the server sent {text or 'no range'}, expected bytes from {wanted}")
    return None if match[2] == "*" else int(match[2])


def _refuse_web_page(url: str, headers: HTTPMessage) -> None:
    """Refuse a web page: a closed host may answer with one, and status 200."""
    if headers.get_content_type() in ("text/html", "application/xhtml+xml"):
        raise ValueError(f"{url}: the server sent a web page, expected a file of weights")


def _check_space(part: _Part, total: int | None) -> None:
    if total is not None and total - part.size() > shutil.disk_usage(part.path.parent).free:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _disk_full(part: _Part, total: int | None) -> str:
    free = shutil.disk_usage(part.path.parent).free
    needed = "" if total is None else f" {(total - part.size()) / 1e6:.1f} MB more are needed,"
    return (
        f"{part.target}: the disk is full:{needed} {free / 1e6:.1f} MB are free in "
        f"{part.path.parent}; free some space, or choose another folder with CONDINST_HOME"
    )
