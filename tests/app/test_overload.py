"""Too many callers, and callers who leave."""

import asyncio
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

PATH = "/v1/audio/speech"
SENTENCE = "The harbour is quiet at night, and the boats lie still. "
LONG = SENTENCE * 60


def test_speech_route_answers_a_flood_with_200_or_429(playground: Any) -> None:
    body = {"input": "Hello, how are you today?", "voice": "alloy"}
    many = 6 * playground.queue
    limits = httpx.Limits(max_connections=many)
    with (
        httpx.Client(base_url=playground.url, timeout=120, limits=limits) as client,
        ThreadPoolExecutor(many) as pool,
    ):
        answers = list(pool.map(lambda _: client.post(PATH, json=body), range(many)))
    statuses = Counter(answer.status_code for answer in answers)
    assert set(statuses) == {200, 429}, statuses
    for answer in answers:
        if answer.status_code == 429:
            assert 1 <= int(answer.headers["retry-after"]) <= 600
            assert answer.json()["error"]["type"] == "rate_limit_error"
    assert len({answer.content for answer in answers if answer.status_code == 200}) == 1
    playground.wait_idle()


def test_speech_route_stops_synthesis_when_the_caller_leaves(playground: Any) -> None:
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
    # What were spoken further would be spoken as fast as this.
    httpx.post(f"{playground.url}{PATH}", json={"input": SENTENCE * 6, "voice": "alloy"}, timeout=60)
    assert playground.segments_spoken() - stopped <= 6 + 1, "no more than these, and what was in hand"
    assert stopped - before < 30, "most of its segments were never spoken"


async def places(playground: Any) -> int:
    """How many callers have a place: they are spoken to, or wait."""
    return sum(await asyncio.to_thread(playground.load))


async def test_speech_queue_refuses_one_too_many_and_frees_places_of_callers_who_leave(
    playground: Any,
) -> None:
    """Others are spoken to, and wait, as long as this lasts."""
    queue = playground.queue
    playground.wait_idle()
    body = {"input": LONG, "voice": "alloy"}
    callers: list[asyncio.Task[httpx.Response]] = []
    limits = httpx.Limits(max_connections=100)
    async with httpx.AsyncClient(base_url=playground.url, timeout=120, limits=limits) as client:
        while not any(caller.done() for caller in callers):
            callers.append(asyncio.create_task(client.post(PATH, json=body)))
            async with asyncio.timeout(60):
                while await places(playground) < len(callers) and not callers[-1].done():
                    pass  # it has not come yet
        *served, refused = callers
        assert refused.done(), "nobody was spoken to before one was refused"
        assert refused.result().status_code == 429
        assert not any(caller.done() for caller in served)
        assert playground.load() == (len(served) - queue, queue)
        for caller in served:
            caller.cancel()
        await asyncio.gather(*served, return_exceptions=True)
        await asyncio.to_thread(playground.wait_idle)
        answer = await client.post(PATH, json={"input": "Still here.", "voice": "alloy"})
    assert answer.status_code == 200
