"""The collector that the tests of logs and traces run."""

from pathlib import Path

import httpx
import pytest
from otel_collector import OtelCollector, attributes, log_records, otlp_to_files, spans

from cluster.process import free_port

pytestmark = pytest.mark.usefixtures("collector_built")
_RESOURCE = {"attributes": [{"key": "service.name", "value": {"stringValue": "somebody"}}]}


def test_collector_delivers_what_it_received_before_it_ended(tmp_path: Path) -> None:
    port = free_port("127.0.0.1")
    given = {"key": "number", "value": {"intValue": "7"}}
    span = {"traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331", "name": "one"}
    record = {"body": {"stringValue": "said"}, "attributes": [given]}
    with OtelCollector(tmp_path, otlp_to_files(port, tmp_path)):
        for signal, key, inner in (
            ("traces", "resourceSpans", "scopeSpans"),
            ("logs", "resourceLogs", "scopeLogs"),
        ):
            what = (
                {"spans": [span | {"attributes": [given]}]}
                if signal == "traces"
                else {"logRecords": [record]}
            )
            body = {key: [{"resource": _RESOURCE, inner: [what]}]}
            assert httpx.post(f"http://127.0.0.1:{port}/v1/{signal}", json=body).status_code == 200
    (one,) = spans(tmp_path / "traces.jsonl")
    (said,) = log_records(tmp_path / "logs.jsonl")
    assert (one["name"], attributes(one), one["resource"]) == (
        "one",
        {"number": "7"},
        {"service.name": "somebody"},
    )
    assert (said["body"], attributes(said)) == ({"stringValue": "said"}, {"number": "7"})
