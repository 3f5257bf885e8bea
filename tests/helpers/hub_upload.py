"""A server that takes uploads as the Hugging Face Hub does, and serves what it has got."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from http.server import BaseHTTPRequestHandler
from typing import Any

from hub_server import COMMIT, HubServer

__all__ = ["WritableHub"]

_LARGE = (".safetensors", ".jpg")  # what the Hub stores as large files


class WritableHub(HubServer):
    """Answers the calls of ``create_repo`` and ``upload_folder``, for one token.

    Attributes:
        created: the request's fields by owner/repo of the repositories that were made.
        messages: the messages of the commits.
        may_write: whether the token may write.
    """

    def __init__(self) -> None:
        super().__init__()
        self.created: dict[str, dict[str, Any]] = {}
        self.messages: list[str] = []
        self.may_write = True
        self._large: dict[str, bytes] = {}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(super()._handler()):  # type: ignore[misc]
            def do_POST(self) -> None:
                server._take(self)

            do_PUT = do_POST

        return Handler

    def _take(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        path = handler.path.split("?")[0]
        authorization = handler.headers.get("Authorization")
        self.requests.append((handler.command, path, authorization))
        if path.startswith("/put/"):
            assert hashlib.sha256(body).hexdigest() == path[5:]
            self._large[path[5:]] = body
            return self._send(handler, 200, {}, b"", True)
        if authorization != f"Bearer {self.token}":
            return self._send(handler, 401, {"X-Error-Message": "Invalid token"}, b"", True)
        if not self.may_write:
            return self._send(handler, 403, {"X-Error-Message": "Forbidden"}, b"", True)
        content = json.dumps(self._answer_to(path, body)).encode()
        kind = "application/json"
        if "lfs/objects" in path:
            kind = "application/vnd.git-lfs+json"
        return self._send(handler, 200, {"Content-Type": kind}, content, True)

    def _answer_to(self, path: str, body: bytes) -> dict[str, Any]:
        if path == "/api/repos/create":
            fields = json.loads(body)
            name = f"{fields['organization']}/{fields['name']}"
            self.created[name] = fields
            return {"url": f"{self.url}/{name}"}
        if path == "/api/validate-yaml":
            return {"errors": [], "warnings": []}
        if path.endswith("/preupload/main"):
            return {
                "files": [
                    {
                        "path": file["path"],
                        "uploadMode": "lfs" if file["path"].endswith(_LARGE) else "regular",
                        "shouldIgnore": False,
                    }
                    for file in json.loads(body)["files"]
                ]
            }
        if path.endswith("/lfs/objects/batch"):
            objects = [
                thing | {"actions": {"upload": {"href": f"{self.url}/put/{thing['oid']}"}}}
                for thing in json.loads(body)["objects"]
            ]
            return {"transfer": "basic", "objects": objects}
        match = re.fullmatch(r"/api/models/([^/]+/[^/]+)/commit/main", path)
        assert match, path
        self._commit(match[1], [json.loads(line) for line in body.splitlines()])
        return {"commitUrl": f"{self.url}/{match[1]}/commit/{COMMIT}", "commitOid": COMMIT}

    def _commit(self, repo: str, lines: list[dict[str, Any]]) -> None:
        for line in lines:
            value = line["value"]
            if line["key"] == "header":
                self.messages.append(value["summary"])
            elif line["key"] == "file":
                content = base64.b64decode(value["content"])
                self.files[repo, "main", value["path"]] = content
            else:
                assert line["key"] == "lfsFile"
                self.files[repo, "main", value["path"]] = self._large[value["oid"]]
