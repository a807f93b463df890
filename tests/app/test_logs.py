"""The logs of a real playground: one request's lines, and a real collector that gathers all of them."""

import json
import logging
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from otel_collector import OtelCollector, attributes, log_records

from tts_app.manifests import load_models
from tts_app.telemetry.log_file import SharedFile
from tts_app.telemetry.logs import JsonFormatter, log

MANIFESTS = Path(__file__).parents[2] / "manifests/monitoring"
PATIENCE = 60.0
_TRACE = "0af7651916cd43dd8448eb211c80319c"


def ttsp_logs(folder: Path, *options: str) -> list[dict[str, Any]]:
    """Return the lines that `ttsp logs` prints."""
    command = [sys.executable, "-m", "tts_app.cli", "logs", "--folder", str(folder), "--json", *options]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert ran.returncode == 0, ran.stderr
    return [json.loads(line) for line in ran.stdout.splitlines()]


def logs_of(playground: Any) -> Path:
    return Path(playground.folder) / "state/logs"


def wait_until(is_so: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def test_one_request_is_found_in_the_gateway_and_the_replica(playground: Any, client: httpx.Client) -> None:
    folder = logs_of(playground)
    answer = client.post("/v1/audio/speech", json={"input": "Hello there.", "voice": "alloy"})
    request = answer.headers["x-request-id"]
    lines = ttsp_logs(folder, "--request", request)
    assert [(line["component"], line["event"]) for line in lines] == [
        ("gateway", "speech"),
        ("voice-kokoro", "segments spoken"),
        ("gateway", "request"),
    ]
    assert {(line["tenant"], line["model"], line["request_id"]) for line in lines} == {
        ("default", "kokoro", request)
    }
    assert len({line["pid"] for line in lines}) == 2


@pytest.fixture
def embedded(playground: Any) -> Iterator[None]:
    """Serve the embedded models, the text model among them, which other tests may have taken away."""
    models, served = load_models(), playground.models
    playground.apply(playground.config(models))
    playground.wait_for(sorted(model.name for model in models))
    yield
    playground.apply(playground.config([model for model in models if model.name in served]))
    playground.wait_for(served)


@pytest.mark.usefixtures("embedded")
def test_a_written_answer_is_found_in_the_replica_too(playground: Any, client: httpx.Client) -> None:
    body = {"model": "smollm", "messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 3}
    answer = client.post("/v1/chat/completions", json=body)
    assert answer.status_code == 200, answer.text
    request = answer.headers["x-request-id"]

    def processes(lines: list[dict[str, Any]]) -> set[tuple[str, str]]:
        # A line that Serve writes before the body is read knows no model yet.
        return {(line["component"], line["model"]) for line in lines if "model" in line}

    deadline = time.monotonic() + PATIENCE
    both = {("gateway", "smollm"), ("text-smollm", "smollm")}
    while processes(lines := ttsp_logs(logs_of(playground), "--request", request)) != both:
        assert time.monotonic() < deadline, lines


def test_a_stored_speech_is_found_by_its_request(playground: Any, client: httpx.Client) -> None:
    made = client.post(
        "/v1/speech", json={"text": "Good morning.", "language": "en"}, headers={"Prefer": "wait=60"}
    )
    assert made.status_code == 201, made.text
    lines = ttsp_logs(logs_of(playground), "--request", made.headers["x-request-id"])
    assert {"durable speech", "segments spoken", "durable speech done", "request"} <= {
        line["event"] for line in lines
    }
    assert {line["speech"] for line in lines} == {made.json()["id"]}


def test_a_batch_is_found_in_driver_worker_and_replica_with_its_items(
    playground: Any, client: httpx.Client
) -> None:
    body = {
        "posts": [{"id": n, "text": {"en": f"Room {n}."}} for n in (1, 2)],
        "avatars": {"locales": ["en-US"], "genders": ["female"]},
    }
    address = client.post("/v1/batches", json=body).headers["location"]
    batch = address.rpartition("/")[2]
    wait_until(lambda: client.get(address).json()["status"] == "succeeded", "the batch ends")
    lines = ttsp_logs(logs_of(playground), "--batch", batch)
    assert {line["tenant"] for line in lines} == {"default"}
    found = {(line["component"], line["event"], line.get("item")) for line in lines}
    assert found >= {
        ("gateway", "batch", None),
        ("gateway", "batch ended", None),
        *(("batch-kokoro", "item spoken", item) for item in (0, 1)),
        *(("voice-kokoro", "segments spoken", item) for item in (0, 1)),
    }


def collected(file: Path) -> list[dict[str, Any]]:
    return list(log_records(file)) if file.exists() else []


def desk(tmp_path: Path, logs: Path, ray: str) -> OtelCollector:
    places = {"TTSP_LOG_DIR": str(logs), "TTSP_LOGS_COLLECTED": str(tmp_path), "TTSP_RAY_LOGS": ray}
    return OtelCollector(tmp_path, MANIFESTS / "logs-desk.yaml", environment=places)


@pytest.mark.usefixtures("collector_built")
def test_collector_gathers_every_line_of_a_playground_once(
    playground: Any, client: httpx.Client, tmp_path: Path
) -> None:
    answer = client.post("/v1/audio/speech", json={"input": "Hello there.", "voice": "alloy"})
    request = answer.headers["x-request-id"]
    gathered = tmp_path / "logs.jsonl"
    with desk(tmp_path, logs_of(playground), str(playground.ray_logs)):
        wait_until(
            lambda: any(attributes(r).get("request_id") == request for r in collected(gathered)),
            "the request's lines are gathered",
        )
    records = collected(gathered)
    ours = [record for record in records if record["resource"]["service.name"] != "ray"]
    written = [
        json.loads(line)
        for path in logs_of(playground).glob("*.jsonl*")
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    earlier = Counter((line["component"], line["event"]) for line in written)
    delivered = Counter((r["resource"]["service.name"], r["body"]["stringValue"]) for r in ours)
    assert delivered <= earlier, "no line is there twice"
    assert {name for name, _ in earlier} == {name for name, _ in delivered}
    about = {
        (record["resource"]["service.name"], record["body"]["stringValue"])
        for record in ours
        if attributes(record).get("request_id") == request
    }
    assert about == {("gateway", "speech"), ("gateway", "request"), ("voice-kokoro", "segments spoken")}
    assert all(record["timeUnixNano"] != "0" and record["severityText"] for record in ours)
    of_ray = [record for record in records if record["resource"]["service.name"] == "ray"]
    files = {attributes(record)["log.file.name"].partition("_")[0] for record in of_ray}
    assert files >= {"raylet.out", "gcs", "controller"}
    dated = {record["severityText"] for record in of_ray if "timeUnixNano" in record}
    assert dated >= {"I", "INFO"}, "JSON of raylet and GCS, and of Serve's controller, is read"


@pytest.fixture
def rotating(tmp_path: Path) -> Iterator[Callable[[int], None]]:
    """Return what logs so many lines, as a gateway does whose file is rotated after 5 kB."""
    folder = tmp_path / "state"
    folder.mkdir()
    handler = SharedFile(folder / "gateway.jsonl", file_bytes=5000)
    handler.setFormatter(JsonFormatter("gateway", {}))
    logger = logging.getLogger("tts_app")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel("INFO")
    count = 0

    def write(lines: int) -> None:
        nonlocal count
        for count in range(count + 1, count + 1 + lines):  # noqa: B020 - it goes on where it was
            log(f"line {count}", request_id=f"r{count}", trace_id=_TRACE)

    yield write
    logger.removeHandler(handler)
    logger.setLevel(level)
    handler.close()


@pytest.mark.usefixtures("collector_built")
def test_collector_loses_and_repeats_nothing_when_files_rotate_and_it_restarts(
    tmp_path: Path, rotating: Callable[[int], None]
) -> None:
    gathered = tmp_path / "logs.jsonl"
    collector = desk(tmp_path, tmp_path / "state", str(tmp_path / "none"))
    total = 0

    def write(lines: int) -> None:
        nonlocal total
        total += lines
        rotating(lines)

    for _ in range(2):
        with collector:
            for lines in (10, 40, 40, 40):  # 40 lines rotate the file once
                write(lines)
                wait_until(lambda: len(collected(gathered)) >= total, f"{total} lines are gathered")
        write(50)  # while it is down
    with collector:
        wait_until(lambda: len(collected(gathered)) >= total, f"{total} lines are gathered")
    said = Counter(record["body"]["stringValue"] for record in collected(gathered))
    assert said == Counter(f"line {number}" for number in range(1, total + 1))
    assert {record["traceId"] for record in collected(gathered)} == {_TRACE}
    assert len(list((tmp_path / "state").glob("gateway.jsonl.*"))) == 3, "it was rotated"


_OF_RAY = {
    "asctime": "2026-11-30 20:56:27,131",
    "levelname": "W",
    "message": "metadata",
    "component": "gcs_server",
}
_OF_OPERATOR = {
    "level": "WARNING",
    "event": "condition changed",
    "logger": "tts_operator.x",
    "component": "operator",
    "namespace": "speech",
    "time": "2026-11-30T20:59:04.347680+00:00",
}


@pytest.mark.usefixtures("collector_built")
def test_collector_of_a_cluster_reads_files_as_a_node_has_them(
    playground: Any, client: httpx.Client, tmp_path: Path
) -> None:
    """The files are simulated, in the form of a container runtime; the lines are those of the playground."""
    answer = client.post("/v1/audio/speech", json={"input": "Hello there.", "voice": "alloy"})
    request = answer.headers["x-request-id"]
    documents = yaml.safe_load_all((MANIFESTS / "logs-cluster.yaml").read_text(encoding="utf-8"))
    config = next(d for d in documents if d["kind"] == "ConfigMap")["data"]["config.yaml"]
    (tmp_path / "config.yaml").write_text(config)
    (tmp_path / "positions").mkdir()
    lines = [line for name in ("gateway", "voice-kokoro") for line in playground.logs(name)]
    ours = [json.dumps(line, ensure_ascii=False) for line in lines]
    _as_a_node(
        tmp_path,
        "speech_playground-head-x",
        "ray-head",
        [*ours, json.dumps(_OF_RAY, separators=(",", ":")), "something else"],
    )
    _as_a_node(tmp_path, "tts-system_tts-playground-operator-x", "operator", [json.dumps(_OF_OPERATOR)])
    _as_a_node(tmp_path, "others_web-x", "web", ["not ours"])
    to_file = {
        "exporters": {"file": {"path": str(tmp_path / "logs.jsonl")}},
        "service": {"pipelines": {"logs": {"exporters": ["file"]}}},
    }
    places = {
        "POD_LOGS": str(tmp_path / "pods"),
        "POSITIONS": str(tmp_path / "positions"),
        "POD_IP": "127.0.0.1",
        "OTLP_ENDPOINT": "http://127.0.0.1:1",
    }
    gathered = tmp_path / "logs.jsonl"
    with OtelCollector(tmp_path, tmp_path / "config.yaml", to_file, environment=places):
        wait_until(lambda: len(collected(gathered)) >= len(ours) + 3, "every line is gathered")
    records = collected(gathered)
    assert len(records) == len(ours) + 3
    (operator,) = (r for r in records if r["resource"]["service.name"] == "operator")
    assert (operator["body"], operator["severityText"]) == ({"stringValue": "condition changed"}, "WARNING")
    assert operator["resource"]["k8s.namespace.name"] == "tts-system"
    of_ray = {r["body"]["stringValue"] for r in records if r["resource"]["service.name"] == "ray"}
    assert of_ray == {"metadata", "something else"}
    spoken = [r for r in records if attributes(r).get("request_id") == request]
    assert {r["resource"]["service.name"] for r in spoken} == {"gateway", "voice-kokoro"}
    assert {r["resource"]["k8s.pod.name"] for r in spoken} == {"playground-head-x"}
    moved = {"time", "level", "event", "logtag", "log.file.path"}
    assert all(attributes(record).keys().isdisjoint(moved) for record in records)


def _as_a_node(folder: Path, pod: str, container: str, lines: list[str]) -> None:
    """Write lines as containerd does: with a time, the stream, and long ones in parts."""
    place = folder / "pods" / f"{pod}_01234567-89ab-cdef-0123-456789abcdef" / container
    place.mkdir(parents=True)
    at = "2026-11-30T21:00:00.000000001Z stderr"
    parts = [f"{at} P {line[:100]}\n{at} F {line[100:]}\n" for line in lines]
    (place / "0.log").write_text("".join(parts), encoding="utf-8")
