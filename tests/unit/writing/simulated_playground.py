"""A playground's chat API on loopback, whose answers a test gives: simulated, and so called."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, dict[str, str], bytes]
"""Status, headers and body."""

HANGS_UP: Answer = (0, {}, b"")
"""No answer: the connection is closed."""


def streamed(*parts: str, finish: str = "stop", usage: tuple[int, int] = (7, 3), done: bool = True) -> Answer:
    """Return an answer as OpenAI's API streams it, text as it is and not escaped."""
    events: list[Any] = [
        {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}]},
        *({"choices": [{"index": 0, "delta": {"content": p}, "finish_reason": None}]} for p in parts),
        {"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]},
        {"choices": [], "usage": {"prompt_tokens": usage[0], "completion_tokens": usage[1]}},
    ]
    lines = [f"data: {json.dumps(event, ensure_ascii=False)}\n\n" for event in events]
    return 200, {}, "".join([": hello\n\n", *lines, "data: [DONE]\n\n" if done else ""]).encode()


def refused(status: int, message: str, code: str = "", **headers: str) -> Answer:
    """Return an error in the playground's form."""
    return status, headers, json.dumps({"error": {"message": message, "code": code}}).encode()


class SimulatedPlayground:
    """Lists `models`, gives `answers` in turn, the last one ever after, and remembers what it was asked."""

    def __init__(self) -> None:
        self.models: Any = {
            "data": [
                {"id": "kokoro", "capabilities": ["speech"]},
                {"id": "smollm", "capabilities": ["text"], "context_length": 512},
            ]
        }
        self.answers: list[Answer] = [streamed("Hello", " there")]
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        playground = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                playground.keys.append(self.headers["Authorization"])
                self._send(200, {}, json.dumps(playground.models).encode())

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                playground.asked.append(json.loads(body))
                answers = playground.answers
                self._send(*(answers.pop(0) if len(answers) > 1 else answers[0]))

            def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
                if status == HANGS_UP[0]:
                    self.close_connection = True
                    return
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name.replace("_", "-"), value)
                self.end_headers()
                for start in range(0, len(body), 5):  # in small parts, cut inside characters
                    self.wfile.write(body[start : start + 5])
                    self.wfile.flush()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
