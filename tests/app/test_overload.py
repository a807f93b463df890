"""Too many callers, and callers who leave."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

PATH = "/v1/audio/speech"
LONG = "The harbour is quiet at night, and the boats lie still. " * 60


def test_a_flood_is_answered_and_leaves_nothing_behind(playground: Any) -> None:
    body = {"input": "Hello, how are you today?", "voice": "alloy"}
    limits = httpx.Limits(max_connections=50)
    with (
        httpx.Client(base_url=playground.url, timeout=120, limits=limits) as client,
        ThreadPoolExecutor(50) as pool,
    ):
        answers = list(pool.map(lambda _: client.post(PATH, json=body), range(50)))
    statuses = Counter(answer.status_code for answer in answers)
    assert set(statuses) == {200, 429}, statuses
    for answer in answers:
        if answer.status_code == 429:
            assert 1 <= int(answer.headers["retry-after"]) <= 600
            assert answer.json()["error"]["type"] == "rate_limit_error"
            assert answer.elapsed.total_seconds() < 10, "refused at once"
    assert len({answer.content for answer in answers if answer.status_code == 200}) == 1
    playground.wait_idle()


def test_a_caller_who_leaves_stops_the_synthesis(playground: Any) -> None:
    playground.wait_idle()
    before = playground.segments_spoken()
    body = {"input": LONG, "voice": "alloy"}
    with (
        httpx.Client(base_url=playground.url, timeout=60) as client,
        client.stream("POST", PATH, json=body) as response,
    ):
        assert response.status_code == 200
        pieces = response.iter_bytes()  # kept: where httpx's iterator goes, the connection goes
        assert next(pieces)
        assert playground.load()[0] == 1
    playground.wait_idle()
    stopped = playground.segments_spoken()
    time.sleep(2)
    assert playground.segments_spoken() == stopped
    assert stopped - before < 12, "most of its segments were never spoken"


def test_callers_who_leave_the_queue_free_their_places(playground: Any) -> None:
    playground.wait_idle()

    def impatient(_: int) -> None:
        try:
            httpx.post(f"{playground.url}{PATH}", json={"input": LONG, "voice": "alloy"}, timeout=1.0)
        except httpx.TimeoutException:
            return

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(impatient, range(10)))
    playground.wait_idle()
    answer = httpx.post(
        f"{playground.url}{PATH}", json={"input": "Still here.", "voice": "alloy"}, timeout=60
    )
    assert answer.status_code == 200
