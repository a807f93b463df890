"""One trace of each request, over all processes, as a real collector gets it."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from otel_collector import OtelCollector, attributes, otlp_to_files, spans

from cluster.process import free_port

pytestmark = pytest.mark.usefixtures("collector_built")
PATIENCE = 120.0
"""Seconds to wait on a busy machine."""
WORD = "zanzibarquokka"
CALLER = "b7ad6b7169203331"
"""The caller's span."""
SPEECH, UNSAMPLED, DURABLE, TEXT = (f"{number}af7651916cd43dd8448eb211c80319c" for number in range(4))
"""Traces that the caller has begun."""
NUMBERS = {
    "POST /v1/audio/speech": 3,  # one of them refused
    "POST /v1/chat/completions": 1,
    "durable speech": 1,
    "batch item": 1,
    "store": 1,
    "segment": 6,  # two of each speech that is recorded, one of the durable speech, one of the item
    "engine call": 6,
    "route_to_replica Voice synthesise": 5,  # the batch's worker is no part of Serve
    "replica_handle_request Voice synthesise": 5,
}
"""How many spans of each name the requests leave."""
SAY = {"input": f"One {WORD}. And a second sentence for the {WORD}.", "voice": "alloy"}


@dataclass
class Run:
    """What some requests were answered, and the spans and lines of logs that they left."""

    answers: dict[str, httpx.Response] = field(default_factory=dict)
    spans: list[dict[str, Any]] = field(default_factory=list)
    exported: str = ""
    logs: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def of(self, trace: str) -> list[dict[str, Any]]:
        """The spans of a trace; questions to models what they can do are asked for all, and left out."""
        return [s for s in self.spans if s["traceId"] == trace and not s["name"].endswith(" describe")]

    def parents(self, trace: str) -> dict[tuple[str, str], set[str]]:
        """By component and name of a trace's spans, the names of their parents."""
        names = {span["spanId"]: span["name"] for span in self.spans} | {CALLER: "the caller's", "": "none"}
        found: dict[tuple[str, str], set[str]] = {}
        for span in self.of(trace):
            key = (span["resource"]["service.name"], span["name"])
            found.setdefault(key, set()).add(names[span.get("parentSpanId", "")])
        return found

    def one(self, name: str) -> dict[str, Any]:
        """The only span of a name."""
        (found,) = (span for span in self.spans if span["name"] == name)
        return found


def sampled(trace: str, flag: str = "01") -> dict[str, str]:
    return {"traceparent": f"00-{trace}-{CALLER}-{flag}"}


def ask(client: httpx.Client) -> dict[str, httpx.Response]:
    """Ask for everything that is traced, with words that must not be in any trace."""
    text = {"model": "smollm", "messages": [{"role": "user", "content": f"Say {WORD}."}], "max_tokens": 4}
    durable = {"text": f"Two {WORD}.", "language": "en"}
    posts = [{"id": 1, "text": {"en": f"Three {WORD}."}}]
    batch = {"posts": posts, "avatars": {"locales": ["en-US"], "genders": ["female"]}}
    words = {"params": {"query": WORD}, "headers": {"User-Agent": WORD, "X-Whatever": WORD}}
    answers = {
        "speech": client.post("/v1/audio/speech", json=SAY, headers=sampled(SPEECH)),
        "unsampled": client.post("/v1/audio/speech", json=SAY, headers=sampled(UNSAMPLED, "00")),
        "text": client.post("/v1/chat/completions", json=text, headers=sampled(TEXT)),
        "durable": client.post("/v1/speech", json=durable, headers={**sampled(DURABLE), "Prefer": "wait=60"}),
        "batch": client.post("/v1/batches", json=batch),
        "invalid": client.post("/v1/audio/speech", json=SAY, headers={"traceparent": f"00-{WORD}-01"}),
        "refused": client.post("/v1/audio/speech", json={**SAY, "voice": WORD}, **words),
        "unknown": client.get(f"/v1/{WORD}", **words),
    }
    wait(lambda: client.get(answers["batch"].headers["location"]).json()["status"] == "succeeded")
    return answers


def wait(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.3)


@pytest.fixture(scope="module")
def run(starting: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    folder = tmp_path_factory.mktemp("collector")
    port = free_port("127.0.0.1")
    file = folder / "traces.jsonl"
    environment = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
        "OTEL_TRACES_SAMPLER_ARG": "1",
        "OTEL_BSP_SCHEDULE_DELAY": "200",
    }
    made = Run()
    with (
        OtelCollector(folder, otlp_to_files(port, folder)),
        starting("traces", **environment) as playground,
        httpx.Client(base_url=playground.url, timeout=PATIENCE) as client,
    ):
        made.answers = ask(client)
        wait(lambda: has_all(file))
        made.logs = {name: playground.logs(name) for name in ("gateway", "voice-kokoro")}
    made.spans = list(spans(file))
    made.exported = file.read_text()
    yield made


def has_all(file: Path) -> bool:
    """Return whether all spans of the requests have come: each process sends its own."""
    text = file.read_text() if file.exists() else ""
    return all(text.count(f'"name":"{name}"') == number for name, number in NUMBERS.items())


def test_a_speech_is_one_trace_from_the_call_to_the_engine(run: Run) -> None:
    assert run.answers["speech"].status_code == 200
    gateway, replica = "gateway", "voice-kokoro"
    assert run.parents(SPEECH) == {
        (gateway, "POST /v1/audio/speech"): {"the caller's"},
        (gateway, "speech"): {"POST /v1/audio/speech"},
        (gateway, "admission"): {"speech"},
        (gateway, "front-end"): {"speech"},
        (gateway, "segment"): {"speech"},
        (gateway, "encode"): {"speech"},
        (gateway, "route_to_replica Voice synthesise"): {"segment"},
        (replica, "replica_handle_request Voice synthesise"): {"route_to_replica Voice synthesise"},
        (replica, "engine"): {"replica_handle_request Voice synthesise"},
        (replica, "engine call"): {"engine"},
    }


def test_a_speech_tells_what_it_was_in_figures_and_names(run: Run) -> None:
    (request,) = (s for s in run.of(SPEECH) if s["name"] == "POST /v1/audio/speech")
    (speech,) = (s for s in run.of(SPEECH) if s["name"] == "speech")
    assert attributes(request) == {
        "http.request.method": "POST",
        "http.route": "/v1/audio/speech",
        "http.response.status_code": "200",
        "ttsp.request_id": run.answers["speech"].headers["x-request-id"],
    }
    assert (
        attributes(speech).items()
        >= {
            "ttsp.tenant": "default",
            "ttsp.model": "kokoro",
            "ttsp.voice": "female_en-US",
            "ttsp.characters": str(len(SAY["input"])),
        }.items()
    )


def test_the_answer_tells_its_trace(run: Run) -> None:
    (request,) = (s for s in run.of(SPEECH) if s["name"] == "POST /v1/audio/speech")
    assert run.answers["speech"].headers["traceresponse"] == f"00-{SPEECH}-{request['spanId']}-01"


def test_a_call_of_the_engine_is_linked_to_the_segments_that_it_serves(run: Run) -> None:
    segments = {span["spanId"] for span in run.of(SPEECH) if span["name"] == "engine"}
    calls = [span for span in run.of(SPEECH) if span["name"] == "engine call"]
    assert {link["spanId"] for call in calls for link in call["links"]} == segments


def test_a_trace_that_its_caller_does_not_record_leaves_nothing(run: Run) -> None:
    assert run.answers["unsampled"].status_code == 200
    assert "traceresponse" not in run.answers["unsampled"].headers
    assert [span for span in run.spans if span["traceId"] == UNSAMPLED] == []


def test_no_span_is_without_the_one_around_it(run: Run) -> None:
    known = {span["spanId"] for span in run.spans} | {CALLER, ""}
    assert [s["name"] for s in run.spans if s.get("parentSpanId", "") not in known] == []
    begins = {span["name"] for span in run.spans if not span.get("parentSpanId")}
    assert all(name == "batch item" or name.split()[0] in ("GET", "POST") for name in begins), begins


def test_an_answer_that_is_written_is_one_trace(run: Run) -> None:
    assert run.answers["text"].status_code == 200
    assert run.parents(TEXT) == {
        ("gateway", "POST /v1/chat/completions"): {"the caller's"},
        ("gateway", "text"): {"POST /v1/chat/completions"},
        ("gateway", "admission"): {"text"},
        ("text-smollm", "engine"): {"text"},
    }


def test_a_durable_speech_goes_on_with_the_trace_of_its_request(run: Run) -> None:
    assert run.answers["durable"].status_code == 201
    parents = run.parents(DURABLE)
    assert parents["gateway", "durable speech"] == {"POST /v1/speech"}
    assert parents["gateway", "speech"] == {"durable speech"}
    assert parents["voice-kokoro", "engine call"] == {"engine"}


def test_an_item_of_a_batch_is_a_trace_that_is_linked_to_the_request_for_the_batch(run: Run) -> None:
    item = run.one("batch item")
    (link,) = item["links"]
    assert link["spanId"] == run.one("POST /v1/batches")["spanId"]
    assert attributes(item)["ttsp.batch"] == run.answers["batch"].json()["id"]
    worker = "batch-kokoro"
    assert run.parents(item["traceId"]) == {
        ("gateway", "batch item"): {"none"},
        (worker, "speech"): {"batch item"},
        (worker, "front-end"): {"speech"},
        (worker, "segment"): {"speech"},
        (worker, "encode"): {"speech"},
        (worker, "store"): {"batch item"},
        ("voice-kokoro", "engine"): {"segment"},
        ("voice-kokoro", "engine call"): {"engine"},
    }


def test_a_header_that_is_no_trace_context_is_ignored(run: Run) -> None:
    assert run.answers["invalid"].status_code == 200
    trace = run.answers["invalid"].headers["traceresponse"].split("-")[1]
    (request,) = (s for s in run.of(trace) if s["name"] == "POST /v1/audio/speech")
    assert "parentSpanId" not in request or not request["parentSpanId"]


def test_a_refusal_is_a_trace_without_an_address(run: Run) -> None:
    assert run.answers["refused"].status_code == 400
    unknown = run.one("GET")
    assert attributes(unknown)["http.response.status_code"] == "404"


def test_no_trace_has_a_word_of_a_caller(run: Run) -> None:
    assert "encode" in run.exported
    assert WORD not in run.exported


def test_lines_of_logs_name_their_trace(run: Run) -> None:
    lines = [line for line in run.logs["gateway"] if line.get("trace_id") == SPEECH]
    identity = run.answers["speech"].headers["x-request-id"]
    assert [line["event"] for line in lines if line.get("request_id") == identity][-1] == "request"
    assert any(line.get("trace_id") == SPEECH for line in run.logs["voice-kokoro"])
    assert not any(line.get("trace_id") == UNSAMPLED for line in run.logs["gateway"])


def test_without_a_collector_there_is_no_trace(playground: Any) -> None:
    answer = httpx.post(
        f"{playground.url}/v1/audio/speech", json=SAY, headers=sampled(SPEECH), timeout=PATIENCE
    )
    assert answer.status_code == 200
    assert "traceresponse" not in answer.headers
    assert not any("trace_id" in line for line in playground.logs("gateway"))
