"""What listens where, who may talk to it, and what is written down."""

import os
import re
import time
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest


def test_ray_asks_for_its_token(playground: Any) -> None:
    address = f"{playground.dashboard}/api/serve/applications/"
    assert httpx.get(address, timeout=30).status_code == 401
    wrong = httpx.get(address, headers={"authorization": "Bearer " + "0" * 64}, timeout=30)
    assert wrong.status_code in (401, 403)
    known = httpx.get(address, headers={"authorization": f"Bearer {playground.token}"}, timeout=30)
    assert known.status_code == 200
    assert set(known.json()["applications"]) >= {"gateway", "kokoro"}


def test_secrets_are_their_owners_only(playground: Any) -> None:
    state: Path = playground.folder / "state"
    assert state.stat().st_mode & 0o077 == 0
    for name in ("ray-token", "text-hash.key", "metadata.sqlite"):
        assert (state / name).stat().st_mode & 0o077 == 0, name


def test_nothing_is_open_to_other_machines_without_the_token(playground: Any) -> None:
    """Ray Serve's replicas bind their internal ports to all addresses; Ray's token guards those."""
    import grpc
    from ray.serve.generated import serve_pb2, serve_pb2_grpc  # takes seconds, in which replicas may end

    connections = psutil.net_connections("tcp")
    session = os.getsid(playground.process.pid)
    open_to_all = []
    for connection in connections:
        if (
            connection.status != "LISTEN"
            or connection.pid is None
            or not _in_session(connection.pid, session)
        ):
            continue
        if (
            not connection.laddr.ip.removeprefix("::ffff:").startswith("127.")
            and connection.laddr.ip != "::1"
        ):
            open_to_all.append((psutil.Process(connection.pid).cmdline()[0], connection.laddr.port))
    assert all(name.startswith("ray::ServeReplica") for name, _ in open_to_all), open_to_all
    for _, replica in open_to_all:
        with grpc.insecure_channel(f"127.0.0.1:{replica}") as channel:
            stub = serve_pb2_grpc.ASGIServiceStub(channel)
            with pytest.raises(grpc.RpcError) as refused:
                stub.HandleRequest(serve_pb2.ASGIRequest(), timeout=10)
            assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED


def test_a_taken_port_is_said_plainly(playground: Any) -> None:
    from tts_app.serving.embedded import Playground, ServingError
    from tts_app.settings import Settings

    port = int(playground.url.rsplit(":", 1)[1])
    with pytest.raises(ServingError, match=f"127.0.0.1:{port}"):
        Playground(Settings(port=port)).start()


@pytest.mark.parametrize(
    "host",
    [
        "0.0.0.0",
        "::",
        "192.0.2.1",
        "127.evil.example",
        "localhost.evil.example",
        "::1234",
        "localhostx",
        "127.1",
    ],
)
def test_beyond_loopback_a_key_is_needed(host: str) -> None:
    from tts_app.serving.embedded import Playground, ServingError
    from tts_app.settings import Settings

    with pytest.raises(ServingError, match="TTSP_API_KEY"):
        Playground(Settings(host=host))


def test_logs_are_json_without_the_text(playground: Any, client: httpx.Client) -> None:
    secret = "Platypus confidential zebra"
    client.post(
        "/v1/audio/speech", json={"input": secret, "voice": "alloy"}, headers={"x-request-id": "log-1"}
    )
    events: list[str] = []
    deadline = time.monotonic() + 30
    while events != ["speech", "request"]:  # the last line is written once the answer has been sent
        assert time.monotonic() < deadline, events
        events = [line["event"] for line in playground.logs("gateway") if line.get("request_id") == "log-1"]
    for file in (playground.folder / "state" / "logs").iterdir():
        assert "latypus" not in file.read_text(), file
    assert "latypus" not in (playground.folder / "output.txt").read_text()


def test_metrics_are_served_on_loopback(playground: Any, client: httpx.Client) -> None:
    assert client.post("/v1/audio/speech", json={"input": "Count me.", "voice": "nova"}).status_code == 200
    wanted = {
        "ttsp_speech_requests",
        "ttsp_speech_audio_seconds",
        "ttsp_speech_request_seconds_bucket",
        "ttsp_speech_first_audio_seconds_bucket",
        "ttsp_engine_segments",
    }
    deadline = time.monotonic() + 90
    while True:
        text = httpx.get(f"{playground.metrics}/metrics", timeout=30).text
        found = {name for name in wanted if re.search(rf"^(ray_)?{name}(_total)?\{{", text, re.MULTILINE)}
        if found == wanted and 'voice="female_en-US"' in text:
            return
        assert time.monotonic() < deadline, wanted - found
        time.sleep(1)


def _in_session(pid: int, session: int) -> bool:
    try:
        return os.getsid(pid) == session
    except ProcessLookupError:
        return False
