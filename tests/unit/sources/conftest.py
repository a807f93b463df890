import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest


@dataclass
class FileServer:
    """An HTTP server on loopback that serves `files` with ranges, and can be told to break off."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    break_after: int | None = None
    """Bytes of a body after which the connection is cut, once."""
    breaks: str = ""
    """End of the path whose body that is; empty: of any."""
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    """(path, Range header) of each GET."""
    headers: dict[str, str] = field(default_factory=dict)
    status: int | None = None


@pytest.fixture
def server() -> Iterator[FileServer]:
    state = FileServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            state.requests.append((self.path, self.headers.get("Range")))
            self.answer(body=True)

        def answer(self, body: bool) -> None:
            content = state.files.get(self.path.partition("?")[0])
            if content is None or state.status:
                self.send_response(state.status or 404)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            start = 0
            if wanted := self.headers.get("Range"):
                start = int(wanted.removeprefix("bytes=").split("-")[0])
            if start and start >= len(content):
                self.send_response(416)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(content) - start))
            self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
            for name, value in state.headers.items():
                self.send_header(name, value)
            self.end_headers()
            if not body:
                return
            rest = content[start:]
            if state.break_after is not None and self.path.endswith(state.breaks):
                rest, state.break_after = rest[: state.break_after], None
                self.close_connection = True
            self.wfile.write(rest)

        def log_message(self, *args: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever)
    thread.start()
    yield state
    http.shutdown()
    thread.join()
    http.server_close()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("TTSP_CACHE", str(folder))
    return folder
