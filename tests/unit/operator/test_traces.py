"""What a Playground says of traces reaches its pods; and a reconcile has a trace of its own."""

import logging

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import format_trace_id

from tts_app.resources.engines import IMAGES
from tts_app.telemetry import traces
from tts_app.telemetry.trace_recorder import Recorder
from tts_operator.desired.children import children
from tts_operator.desired.ray_service import Defaults
from tts_operator.desired.tracing import collector_port, tracing_variables
from tts_operator.kube import KubeError, _counted
from tts_operator.logs import annotate
from tts_operator.objects import RAY_SERVICE, Key
from tts_operator.running import Running

ENDPOINT = "http://otel-collector.monitoring:4318"


def traced(**tracing):
    return {"monitoring": {"tracing": {"endpoint": ENDPOINT, **tracing}}}


def variables(template):
    return {entry["name"]: entry.get("value") for entry in template["spec"]["containers"][0]["env"]}


def test_pods_of_ray_send_traces_where_the_playground_says(build, model):
    found = {child["kind"]: child for child in build([model()], **traced(sampleRatio=0.25))}
    cluster = found["RayService"]["spec"]["rayClusterConfig"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        given = variables(group["template"])
        assert traces.tracing_of(given) == traces.Tracing(ENDPOINT, 0.25)
        assert given["RAY_SERVE_TRACING_EXPORTER_IMPORT_PATH"] == "tts_app.serving.tracing:span_processors"
        assert given["OTEL_RESOURCE_ATTRIBUTES"] == "service.namespace=playground"


def test_without_a_collector_pods_stay_as_they_are(build, model):
    found = {child["kind"]: child for child in build([model()])}
    head = found["RayService"]["spec"]["rayClusterConfig"]["headGroupSpec"]["template"]
    assert not any("OTEL" in name or "TRACING" in name for name in variables(head))


def test_a_policy_lets_the_pods_reach_the_collector(build, model):
    names = {child["metadata"]["name"]: child for child in build([model()], **traced())}
    assert names["playground-traces"]["spec"]["egress"][0]["ports"] == [{"port": 4318, "protocol": "TCP"}]


@pytest.mark.parametrize(
    ("endpoint", "port"), [("http://a", 80), ("https://a/otlp", 443), ("http://a:4318", 4318)]
)
def test_port_of_a_collector(playground, endpoint, port):
    assert collector_port(playground(monitoring={"tracing": {"endpoint": endpoint}})) == port


def test_ratio_of_a_playground_that_names_none(playground):
    given = {entry["name"]: entry["value"] for entry in tracing_variables(playground(**traced()))}
    assert given["OTEL_TRACES_SAMPLER_ARG"] == "0.01"


@pytest.fixture
def build(playground, model):
    defaults = Defaults(
        "app:1", {key: f"{key}:1" for key in IMAGES}, "2.60.0", "kuberay", profile="development"
    )

    def built(models, **spec):
        return children(playground(**spec), models, (), defaults, ())

    return built


@pytest.fixture
def recorded():
    exporter = InMemorySpanExporter()
    traces.use(Recorder("operator", 1.0, SimpleSpanProcessor(exporter)))
    yield exporter
    traces.use(None)


async def test_a_reconcile_is_a_trace_with_its_calls_of_the_api(recorded):
    logged = logging.LogRecord("operator", logging.INFO, "", 1, "said", None, None)

    async def reconcile(key):
        annotate(logged)
        with _counted("get", RAY_SERVICE):
            return 5.0

    assert await Running().measured(reconcile)(Key("speech", "playground"), 0.5) == 5.0
    call, whole = recorded.get_finished_spans()
    assert (whole.name, call.name) == ("reconcile", "get RayService")
    assert call.parent.span_id == whole.get_span_context().span_id
    assert whole.attributes == {
        "ttsp.namespace": "speech",
        "ttsp.service": "playground",
        "ttsp.waited_seconds": 0.5,
    }
    assert call.attributes == {"ttsp.code": "200"}
    assert logged.trace_id == format_trace_id(whole.get_span_context().trace_id)


async def test_a_reconcile_that_fails_says_so_in_its_trace(recorded):
    async def reconcile(_key):
        raise KubeError("secret words", 403)

    with pytest.raises(KubeError):
        await Running().measured(reconcile)(Key("speech", "playground"), 0.0)
    (span,) = recorded.get_finished_spans()
    assert span.attributes["error.type"] == "tts_operator.kube.KubeError"
    assert "secret words" not in span.to_json()
