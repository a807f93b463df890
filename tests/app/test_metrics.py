"""docs/metrics.md, held against a real scrape."""

import re
import time
from enum import StrEnum
from typing import Any

import httpx
import pytest
from metrics_page import Scrape, documented

from tts_app.api.app import ROUTERS
from tts_app.telemetry.metrics import batch, engine, governor, labels, queue, storage
from tts_app.telemetry.metrics.http import METHODS, OTHER_METHOD, UNMATCHED, Refusal
from tts_app.telemetry.metrics.speech import CLONED, SPEAKER

WORD = "Platypus"
CANARY = f"{WORD} zebra"
CAUSED = {
    "always",
    "with the first speech",
    "with the first refusal",
    "with the first batch",
    "while a batch runs",
}
"""When metrics appear that these tests cause to appear."""
OTHERWISE = {
    "with the first text",
    "with the first failure",
    "with the first overload",
    "with the first retry",
    "with the first row, where there is an audit",
    "while a batch runs, once items are done",
    "while a batch runs and `TTSP_BATCH_UTILISATION` is below 1",
}
VALUES: dict[str, list[type[StrEnum]]] = {
    "kind": [labels.Kind],
    "priority": [labels.Priority],
    "outcome": [labels.Outcome, engine.SegmentOutcome, batch.BatchOutcome, batch.ItemOutcome],
    "reason": [Refusal, labels.Failure, queue.Shed],
    "state": [batch.BatchState, batch.ItemState],
    "device": [engine.Device],
    "memory": [engine.Memory],
    "resource": [governor.Resource],
    "store": [storage.Store],
}
"""Closed lists, by label."""


@pytest.fixture(scope="module")
def scrape(playground: Any) -> Scrape:
    """What the playground exports once it has spoken, refused and rendered a batch."""
    with httpx.Client(base_url=playground.url, timeout=120) as client:
        _use(client)
        wanted = {name for name, metric in documented().items() if metric.appears in CAUSED}
        texts: list[str] = []
        deadline = time.monotonic() + 90
        while missing := wanted - Scrape(texts).metrics.keys():
            assert time.monotonic() < deadline, f"not exported: {sorted(missing)}"
            time.sleep(1)
            texts.append(httpx.get(f"{playground.metrics}/metrics", timeout=30).text)
    assert not any(WORD in text for text in texts), "a text is in a metric"
    return Scrape(texts)


def _use(client: httpx.Client) -> None:
    spoken = client.post("/v1/audio/speech", json={"input": f"{CANARY}.", "voice": "nova"})
    assert spoken.status_code == 200
    assert client.post("/v1/audio/speech", json={"input": CANARY, "voice": CANARY}).status_code == 400
    assert client.get(f"/{CANARY}/not/there").status_code == 404
    assert client.request("PROPFIND", "/v1/models").status_code == 405
    wait = {"prefer": "wait=60"}
    stored = client.post("/v1/speech", json={"text": CANARY, "voice": "female_en-GB"}, headers=wait)
    assert stored.status_code == 201
    assert client.get(stored.headers["location"]).status_code == 200
    posts = [{"id": 1, "text": {"en": CANARY}}]
    made = client.post("/v1/batches", json={"posts": posts, "avatars": {"locales": ["en-US"]}}).json()
    deadline = time.monotonic() + 90
    while (state := client.get(f"/v1/batches/{made['id']}").json()["status"]) != "succeeded":
        assert time.monotonic() < deadline, state
        time.sleep(0.3)


def test_what_is_scraped_is_in_the_page_with_its_labels(scrape: Scrape) -> None:
    page = documented()
    assert scrape.metrics.keys() <= page.keys(), "they are not in docs/metrics.md"
    for name, metric in scrape.metrics.items():
        assert (metric.type, metric.labels) == (page[name].type, page[name].labels), name


def test_the_page_says_when_a_metric_appears_that_was_not_scraped(scrape: Scrape) -> None:
    page = documented()
    assert {metric.appears for metric in page.values()} <= CAUSED | OTHERWISE
    missing = page.keys() - scrape.metrics.keys()
    assert {page[name].appears for name in missing} <= OTHERWISE


def test_labels_have_values_of_closed_lists_alone(scrape: Scrape, playground: Any) -> None:
    """No tenant, text, address or id of a caller is among them."""
    routes = {getattr(route, "path", "") for router in ROUTERS for route in router.routes}
    allowed: dict[str, str] = {
        label: "|".join(re.escape(value) for kind in kinds for value in kind)
        for label, kinds in VALUES.items()
    }
    allowed |= {
        "route": "|".join([*map(re.escape, {*routes, UNMATCHED}), r"/(docs|static|openapi)[\w./{}:-]*"]),
        "method": "|".join({*METHODS, OTHER_METHOD}),
        "status": r"[1-5]\d\d",
        "voice": rf"(female|male)_[a-z]{{2}}-[A-Z]{{2}}|{CLONED}|{SPEAKER}",
        "version": r"\d+\.\d+\.\d+",
        "python": r"3\.\d+\.\d+",
        "ray": r"\d+\.\d+\.\d+",
    }
    for label, values in scrape.values.items():
        if label == "model":
            assert "kokoro" in values
            continue  # other tests serve models of theirs beside it
        for value in values:
            assert re.fullmatch(allowed[label], value), f"{label}={value!r}"
