"""The findings of the attacks on commit cd75feb, by number: each of these failed there.

Findings that need no running playground are tested beside their code; docs/security.md lists them.
"""

import http.client
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

ATTACK = Path(__file__).parents[1] / "support" / "attack.py"
KEY = "a-key-of-the-tests-1234"


@pytest.fixture(scope="module")
def keyed(starting: Any) -> Iterator[Any]:
    """A playground that asks for a key."""
    with starting("keyed", TTSP_API_KEY=KEY) as started:
        yield started


@contextmanager
def attacked(url: str, kind: str, count: int, processes: int = 1) -> Iterator[None]:
    """Attack inside the context, once the attack is under way."""
    started = [
        subprocess.Popen(
            [sys.executable, str(ATTACK), kind, url, str(count), "60"], stdout=subprocess.PIPE, text=True
        )
        for _ in range(processes)
    ]
    try:
        for process in started:
            assert process.stdout is not None
            assert process.stdout.readline().strip() == "ready"
        yield
    finally:
        for process in started:
            process.kill()
            process.wait(60)


@pytest.mark.parametrize(
    ("kind", "count", "processes"),
    [
        pytest.param("idle", 10_250, 2, id="H2a-20500-idle-connections"),
        pytest.param("headers", 1500, 1, id="H2b-1500-trickling-headers"),
        pytest.param("bodies", 1500, 1, id="H2b-1500-trickling-bodies"),
        pytest.param("endless-header", 1, 1, id="H2c-endless-header"),
        pytest.param("header-lines", 1, 1, id="H2d-2000000-header-lines"),
    ],
)
def test_listener_serves_others_under_attack(playground: Any, kind: str, count: int, processes: int) -> None:
    process = playground.gateway_process()
    before = process.memory_info().rss
    with attacked(playground.url, kind, count, processes), httpx.Client(timeout=20) as kept:
        for _ in range(20):
            assert httpx.get(f"{playground.url}/healthz", timeout=20).status_code == 200
            assert kept.get(f"{playground.url}/v1/models").status_code == 200
            assert process.num_fds() < 12_000
        assert process.memory_info().rss - before < 150 << 20


def test_listener_refuses_headers_without_an_end(playground: Any) -> None:  # H2c
    address = urlsplit(playground.url)
    with socket.create_connection((address.hostname, address.port), timeout=20) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 100_000)
        assert connection.recv(4096).startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_door_refuses_a_rebound_name(playground: Any, method: str) -> None:  # M1
    headers = {"Host": "evil.example:8100", "Origin": "http://evil.example:8100"}
    answer = httpx.request(method, f"{playground.url}/v1/speech", headers=headers, json={"text": "Hello."})
    assert answer.status_code == 421
    assert answer.json()["error"]["code"] == "unknown_host"


@pytest.mark.parametrize("action", ["cancel", "retry"])
@pytest.mark.parametrize("header", [{"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}])
def test_door_refuses_a_foreign_page_without_a_body(
    playground: Any, action: str, header: dict[str, str]
) -> None:  # M1
    answer = httpx.post(f"{playground.url}/v1/batches/batch_x/{action}", headers=header)
    assert answer.status_code == 403
    assert httpx.post(f"{playground.url}/v1/batches/batch_x/{action}").status_code == 404


@pytest.mark.parametrize("path", ["/v1/speech", "/v1/audio/speech", "/v1/batches", "/v1/chat/completions"])
def test_door_answers_before_the_body(keyed: Any, path: str) -> None:  # M7
    """The answer comes though not a byte of the body that was announced has been sent."""
    connection = http.client.HTTPConnection(urlsplit(keyed.url).netloc, timeout=20)
    connection.putrequest("POST", path)
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", "900000")
    connection.endheaders()
    assert connection.getresponse().status == 401
    connection.close()


def test_door_slows_wrong_keys_and_names_their_address(keyed: Any) -> None:  # M7
    with httpx.Client(base_url=keyed.url, timeout=60) as client:
        began = time.monotonic()
        wrong = [client.get("/v1/models", headers={"Authorization": f"Bearer wrong-{n}"}) for n in range(13)]
        took = time.monotonic() - began
        assert {answer.status_code for answer in wrong} == {401}
        assert took > 1, "the first ten are free, each after them waits"
        right = client.get("/v1/models", headers={"Authorization": f"Bearer {KEY}"})
        assert right.status_code == 200
    deadline = time.monotonic() + 30
    while not any(
        line["event"] == "wrong key" and line["address"] == "127.0.0.1" for line in keyed.logs("gateway")
    ):
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_documentation_asks_for_the_key(keyed: Any) -> None:  # low
    for path in ("/docs", "/openapi.json"):
        assert httpx.get(f"{keyed.url}{path}", timeout=30).status_code == 401
    assert "models" not in httpx.get(f"{keyed.url}/readyz", timeout=30).json()
