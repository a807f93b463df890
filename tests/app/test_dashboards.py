"""Every query of every dashboard, ours and Ray's own, on a Prometheus that scrapes a playground at work."""

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from dashboard_queries import EMPTY, FOLDER, has_data, known_empty, missing, queries, wrong
from prometheus_server import PrometheusMissingError, PrometheusServer, Target, find_program

from tts_operator.desired.monitoring import DROPPED_LABELS

RULES = FOLDER.parent / "rules"
PRICE = 'groups: [{name: price, rules: [{record: "ttsp:node_price_per_hour", expr: "vector(2)"}]}]\n'
WITHIN = 240.0
"""Seconds in which all has to be there: Ray exports every ten seconds, and a rate needs two scrapes."""
SPEECH = "/v1/audio/speech"
CHATS = "/v1/chat/completions"
SENTENCE = "The harbour is quiet at night, and the boats lie still. "
BODY = {"input": SENTENCE, "voice": "alloy"}
CHAT = {"model": "smollm", "messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 8}
BATCH = {
    "posts": [{"id": number, "text": {"en": SENTENCE * 3}} for number in range(1, 9)],
    "avatars": {"locales": ["en-US"], "genders": ["female"]},
}
"""It takes longer than Ray takes to export what only a running batch has."""


@pytest.fixture(scope="module")
def prometheus_found() -> None:
    """Have a Prometheus, or say how it is had."""
    try:
        find_program("prometheus")
    except PrometheusMissingError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(str(error))
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def playground(prometheus_found: None, starting: Callable[..., Any]) -> Iterator[Any]:
    """A playground of its own: a query is empty only if nothing in this file makes it full."""
    with starting("dashboards", TTSP_AUDIT="true") as started:
        yield started


@pytest.fixture(scope="module")
def prometheus(playground: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusServer]:
    """It scrapes the playground as a cluster's does: without the labels that its monitors drop."""
    folder = tmp_path_factory.mktemp("prometheus")
    price = folder / "price.yaml"
    price.write_text(PRICE, encoding="utf-8")
    target = Target("playground", urlsplit(playground.metrics).netloc)
    rules = [*sorted(RULES.glob("*.yaml")), price]
    with PrometheusServer(folder, [target], rules, interval=2, dropped_labels=DROPPED_LABELS) as server:
        yield server


def use(client: httpx.Client, queue: int) -> None:
    """Use what the playground has; be refused, be turned away, and leave too early."""
    assert client.post(SPEECH, json=BODY).status_code == 200
    stored = {"text": SENTENCE, "language": "en"}
    client.post("/v1/speech", json=stored, headers={"prefer": "wait=60"}).raise_for_status()
    assert client.post(CHATS, json=CHAT).status_code == 200
    assert client.post(SPEECH, json={**BODY, "voice": "nobody"}).status_code == 400
    assert client.post(SPEECH, json={**BODY, "input": "\u200b"}).status_code == 400
    too_long = [{"role": "user", "content": SENTENCE * 500}]
    assert client.post(CHATS, json={**CHAT, "messages": too_long}).status_code == 400
    assert client.get("/v1/nothing").status_code == 404
    with client.stream("POST", SPEECH, json={**BODY, "input": SENTENCE * 40}) as left:
        assert next(left.iter_bytes())
    for path, body in ((SPEECH, BODY), (CHATS, CHAT)):
        with ThreadPoolExecutor(6 * queue) as pool:
            answers = [pool.submit(client.post, path, json=body) for _ in range(6 * queue)]
        assert {answer.result().status_code for answer in answers} == {200, 429}


def has_ended(client: httpx.Client, batch: dict[str, Any]) -> bool:
    """Say whether a batch has ended."""
    return client.get(batch["links"]["self"]).json()["status"] not in ("queued", "running")


def test_each_query_of_each_dashboard_has_data_or_a_reason_why_not(
    playground: Any, prometheus: PrometheusServer
) -> None:
    start = time.time()
    empty = known_empty(EMPTY)
    found = {query: False for path in sorted(FOLDER.glob("*.json")) for query in queries(path)}
    limits = httpx.Limits(max_connections=200)
    with httpx.Client(base_url=playground.url, timeout=120, limits=limits) as client:
        batch = client.post("/v1/batches", json=BATCH).raise_for_status().json()
        while missing(found, empty) and time.time() < start + WITHIN:
            use(client, playground.queue)
            for query in (query for query, filled in found.items() if not filled):
                found[query] = has_data(prometheus, query.promql, start=start, end=time.time())
            if has_ended(client, batch):
                batch = client.post("/v1/batches", json=BATCH).raise_for_status().json()
    assert wrong(found, empty) == []
