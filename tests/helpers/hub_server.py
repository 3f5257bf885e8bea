"""A server that answers ``resolve`` requests as the Hugging Face Hub does, in a thread."""

from __future__ import annotations

import hashlib
import re
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

__all__ = ["COMMIT", "HubServer", "use_hub"]

COMMIT = "0123456789abcdef0123456789abcdef01234567"
OLD_COMMIT = "89abcdef0123456789abcdef0123456789abcdef"


class HubServer:
    """Serves the files of model repositories.

    A file of the Hub is large: HEAD and GET of its address are redirected to another path, and the
    redirect has the file's checksum and size.

    Attributes:
        files: content by (owner/repo, revision, path in it).
        private: repositories that want ``token``.
        gated: repositories whose access was not granted to anybody.
        token: the only valid token.
        damaged: whether the first byte of a file is another one than its checksum says.
        requests: method, path and authorization of all requests that came.
    """

    def __init__(self) -> None:
        self.files: dict[tuple[str, str, str], bytes] = {}
        self.private: set[str] = set()
        self.gated: set[str] = set()
        self.token = "hf_right"
        self.damaged = False
        self.requests: list[tuple[str, str, str | None]] = []
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> HubServer:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http.server_port}"

    def downloads(self) -> int:
        """How often the content of a file was sent."""
        return sum(m == "GET" and path.startswith("/cdn/") for m, path, _ in self.requests)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def do_HEAD(self) -> None:
                server._answer(self, body=False)

            def do_GET(self) -> None:
                server._answer(self, body=True)

        return Handler

    def _answer(self, handler: BaseHTTPRequestHandler, body: bool) -> None:
        path = urllib.parse.unquote(handler.path.split("?")[0])
        authorization = handler.headers.get("Authorization")
        self.requests.append((handler.command, path, authorization))
        if path.startswith("/cdn/"):
            content = next(c for c in self.files.values() if _digest(c) == path[5:])
            if self.damaged:
                content = bytes([content[0] ^ 1]) + content[1:]
            self._send(handler, 200, {"ETag": f'"{path[5:]}"'}, content, body)
            return
        match = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+|refs/pr/\d+)/(.+)", path)
        status, headers = self._find(match, authorization)
        self._send(handler, status, headers, b"", body)

    def _find(
        self, match: re.Match[str] | None, authorization: str | None
    ) -> tuple[int, dict[str, str]]:
        repo, revision, file = match.groups() if match else ("", "", "")
        known = {key[0] for key in self.files}
        if repo not in known or (repo in self.private and authorization != f"Bearer {self.token}"):
            return 401, {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository Not Found"}
        if repo in self.gated:
            return 403, {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access is restricted"}
        if revision not in {key[1] for key in self.files if key[0] == repo}:
            return 404, {"X-Error-Code": "RevisionNotFound", "X-Error-Message": "Invalid rev id"}
        content = self.files.get((repo, revision, file))
        commit = COMMIT if revision in ("main", COMMIT) else OLD_COMMIT
        if content is None:
            error = {"X-Error-Code": "EntryNotFound", "X-Error-Message": "Entry not found"}
            return 404, error | {"X-Repo-Commit": commit}
        digest = _digest(content)
        return 302, {
            # another host, as the Hub's: its client follows redirects within a host by itself
            "Location": f"http://localhost:{self.http.server_port}/cdn/{digest}",
            "X-Repo-Commit": commit,
            "X-Linked-ETag": f'"{digest}"',
            "X-Linked-Size": str(len(content)),
        }

    def _send(
        self,
        handler: BaseHTTPRequestHandler,
        status: int,
        headers: dict[str, str],
        content: bytes,
        body: bool,
    ) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        if body:
            handler.wfile.write(content)


def use_hub(server: HubServer, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    """Point huggingface_hub, which has read the environment when it was imported, to the server."""
    from huggingface_hub import constants

    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    template = server.url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "ENDPOINT", server.url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(cache / "token"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
