"""The Prometheus of the tests scrapes real targets, answers queries and evaluates rules."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Gauge, start_http_server
from prometheus_server import PrometheusError, PrometheusServer, Target

from cluster.process import Process, StartError, answers, free_port


@pytest.fixture
def exporter(node_exporter: str, tmp_path: Path) -> Iterator[str]:
    """A node exporter that runs, as host:port."""
    port = free_port("127.0.0.1")
    command = [node_exporter, f"--web.listen-address=127.0.0.1:{port}"]
    process = Process("node exporter", command, tmp_path / "exporter.log")
    process.start()
    process.wait_ready(lambda: answers("127.0.0.1", port, "/metrics"), 30)
    yield f"127.0.0.1:{port}"
    process.stop()


def firing(server: PrometheusServer, count: int) -> list[tuple[str, str, str]]:
    """Wait until so many alerts fire: name, severity and summary of each."""
    deadline = time.monotonic() + 30
    while len(found := [alert for alert in server.alerts() if alert.state == "firing"]) != count:
        assert time.monotonic() < deadline, server.alerts()
        time.sleep(0.1)
    return [(alert.name, alert.labels["severity"], alert.annotations["summary"]) for alert in found]


@pytest.mark.usefixtures("prometheus")
def test_it_scrapes_and_answers_and_fires(exporter: str, tmp_path: Path) -> None:
    registry = CollectorRegistry()
    gauge = Gauge("waiting", "Requests that wait", ["model"], registry=registry)
    gauge.labels("kokoro").set(3)
    port = free_port("127.0.0.1")
    http, thread = start_http_server(port, "127.0.0.1", registry)
    rule = {
        "alert": "Waiting",
        "expr": "waiting > 2",
        "labels": {"severity": "warning"},
        "annotations": {"summary": "{{ $value }} wait for {{ $labels.model }}"},
    }
    rules = tmp_path / "rules.json"
    rules.write_text(json.dumps({"groups": [{"name": "test", "rules": [rule]}]}))
    nobody = f"127.0.0.1:{free_port('127.0.0.1')}"
    targets = [
        Target("ours", f"127.0.0.1:{port}", labels={"place": "here"}),
        Target("node", exporter),
        Target("gone", nobody),
    ]
    began = time.time()
    with PrometheusServer(tmp_path, targets, [rules]) as server:
        assert server.targets() == {
            f"ours 127.0.0.1:{port}": "up",
            f"node {exporter}": "up",
            f"gone {nobody}": "down",
        }
        (sample,) = server.query("waiting")
        assert (sample.value, sample.labels["model"], sample.labels["place"]) == (3, "kokoro", "here")
        assert server.query("node_memory_MemTotal_bytes")[0].value > 2**20
        assert server.query("waiting", at=began - 3600) == []
        assert server.query("scalar(sum(waiting))")[0].value == 3
        (series,) = server.query_range("waiting * 2", start=began, end=time.time() + 5, step=1)
        assert {value for _, value in series.points} == {6}
        assert firing(server, 1) == [("Waiting", "warning", "3 wait for kokoro")]
        gauge.labels("kokoro").set(0)
        assert firing(server, 0) == []
        with pytest.raises(PrometheusError, match="parse error"):
            server.query("sum(")
    http.shutdown()
    thread.join()


@pytest.mark.usefixtures("prometheus")
def test_wrong_rules_are_told(tmp_path: Path) -> None:
    rules = tmp_path / "rules.json"
    rules.write_text('{"groups": [{"name": "test", "rules": [{"record": "a", "expr": "sum("}]}]}')
    with pytest.raises(StartError, match="parse error"), PrometheusServer(tmp_path, [], [rules]):
        pass
