"""A simulated Hugging Face hub: one repository, whose files are those of a folder, at one commit."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

REPOSITORY = "somebody/kokoro"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@contextmanager
def simulated_hub(address: str, folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Serve while the block lasts; yield the endpoint, and a list that grows with what is asked for."""
    files = {
        str(path.relative_to(folder)): path.read_bytes()
        for path in (folder / "model.onnx", folder / "vocab.json", *(folder / "voices").glob("af_*.bin"))
    }
    siblings = [{"rfilename": name} for name in files]
    info = {
        "id": REPOSITORY,
        "sha": COMMIT,
        "private": False,
        "downloads": 0,
        "tags": [],
        "siblings": siblings,
    }
    tree = [{"type": "file", "path": n, "size": len(c), "oid": "0" * 40} for n, c in files.items()]
    answers = {
        f"/api/models/{REPOSITORY}/revision/{COMMIT}": json.dumps(info).encode(),
        f"/api/models/{REPOSITORY}/tree/{COMMIT}": json.dumps(tree).encode(),
        **{f"/{REPOSITORY}/resolve/{COMMIT}/{name}": content for name, content in files.items()},
    }
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            asked.append(self.path)
            self.answer(body=True)

        def answer(self, body: bool) -> None:
            content = answers.get(self.path.partition("?")[0])
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Length", str(len(content or b"")))
            self.send_header("Content-Type", "application/json")
            self.send_header("ETag", f'"{hashlib.sha256(content or b"").hexdigest()}"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.end_headers()
            if body:
                self.wfile.write(content or b"")

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer((address, 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://{address}:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
