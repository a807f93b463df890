"""A node whose kubelet only hands out logs, so that the API server has some of pods that do not run."""

import json
import secrets
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

from cluster.control_plane import ControlPlane

LOOPBACK = "127.0.0.1"


class Kubelet:
    """Answers for the logs of pods of its node while its `with` block runs."""

    def __init__(self, plane: ControlPlane, folder: Path) -> None:
        self.node = f"node-{secrets.token_hex(3)}"
        self.logs: dict[tuple[str, str], str] = {}
        """By namespace and pod."""
        self._plane = plane
        key, certificate = folder / "key.pem", folder / "certificate.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=kubelet",
             "-keyout", str(key), "-out", str(certificate)],
            check=True, capture_output=True,
        )  # fmt: skip
        logs = self.logs

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                _, kind, namespace, pod, *_ = self.path.split("/")
                found = kind == "containerLogs" and (namespace, pod) in logs
                body = logs.get((namespace, pod), "no such pod").encode()
                self.send_response(200 if found else 404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        node = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": self.node},
            "status": {
                "addresses": [{"type": "InternalIP", "address": LOOPBACK}],
                "daemonEndpoints": {"kubeletEndpoint": {"Port": self._server.server_port}},
            },
        }
        self._plane.kubectl("create", "--filename=-", input=json.dumps(node))
        return self

    def __exit__(self, *_: object) -> None:
        self._plane.kubectl("delete", "node", self.node)
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
