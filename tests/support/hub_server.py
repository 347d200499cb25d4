"""A local Hugging Face hub on 127.0.0.1: the few endpoints that huggingface_hub asks for one file of one model."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar


@dataclass
class Hub:
    """State of the server; a test may change it while the server runs."""

    repository: str
    commits: dict[str, dict[str, bytes]]  # commit -> file -> content; the last one is `main`
    licence: str | None = None
    tampered: bytes | None = None  # sent in place of any file's content, while the listing stays
    cut_after: list[int] = field(default_factory=list)  # the next transfers break off after this many bytes
    status: int | None = None  # if set, the status of every answer
    asked: list[str] = field(default_factory=list)  # method, path and range of each request
    endpoint: str = ""


class _Handler(BaseHTTPRequestHandler):
    hub: ClassVar[Hub]
    protocol_version = "HTTP/1.1"

    def log_message(self, *args) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        hub, path = self.hub, self.path.split("?")[0]
        hub.asked.append(f"{self.command} {path} {self.headers.get('Range', '')}".strip())
        if hub.status:
            self._send(hub.status, b"")
        elif path.startswith(f"/api/models/{hub.repository}"):
            self._list(path.rpartition("/revision/")[2] if "/revision/" in path else next(reversed(hub.commits)))
        elif path.startswith(f"/{hub.repository}/resolve/"):
            self._file(*path.removeprefix(f"/{hub.repository}/resolve/").split("/", 1))
        else:
            self._send(404, b"", {"X-Error-Code": "RepoNotFound"})

    def _list(self, commit: str) -> None:
        if commit not in self.hub.commits:
            return self._send(404, b"", {"X-Error-Code": "RevisionNotFound"})
        siblings = [
            {
                "rfilename": name,
                "size": len(content),
                "lfs": {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130},
            }
            for name, content in self.hub.commits[commit].items()
        ]
        card = {"cardData": {"license": self.hub.licence}} if self.hub.licence else {}
        listing = {"id": self.hub.repository, "sha": commit, "siblings": siblings, **card}
        return self._send(200, json.dumps(listing).encode(), {"Content-Type": "application/json"})

    def _file(self, commit: str, name: str) -> None:
        if commit not in self.hub.commits:
            return self._send(404, b"", {"X-Error-Code": "RevisionNotFound"})
        if name not in self.hub.commits[commit]:
            return self._send(404, b"", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit})
        listed = self.hub.commits[commit][name]
        content = self.hub.tampered or listed
        etag = hashlib.sha256(listed).hexdigest()
        headers = {"X-Repo-Commit": commit, "ETag": f'"{etag}"', "Accept-Ranges": "bytes"}
        if span := self.headers.get("Range"):
            start = int(span.removeprefix("bytes=").split("-")[0])
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            return self._send(206, content[start:], headers, self.command == "GET")
        return self._send(200, content, headers, self.command == "GET")

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None, cuttable: bool = False) -> None:
        self.send_response(status)
        for key, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(key, value)
        self.end_headers()
        if cuttable and self.hub.cut_after:
            self.wfile.write(body[: self.hub.cut_after.pop(0)])
            self.close_connection = True
        elif self.command == "GET":
            self.wfile.write(body)


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    """Run the server; `hub.endpoint` is its address."""
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    hub.endpoint = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
