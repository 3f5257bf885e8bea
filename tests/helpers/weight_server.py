"""A web server of one file, in a thread, that can be made to misbehave."""

from __future__ import annotations

import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class WeightServer:
    """Serves ``content`` at every path.

    Attributes:
        etag, last_modified: sent where not None.
        ranges: whether ranges are served; If-Range is honored then, as RFC 9110 has it.
        cuts: for each request in turn, how many bytes are sent before the connection is closed;
            None, or a request after the last: all.
        answers: for each request in turn, a status in place of the file.
        extra_length: added to the Content-Length that is promised.
        send_length: whether Content-Length is sent.
        tell_total: whether the answer to a range says how long the whole file is.
        content_type: sent as it is.
        moved_to: where not None, the place that every request is redirected to.
        hold: waited for, where not None, after a cut, before the connection is closed.
        requests: the headers of all requests that came, each with its path.
    """

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.etag: str | None = '"one"'
        self.last_modified: str | None = None
        self.ranges = True
        self.cuts: list[int | None] = []
        self.answers: list[int] = []
        self.extra_length = 0
        self.send_length = True
        self.tell_total = True
        self.content_type = "application/octet-stream"
        self.moved_to: str | None = None
        self.hold: threading.Event | None = None
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> WeightServer:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()

    def url(self, path: str = "file.pth") -> str:
        return f"http://127.0.0.1:{self.http.server_port}/{path}"

    def ranges_asked(self) -> list[str | None]:
        return [headers.get("Range") for _, headers in self.requests]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                server.requests.append((self.path, dict(self.headers)))
                if server.moved_to is not None or self.path.startswith("/moved/"):
                    self.send_response(302)
                    place = server.moved_to or self.path.removeprefix("/moved")
                    self.send_header("Location", place)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                if server.answers:
                    self.send_error(server.answers.pop(0))
                    return
                server._send(self, server.cuts.pop(0) if server.cuts else None)

        return Handler

    def _send(self, handler: BaseHTTPRequestHandler, cut: int | None) -> None:
        total = len(self.content)
        start = self._start(handler)
        if start is not None and start >= total:
            handler.send_response(416)
            handler.send_header("Content-Range", f"bytes */{total}")
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        handler.send_response(200 if start is None else 206)
        if start is not None:
            whole = total if self.tell_total else "*"
            handler.send_header("Content-Range", f"bytes {start}-{total - 1}/{whole}")
        body = self.content[start or 0 :]
        if self.send_length:
            handler.send_header("Content-Length", str(len(body) + self.extra_length))
        if self.etag:
            handler.send_header("ETag", self.etag)
        if self.last_modified:
            handler.send_header("Last-Modified", self.last_modified)
        handler.send_header("Content-Type", self.content_type)
        handler.end_headers()
        handler.wfile.write(body[:cut])
        if self.hold is not None and cut is not None:
            self.hold.wait(60)
        handler.close_connection = True

    def _start(self, handler: BaseHTTPRequestHandler) -> int | None:
        match = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
        condition = handler.headers.get("If-Range")
        if match is None or not self.ranges:
            return None
        if condition is not None and condition not in (self.etag, self.last_modified):
            return None
        return int(match[1])
